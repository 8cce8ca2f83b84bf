"""A picture of duplicate pairs side by side."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from drkit.auditing.duplicates import DuplicateGroup
from drkit.grades import TARGETS, grade_column
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph, encode_photograph, read_content
from drkit.images.reduced import decode_reduced

SIDE = 240  # pixels of a photograph
MAX_PAIRS = 200  # on one sheet, which then has 60 million pixels

_PAIRS_A_ROW = 3
_CAPTION, _LINE, _GAP = 64, 18, 12  # pixels
_WHITE, _BLACK = 255, (0, 0, 0)


def draw_contact_sheet(copies: Sequence[DuplicateGroup]) -> bytes:
    """Draw a PNG of the pairs, three in a row, each with ids, splits, grades, kind and correlation.

    Args:
        copies: The pairs, of which the first `MAX_PAIRS` are drawn; without pairs the sheet says so.
    """
    cells = [_draw_pair(pair) for pair in copies[:MAX_PAIRS]] or [_caption(["no duplicates were found"], 2 * SIDE)]
    blank = np.full_like(cells[0], _WHITE)
    cells += [blank] * (-len(cells) % _PAIRS_A_ROW)
    rows = [np.hstack(cells[start : start + _PAIRS_A_ROW]) for start in range(0, len(cells), _PAIRS_A_ROW)]
    return encode_photograph(np.vstack(rows), ".png")


def _draw_pair(pair: DuplicateGroup) -> Photograph:
    """Draw the two photographs with captions, uint8 (SIDE + captions, 2 SIDE + gap, 3)."""
    decoded = [decode_reduced(read_content(Path(path)), path, SIDE)[0].pixels for path in pair.shown]
    photographs = np.hstack([square_about_disc(photograph, SIDE) for photograph in decoded])
    similarity = "identical files" if pair.is_identical else f"correlation {pair.correlation:.3f}"
    captions = [_describe(pair, path) for path in pair.shown]
    cell = np.vstack([photographs, _caption([*captions, f"{pair.kind}, {similarity}"], 2 * SIDE)])
    return np.pad(cell, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=_WHITE)


def _describe(pair: DuplicateGroup, path: str) -> str:
    """`410_l1, val, eye grade 2, patient grade 3`."""
    row = pair.rows[pair.rows["path"] == path].iloc[0]
    grades = [f"{target} grade {row[grade_column(target)]}" for target in TARGETS if row.notna()[grade_column(target)]]
    return ", ".join([str(row["image_id"]), str(row["split"]), *grades])


def _caption(lines: Sequence[str], width: int) -> Photograph:
    strip = np.full((_CAPTION, width, 3), _WHITE, np.uint8)
    for number, line in enumerate(lines, start=1):
        text = line.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
        cv2.putText(strip, text, (4, number * _LINE), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _BLACK, 1, cv2.LINE_AA)
    return strip
