"""CPU seconds and peak memory of commands on an increasing number of photographs, each command in its own process.

Each photograph of 64 x 64 pixels is a blend of two synthetic eyes, rotated, mirrored and tinted at random, so that no
two are copies. The exponent compares a row with the one before it: 1 means linear growth, 0 none.

    python tests/benchmarks/scale.py [--work FOLDER] [--photographs 1000 10000 100000] [--quick]
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from timing import build_parser

from drkit.images.files import Photograph, encode_photograph, read_photograph

SIDE = 64
EYES = 4 * 50  # at most, photographs of the synthetic eyes that others are blended from
SPLITS = {"train": 0.6, "val": 0.1, "test": 0.3}


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Args:
        seconds: CPU time, user and system.
        peak_mib: Largest resident memory of its process in MiB.
    """

    seconds: float
    peak_mib: float


def make_photographs(folder: Path, num_photographs: int) -> Path:
    """Make a data set in drkit's own layout, two photographs a patient; one that is there already is kept.

    Args:
        folder: Where the data sets of all sizes lie.
        num_photographs: An even number.
    """
    data = folder / f"eyes-{num_photographs}"
    if (data / "labels.csv").exists():
        return data
    generator = np.random.default_rng(num_photographs)
    eyes = _read_synthetic_eyes(folder, min(EYES, num_photographs))
    rows = []
    for number in range(num_photographs):
        path = data / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_photograph(_blend(eyes, generator), ".jpg"))
        rows.append((path.stem, path.relative_to(data), number // 2, ("left", "right")[number % 2]))
    table = pd.DataFrame(rows, columns=["image_id", "path", "patient_id", "eye"])
    patients = num_photographs // 2
    grades, splits = generator.integers(0, 5, patients), generator.choice([*SPLITS], patients, p=[*SPLITS.values()])
    table["eye_grade"] = table["patient_grade"] = grades[table["patient_id"]]
    table["split"], table["gradable"] = splits[table["patient_id"]], True
    table.to_csv(data / "labels.csv", index=False)
    return data


def _read_synthetic_eyes(folder: Path, num_eyes: int) -> list[Photograph]:
    eyes = folder / "synthetic"
    if not eyes.exists():
        command = ["synth", str(eyes), "--patients", str(num_eyes // 4), "--size", "96"]
        subprocess.run([sys.executable, "-m", "drkit", *command], check=True, capture_output=True)
    paths = sorted(path for path in eyes.rglob("*.jpg") if "lesions" not in path.parts)
    resized = [cv2.resize(read_photograph(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for path in paths]
    return [eye.astype(np.uint8) for eye in resized]


def _blend(eyes: list[Photograph], generator: np.random.Generator) -> Photograph:
    """A blend of two eyes, each rotated and mirrored at random, with a random tint."""
    blended = np.zeros((SIDE, SIDE, 3), np.float32)
    share = generator.uniform(0.35, 0.65)
    for weight in (share, 1 - share):
        eye = eyes[generator.integers(len(eyes))][:, :: generator.choice([-1, 1])]
        turn = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), generator.uniform(0, 360), 1)
        blended += weight * cv2.warpAffine(np.ascontiguousarray(eye), turn, (SIDE, SIDE))
    return np.clip(blended * generator.uniform(0.85, 1.15, 3), 0, 255).astype(np.uint8)


def list_commands(folder: Path, data: Path, num_photographs: int) -> dict[str, list[str]]:
    """The measured commands by name, in an order in which the inputs of each exist."""
    runs, graded = folder / "runs", folder / f"graded-{num_photographs}.parquet"
    trains = ["--backbone", "tf_efficientnet_lite0", "--weights", "none", "--freeze", "backbone", "--copies", "0"]
    trains += ["--size", str(SIDE), "--epochs", "1", "--unit", "image", "--runs-dir", str(runs), "--force"]
    of_data = ["--data", str(data), "--workers", "1"]
    vote, page = folder / f"vote-{num_photographs}.parquet", folder / f"report-{num_photographs}.html"
    prepared = folder / f"prepared-{num_photographs}"
    return {
        "check": ["check", str(data), "--workers", "1", "--fail-on", "never"],
        "preprocess": ["preprocess", str(prepared), *of_data, "--size", str(SIDE), "--force"],
        "finetune": ["finetune", *of_data, *trains, "--name", f"run-{num_photographs}"],
        "predict": ["predict", str(runs / "strangers"), *of_data, "--out", str(graded), "--force"],
        "score": ["score", str(graded)],
        "ensemble vote": ["ensemble", "vote", str(graded), str(graded), "--out", str(vote), "--force"],
        "plot report": ["plot", "report", str(graded), str(vote), "--data", str(data), "--out", str(page), "--force"],
    }


def train_stranger(folder: Path, num_photographs: int) -> None:
    """Train the run that `predict` grades with, on photographs that are in no other data set."""
    data = make_photographs(folder, num_photographs + 2)
    command = list_commands(folder, data, num_photographs)["finetune"]
    command[command.index("--name") + 1] = "strangers"
    measure(command)


def measure(command: Sequence[str]) -> Cost:
    """Run a drkit command in a process of its own.

    Raises:
        RuntimeError: the command failed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "drkit", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"drkit {' '.join(command)}: {errors[-500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print a row for each command and number of photographs."""
    parser = build_parser(__doc__)
    parser.add_argument("--work", type=Path, help="Folder of photographs and outputs. Default: a temporary one.")
    parser.add_argument("--photographs", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--commands", nargs="+", help="Only these, of those that are listed without it.")
    options = parser.parse_args()
    sizes = [40] if options.quick else sorted(options.photographs)
    chosen = options.commands or ["check"] if options.quick else options.commands
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        if not chosen or "predict" in chosen:
            train_stranger(folder, sizes[0])
        print("command        photographs  CPU seconds  exponent  peak MiB")
        for name in list_commands(folder, folder, 0):
            if not chosen or name in chosen:
                print_rows(folder, name, sizes)


def print_rows(folder: Path, name: str, sizes: Sequence[int]) -> None:
    """Measure one command on data sets of several sizes."""
    before: tuple[int, Cost] | None = None
    for num in sizes:
        cost = measure(list_commands(folder, make_photographs(folder, num), num)[name])
        exponent = f"{log(cost.seconds / before[1].seconds) / log(num / before[0]):.2f}" if before else ""
        print(f"{name:14s} {num:11,d}  {cost.seconds:11.1f}  {exponent:>8s}  {cost.peak_mib:8.0f}", flush=True)
        before = num, cost


if __name__ == "__main__":
    main()
