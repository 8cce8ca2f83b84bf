"""Grade a folder of photographs with an exported run: onnxruntime and drkit's image functions, no torch and no timm.

    drkit export runs/first --format onnx --out first.onnx
    python examples/onnx_predict.py first.onnx my-photographs > grades.csv

Photographs of one eye or patient are graded together where the run was trained so; they are recognised by names like
DeepDRiD's, PATIENT_l1.jpg (l or r for the eye, and the view's number). Others are graded alone.

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
    """Write a row a photograph to stdout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="from drkit export --format onnx")
    parser.add_argument("folder", type=Path, help="of photographs; folders in it are searched, too")
    asked = parser.parse_args()
    session = onnxruntime.InferenceSession(str(asked.model), providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["drkit"])
    photographs = sorted(path for path in asked.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not photographs:
        sys.exit(f"{asked.folder} holds no photographs ({', '.join(SUFFIXES)})")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["image_id", f"{facts['target']}_grade", "score", *(f"prob_{grade}" for grade in range(5))])
    for places in units_of(photographs, facts):
        probabilities, score = grade(session, places, facts)
        (grade_found,) = decide(facts["decision"], probabilities, score, facts["cut_points"])
        figures = [f"{figure:.6f}" for figure in (score[0], *probabilities[0])]
        writer.writerows([path.stem, int(grade_found), *figures] for path in places if path)


def units_of(photographs: list[Path], facts: dict[str, Any]) -> Iterator[list[Path | None]]:
    """What is graded together, each photograph in its place: of a patient the left eye's views, then the right's."""
    num_places = facts["photographs_a_unit"]
    num_views = num_places // 2 if facts["unit"] == "patient" else num_places  # of an eye
    units: dict[tuple[str, ...], list[Path | None]] = defaultdict(lambda: [None] * num_places)
    for path in photographs:
        name = NAME.fullmatch(path.stem)
        if facts["unit"] == "image" or name is None:
            yield [path, *[None] * (num_places - 1)]
            continue
        eye = ("eye", name["eye"]) if facts["unit"] == "eye" else ()
        unit = units[(str(path.parent), name["patient"], *eye)]
        first = num_views if facts["unit"] == "patient" and name["eye"] == "r" else 0
        free = [place for place in range(first, first + num_views) if unit[place] is None]
        if not free:
            sys.exit(f"{path}: the run takes at most {num_views} photographs of one eye")
        unit[free[0]] = path
    yield from units.values()


def grade(
    session: onnxruntime.InferenceSession, places: list[Path | None], facts: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (1, 5) and score (1,) of a unit."""
    photographs = np.zeros((1, len(places), 3, facts["size"], facts["size"]), np.uint8)
    for place, path in enumerate(places):
        if path:
            photograph = apply_steps(read_photograph(path), facts["steps"])
            square = square_about_disc(photograph, facts["size"], round_disc=facts["round_discs"])
            photographs[0, place] = square.transpose(2, 0, 1)
    first = session.get_inputs()[0]
    dtype = np.uint8 if first.type == "tensor(uint8)" else np.float32
    feed = {"photographs": photographs.astype(dtype), "mask": np.array([[path is not None for path in places]])}
    wanted = {each.name: feed[each.name] for each in session.get_inputs()}
    probabilities, score = session.run(["probabilities", "score"], wanted)
    return probabilities, score


if __name__ == "__main__":
    main()
