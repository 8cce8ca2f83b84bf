"""A contact sheet: photographs before and after each step."""

import re
from collections.abc import Sequence

import cv2
import numpy as np

from drkit.images.files import Photograph
from drkit.images.filters.steps import Step, stages
from drkit.images.lettering import LETTER, LINE, PAPER, draw_lines

TILE = 256  # pixels
GAP = 6
VISIBLE = 0.5  # grey levels: mean difference of two tiles below which they look the same


def draw_contact_sheet(photographs: Sequence[tuple[str, Photograph]], steps: Sequence[Step]) -> Photograph:
    """Draw one row per photograph: unchanged, then after each step.

    A step that changes none of the photographs visibly has no column; its name is added to the column before.

    Args:
        photographs: Names and pixels.
        steps: The steps, in their order.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    rows = [[_tile(stage) for stage in stages(photograph, steps)] for _, photograph in photographs]
    shown, titles = [0], ["as it is"]
    for number, step in enumerate(steps, 1):
        if max(cv2.absdiff(tiles[shown[-1]], tiles[number]).mean() for tiles in rows) < VISIBLE:
            titles[-1] += f"; {step} changes nothing visible"
        else:
            shown.append(number)
            titles.append(str(step))
    lines = [_wrap(title) for title in titles]
    head = np.hstack([draw_lines(words, TILE + GAP, LINE * max(map(len, lines))) for words in lines])
    blocks = [head]
    for (name, _), tiles in zip(photographs, rows, strict=True):
        caption = draw_lines([name], TILE + GAP, LINE)
        blank = np.full((caption.shape[0], caption.shape[1] * (len(shown) - 1), 3), PAPER, np.uint8)
        blocks += [np.hstack([tiles[number] for number in shown]), np.hstack([caption, blank])]
    return np.vstack(blocks)


def _tile(photograph: Photograph) -> Photograph:
    height, width = photograph.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE + GAP, TILE + GAP, 3), PAPER, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA)
    return tile


def _wrap(title: str) -> list[str]:
    """The title in lines of one column, broken at spaces and between parameters."""
    lines = [""]
    for word in re.findall(r"[^:\s]+(?::|\s|$)", title):
        if lines[-1] and len(lines[-1]) + len(word) > (TILE - GAP) // LETTER:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]
