"""A contact sheet: photographs before and after each step."""

from collections.abc import Sequence

import cv2
import numpy as np

from drkit.images.files import Photograph
from drkit.images.filters.steps import Step, stages

TILE = 256  # pixels
GAP = 6
LINE = 18  # pixels of height a line of text takes
PAPER = 255
LETTER = 7  # pixels of width, about


def draw_contact_sheet(photographs: Sequence[tuple[str, Photograph]], steps: Sequence[Step]) -> Photograph:
    """Draw one row for each photograph: the original, and the result of each step.

    Args:
        photographs: Names and pixels.
        steps: The steps, in the order of application.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    titles = ["as it is", *map(str, steps)]
    lines = [_wrap(title) for title in titles]
    head = np.hstack([_write(words, max(map(len, lines))) for words in lines])
    return np.vstack([head, *(_row(name, photograph, steps) for name, photograph in photographs)])


def _row(name: str, photograph: Photograph, steps: Sequence[Step]) -> Photograph:
    tiles = [_tile(stage) for stage in stages(photograph, steps)]
    caption = _write([name], 1)
    blank = np.full((caption.shape[0], caption.shape[1] * (len(tiles) - 1), 3), PAPER, np.uint8)
    return np.vstack([np.hstack(tiles), np.hstack([caption, blank])])


def _tile(photograph: Photograph) -> Photograph:
    height, width = photograph.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE + GAP, TILE + GAP, 3), PAPER, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA)
    return tile


def _wrap(title: str) -> list[str]:
    """The step's name, then its parameters, as many a line as fit."""
    lines = [""]
    for word in title.split(":"):
        if lines[-1] and len(lines[-1]) + len(word) > (TILE - GAP) // LETTER:
            lines.append("")
        lines[-1] += f"{':' if lines[-1] else ''}{word}"
    return lines


def _write(lines: Sequence[str], num_lines: int) -> Photograph:
    paper = np.full((num_lines * LINE, TILE + GAP, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        place = (2, number * LINE + LINE - 5)
        cv2.putText(paper, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return paper
