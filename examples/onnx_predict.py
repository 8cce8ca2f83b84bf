"""Grade a folder of photographs with an exported run, without torch and timm.

It needs onnxruntime and drkit's image functions:

    drkit export runs/first --format onnx --out first.onnx
    python examples/onnx_predict.py first.onnx my-photographs > grades.csv

A run of eyes or patients grades the photographs of an eye or patient together. They are recognised by names like those
of DeepDRiD: PATIENT_l1.jpg, with l or r for the eye and the number of the view. Other photographs are graded alone.

For study and research. This is not a medical device.
"""

import argparse
import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from drkit.decisions import decide
from drkit.images.disc import square_about_disc
from drkit.images.files import read_photograph
from drkit.images.filters import apply_steps

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
NAME = re.compile(r"(?P<patient>.+)_(?P<eye>[lr])(?P<view>\d+)")


def main() -> None:
    """Write one CSV row per photograph to stdout: its grade, score and probabilities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="file written by drkit export --format onnx")
    parser.add_argument("folder", type=Path, help="folder of photographs, searched recursively")
    arguments = parser.parse_args()
    session = onnxruntime.InferenceSession(str(arguments.model), providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["drkit"])
    photographs = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not photographs:
        sys.exit(f"{arguments.folder} contains no photographs ({', '.join(SUFFIXES)})")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["image_id", f"{facts['target']}_grade", "score", *(f"prob_{grade}" for grade in range(5))])
    for unit in group_into_units(photographs, facts):
        probabilities, score = predict(session, unit, facts)
        (grade,) = decide(facts["decision"], probabilities, score, facts["cut_points"])
        figures = [f"{figure:.6f}" for figure in (score[0], *probabilities[0])]
        writer.writerows([path.stem, int(grade), *figures] for path in unit if path)


def group_into_units(photographs: list[Path], facts: dict[str, Any]) -> Iterator[list[Path | None]]:
    """Yield the slots of each unit, None where a photograph is missing; a patient's left eye comes before the right."""
    num_slots = facts["photographs_a_unit"]
    views_per_eye = num_slots // 2 if facts["unit"] == "patient" else num_slots
    units: dict[tuple[str, ...], list[Path | None]] = defaultdict(lambda: [None] * num_slots)
    for path in photographs:
        name = NAME.fullmatch(path.stem)
        if facts["unit"] == "image" or name is None:
            yield [path, *[None] * (num_slots - 1)]
            continue
        eye = ("eye", name["eye"]) if facts["unit"] == "eye" else ()
        unit = units[(str(path.parent), name["patient"], *eye)]
        first = views_per_eye if facts["unit"] == "patient" and name["eye"] == "r" else 0
        free = [slot for slot in range(first, first + views_per_eye) if unit[slot] is None]
        if not free:
            sys.exit(f"{path}: the run accepts at most {views_per_eye} photographs of an eye")
        unit[free[0]] = path
    yield from units.values()


def predict(
    session: onnxruntime.InferenceSession, unit: list[Path | None], facts: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the probabilities (1, 5) and the score (1,) of a unit."""
    photographs = np.zeros((1, len(unit), 3, facts["size"], facts["size"]), np.uint8)
    for slot, path in enumerate(unit):
        if path:
            photograph = apply_steps(read_photograph(path), facts["steps"])
            square = square_about_disc(photograph, facts["size"], round_disc=facts["round_discs"])
            photographs[0, slot] = square.transpose(2, 0, 1)
    first = session.get_inputs()[0]
    dtype = np.uint8 if first.type == "tensor(uint8)" else np.float32
    feed = {"photographs": photographs.astype(dtype), "mask": np.array([[path is not None for path in unit]])}
    inputs = {each.name: feed[each.name] for each in session.get_inputs()}
    probabilities, score = session.run(["probabilities", "score"], inputs)
    return probabilities, score


if __name__ == "__main__":
    main()
