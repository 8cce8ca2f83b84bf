"""Give every reader files with random bytes changed, and check that each is accepted or refused in one line.

python tests/campaigns/mutated_inputs.py --runs 50000
"""

import argparse
import logging
import random
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from drkit.data.augmentation import load_policy
from drkit.ensembling.serialization import read_ensemble
from drkit.errors import DrkitError
from drkit.images.files import read_photograph
from drkit.models.weights.files import read_index, read_tensors
from drkit.records.checkpoint import read_checkpoint
from drkit.records.explanations import read_explanations
from drkit.records.history import read_history
from drkit.records.manifest import read_manifest
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run, read_checksums, read_run_record
from drkit.records.submission import read_sample
from drkit.records.truth import read_truth

FILES = Path(__file__).parents[1] / "compatibility" / "version_1"
TOML = b'base = "medium"\nturn = 30\nblur = 0.004\nblur_probability = 0.2\n'
TABLE = b"image_id,path,split,eye_grade,patient_grade\n1_l1,a.jpg,train,0,2\n2_r1,b.jpg,val,4,4\n"
INDEX = b'{"weight_map": {"conv.weight": "a-1.safetensors", "conv.bias": "a-2.safetensors"}}'
# Bytes with a meaning in one of the formats.
WORDS = (
    b"", b"\0", b"\xff", b"\n", b"\r", b'"', b",", b"{", b"}", b"[", b"]", b":", b"null", b"NaN", b"-1", b"1e999",
    b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"../", b"\x80\x04\x95", b"true", b"\xef\xbb\xbf",
)  # fmt: skip


def originals() -> dict[str, tuple[bytes, int, Callable[[Path], object]]]:
    """By name: content, how many bytes from the beginning (negative: the end) are changed, reader."""
    kept = {name: (FILES / name).read_bytes() for name in ("one.json", "one.parquet", "one.history.csv", "vote.json")}
    weights = (FILES / "one.safetensors").read_bytes()
    header = 8 + int.from_bytes(weights[:8], "little")
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    return {
        "one.json": (kept["one.json"], 0, lambda path: (read_run_record(Run.of(path)), read_checksums(path))),
        "one.parquet": (kept["one.parquet"], -6000, read_predictions),
        "one.history.csv": (kept["one.history.csv"], 0, read_history),
        "vote.json": (kept["vote.json"], 0, read_ensemble),
        "one.safetensors": (weights, header, read_checkpoint),
        "foreign.safetensors": (weights, header, read_tensors),
        "model.safetensors.index.json": (INDEX, 0, read_index),
        "manifest.json": ((FILES / "made/manifest.json").read_bytes(), 0, lambda path: read_manifest(path.parent)),
        "explained/manifest.json": (
            (FILES / "explained/manifest.json").read_bytes(), 0, lambda path: read_explanations(path.parent)
        ),
        "policy.toml": (TOML, 0, lambda path: load_policy(str(path))),
        "labels.csv": (TABLE, 0, read_truth),
        "sample_submission.csv": (b"ID,TARGET\n1_l1.jpg,0\n1_l2.jpg,0\n", 0, read_sample),
        **{
            f"a{suffix}": (cv2.imencode(suffix, picture)[1].tobytes(), 0, read_photograph)
            for suffix in (".jpg", ".png", ".tif", ".bmp", ".webp")
        },
    }  # fmt: skip


def mutate(content: bytes, span: int, generator: random.Random) -> bytes:
    """One to four changes: bits flipped, bytes replaced, cut, doubled, or the file cut off."""
    changed = bytearray(content)
    low, high = (0, span or len(content)) if span >= 0 else (max(0, len(content) + span), len(content))
    for _ in range(generator.randint(1, 4)):
        at = min(generator.randrange(low, high), max(0, len(changed) - 1))
        length = generator.choice((1, 1, 2, 4, 16))
        kind = generator.randrange(5)
        if kind == 0 and changed:
            changed[at] ^= 1 << generator.randrange(8)
        elif kind == 1:
            changed[at : at + length] = generator.choice(WORDS)
        elif kind == 2:
            changed[at : at + length] = generator.randbytes(length)
        elif kind == 3:
            changed[at:at] = changed[at : at + length]
        elif generator.random() < 0.2:
            del changed[at:]
    return bytes(changed)


def campaign(mutations: int, seed: int, folder: Path) -> tuple[dict[str, Counter], list[str]]:
    """Outcomes by file, and the last lines of outputs that are not refusals."""
    generator, outcomes, faults = random.Random(seed), {name: Counter() for name in originals()}, []
    readers = originals()
    for number in range(mutations):
        name = list(readers)[number % len(readers)]
        content, span, read = readers[name]
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mutate(content, span, generator))
        if name == "vote.json":
            (folder / "vote.parquet").write_bytes((FILES / "vote.parquet").read_bytes())
        try:
            read(path)
            outcomes[name]["taken"] += 1
        except DrkitError as error:
            one_line = "\n" not in str(error)
            outcomes[name]["refused" if one_line else "in lines"] += 1
            faults += [] if one_line else [f"{name}: several lines: {error}"]
        except Exception as error:
            outcomes[name]["fault"] += 1
            where = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in where if "drkit/" in frame.filename][-1:]
            faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]} ({own}), mutation {number}")
    return outcomes, faults


def main() -> None:
    """Run the campaign, and print a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, faults = campaign(options.runs, options.seed, Path(folder))
    print("| file | taken | refused in one line | other |\n|---|---|---|---|")
    for name, outcome in outcomes.items():
        other = outcome["fault"] + outcome["in lines"]
        print(f"| {name} | {outcome['taken']} | {outcome['refused']} | {other} |")
    print(f"\n{options.runs} mutations in {time.perf_counter() - start:.0f} s")
    print("\n".join(faults[:40]))
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
