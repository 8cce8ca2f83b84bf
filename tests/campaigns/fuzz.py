"""Fuzz the readers of tables, policies, headers of weights and metadata of predictions, guided by coverage.

The fuzzer (atheris, which is libFuzzer for Python) changes valid files so that ever more branches of drkit's readers
run. A reader has to accept a file or refuse it in one line; anything else is a crash. Each target runs in a process
of its own. Prints a row per target, and ends with 1 if there are crashes, whose inputs are then in the working
directory.

    pip install atheris
    python tests/campaigns/fuzz.py --runs 20000
"""

import argparse
import json
import logging
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris
import pyarrow.parquet as pq

with atheris.instrument_imports(include=["drkit"]):
    from drkit.data.augmentation import load_policy
    from drkit.errors import DrkitError
    from drkit.models.weights.files import read_tensors
    from drkit.records.checkpoint import read_checkpoint
    from drkit.records.history import read_history
    from drkit.records.layouts import read_dataset
    from drkit.records.predictions import read_predictions
    from drkit.records.submission import read_sample
    from drkit.records.truth import read_truth

FILES = Path(__file__).parents[1] / "compatibility" / "version_1"
KEY = b"drkit"  # of the metadata in parquet files
TABLE = b"image_id,path,split,eye_grade,patient_grade\n1_l1,a.jpg,train,0,2\n2_r1,b.jpg,val,4,4\n"
SAMPLE = b"ID,TARGET\n1_l1.jpg,0\n1_l2.jpg,0\n"
POLICY = b'base = "medium"\nturn = 30\nblur = 0.004\nblur_probability = 0.2\n'
LENGTH = 8  # bytes of the header's length in safetensors files


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read_labels(folder: Path, content: bytes) -> None:
    """Read a data set whose table is fuzzed; it has one photograph's file."""
    _write(folder / "labels.csv", content)
    _write(folder / "a.jpg", b"")
    read_dataset(folder)


def read_weights(folder: Path, content: bytes, read: Callable[[Path], object]) -> None:
    """Read a safetensors file whose header is fuzzed."""
    tensors = (FILES / "one.safetensors").read_bytes()
    data = tensors[LENGTH + int.from_bytes(tensors[:LENGTH], "little") :]
    read(_write(folder / "one.safetensors", len(content).to_bytes(LENGTH, "little") + content + data))


def read_metadata(folder: Path, content: bytes) -> None:
    """Read predictions whose metadata is fuzzed."""
    table = pq.read_table(FILES / "one.parquet")
    pq.write_table(table.replace_schema_metadata({KEY: content}), folder / "one.parquet")
    read_predictions(folder / "one.parquet")


def weights_header() -> bytes:
    """The header of a valid safetensors file."""
    content = (FILES / "one.safetensors").read_bytes()
    return content[LENGTH : LENGTH + int.from_bytes(content[:LENGTH], "little")]


# By target: a valid content, and what reads it in an empty folder.
TARGETS: dict[str, tuple[Callable[[], bytes], Callable[[Path, bytes], object]]] = {
    "labels.csv": (lambda: TABLE, read_labels),
    "truth.csv": (lambda: TABLE, lambda folder, content: read_truth(_write(folder / "truth.csv", content))),
    "sample.csv": (lambda: SAMPLE, lambda folder, content: read_sample(_write(folder / "sample.csv", content))),
    "history.csv": (
        (FILES / "one.history.csv").read_bytes,
        lambda folder, content: read_history(_write(folder / "one.history.csv", content)),
    ),
    "policy.toml": (
        lambda: POLICY,
        lambda folder, content: load_policy(str(_write(folder / "policy.toml", content))),
    ),
    "checkpoint header": (weights_header, lambda folder, content: read_weights(folder, content, read_checkpoint)),
    "weights header": (weights_header, lambda folder, content: read_weights(folder, content, read_tensors)),
    "parquet metadata": (lambda: pq.read_schema(FILES / "one.parquet").metadata[KEY], read_metadata),
}


def fuzz(name: str, runs: int, seed: int) -> None:
    """Fuzz one target; ends the process."""
    warnings.simplefilter("ignore")
    logging.disable()
    valid, read = TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as folder:
        _write(Path(corpus) / "valid", valid())

        def once(content: bytes) -> None:
            try:
                read(Path(folder), content)
            except DrkitError as error:
                if "\n" in str(error):
                    raise AssertionError(f"a refusal of several lines: {error}") from error

        atheris.Setup([sys.argv[0], f"-runs={runs}", f"-seed={seed + 1}", "-max_len=20000", corpus], once)
        atheris.Fuzz()


def main() -> None:
    """Fuzz each target in a process of its own, and print a row per target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000, help="runs per target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, help="fuzz only this target, in this process")
    options = parser.parse_args()
    if options.target:
        fuzz(options.target, options.runs, options.seed)
        return
    outcomes = {}
    for name in TARGETS:
        command = [sys.executable, __file__, "--runs", str(options.runs), "--seed", str(options.seed)]
        done = subprocess.run([*command, "--target", name], capture_output=True, text=True, check=False)
        features = re.findall(r"ft: (\d+)", done.stderr)
        outcomes[name] = {"features": features[:1] + features[-1:], "code": done.returncode}
        crash = re.search(r"=== Uncaught Python exception: ===\n(.*)", done.stderr)
        print(f"{name}: {json.dumps(outcomes[name])} {crash[1] if crash else ''}", file=sys.stderr, flush=True)
    print("| target | features of the valid file | features reached | crashed |\n|---|---|---|---|")
    for name, outcome in outcomes.items():
        print(f"| {name} | {' | '.join(outcome['features'])} | {'yes' if outcome['code'] else 'no'} |")
    raise SystemExit(any(outcome["code"] for outcome in outcomes.values()))


if __name__ == "__main__":
    main()
