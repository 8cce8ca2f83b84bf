"""Sheets: photographs beside what speaks for and against, with grades and probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from drkit.explaining.overlays import AGAINST, FOR, colour_bar
from drkit.fonts import font_families, telling_missing_letters
from drkit.grades import GRADE_NAMES, NUM_GRADES
from drkit.images.files import Photograph, encode_photograph

ROWS_A_SHEET = 6

_DPI = 130
_PANEL, _GAP, _EDGE = 273, 13, 20  # pixels: a picture's side, between pictures, around all
_TITLE, _HEAD, _FOOT = 46, 82, 82  # pixels of height: the sheet's title, a row's heading, the legend
_BAR, _BETWEEN, _TALL, _ROOM = 32, 12, 175, 52  # pixels: a bar, between bars, a bar of probability 1, before the bars
_REFERENCE, _OTHER, _ALARM, _QUIET = "#009E73", "#BBBBBB", "#B03A00", "#595959"


@dataclass(frozen=True)
class SheetRow:
    """One photograph of a sheet.

    Args:
        heading: Its name, grades and whatever must be known to read it.
        panels: What stands over each picture, and the picture; the first is the photograph.
        probabilities: Of the grades 0 to 4.
        reference: The reference grade; None where unknown.
        warning: What is alarming about it; empty where nothing is.
    """

    heading: str
    panels: Sequence[tuple[str, Photograph]]
    probabilities: Sequence[float]
    reference: int | None
    warning: str = ""


def draw_sheet(rows: Sequence[SheetRow], title: str, scale: tuple[str, str]) -> bytes:
    """A PNG, a row a photograph.

    Args:
        rows: At most `ROWS_A_SHEET`, at least one.
        title: Above all rows.
        scale: What orange and blue speak for, in words; the second empty where there is no blue.
    """
    num_panels = max(len(row.panels) for row in rows)
    width = 2 * _EDGE + num_panels * (_PANEL + _GAP) + _ROOM + NUM_GRADES * (_BAR + _BETWEEN)
    paper = _Paper.blank(_TITLE + len(rows) * (_PANEL + _HEAD) + _FOOT, width)
    paper.write(title, _EDGE, 16, fontsize=10, weight="bold")
    for number, row in enumerate(rows):
        top = _TITLE + number * (_PANEL + _HEAD)
        _draw_row(paper, row, top)
        _draw_bars(paper, row, _EDGE + num_panels * (_PANEL + _GAP) + _ROOM, top + _HEAD)
    _draw_legend(paper, scale)
    return paper.encoded()


@dataclass
class _Paper:
    """Pixels, and text that is set on them at the end; places in pixels from the upper left corner."""

    pixels: Photograph
    texts: list[tuple[str, int, int, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    def blank(cls, height: int, width: int) -> "_Paper":
        return cls(np.full((height, width, 3), 255, np.uint8))

    def paste(self, picture: Photograph, left: int, top: int) -> None:
        height, width = picture.shape[:2]
        self.pixels[top : top + height, left : left + width] = picture

    def fill(self, colour: str, left: int, top: int, width: int, height: int) -> None:
        self.pixels[top : top + height, left : left + width] = np.rint(np.array(to_rgb(colour)) * 255)

    def write(self, text: str, left: int, top: int, **style: Any) -> None:
        self.texts.append(
            (
                text,
                left,
                top,
                {"fontsize": 8.0, "va": "top", "parse_math": False, "family": list(font_families()), **style},
            )
        )

    def encoded(self) -> bytes:
        height, width = self.pixels.shape[:2]
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        figure.figimage(self.pixels, origin="upper")
        for text, left, top, style in self.texts:
            figure.text(left / width, 1 - top / height, text, **style)
        canvas = FigureCanvasAgg(figure)
        with telling_missing_letters("the sheet"):
            canvas.draw()
        return encode_photograph(np.asarray(canvas.buffer_rgba())[..., :3].copy(), ".png")


def _draw_row(paper: _Paper, row: SheetRow, top: int) -> None:
    paper.write(row.heading, _EDGE, top + 22, fontsize=8.5)
    if row.warning:
        paper.write(row.warning, _EDGE, top + 42, color=_ALARM)
    for column, (name, picture) in enumerate(row.panels):
        left = _EDGE + column * (_PANEL + _GAP)
        paper.paste(_fitted(picture), left, top + _HEAD)
        paper.write(name, left + _PANEL // 2, top + _HEAD - 5, ha="center", va="bottom")


def _fitted(picture: Photograph) -> Photograph:
    shrinks = len(picture) > _PANEL
    resized = cv2.resize(picture, (_PANEL, _PANEL), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized.astype(np.uint8, copy=False)


def _draw_bars(paper: _Paper, row: SheetRow, left: int, top: int) -> None:
    """The probability of each grade, the reference grade's green."""
    ground = top + 34 + _TALL
    middle = left + (NUM_GRADES * (_BAR + _BETWEEN) - _BETWEEN) // 2
    paper.write("probability of each grade", middle, top - 5, ha="center", va="bottom")
    for grade, share in enumerate(row.probabilities):
        at, tall = left + grade * (_BAR + _BETWEEN), round(share * _TALL)
        paper.fill(_REFERENCE if grade == row.reference else _OTHER, at, ground - tall, _BAR, tall)
        paper.write(f"{share:.2f}", at + _BAR // 2, ground - tall - 3, ha="center", va="bottom", fontsize=6.5)
        paper.write(str(grade), at + _BAR // 2, ground + 6, ha="center")
    paper.fill("black", left - 6, ground, NUM_GRADES * (_BAR + _BETWEEN), 1)
    known = "reference unknown" if row.reference is None else f"green: reference, {GRADE_NAMES[row.reference]}"
    paper.write(known, middle, ground + 28, ha="center")


def _draw_legend(paper: _Paper, scale: tuple[str, str]) -> None:
    top = len(paper.pixels) - _FOOT + 18
    for number, (words, colours) in enumerate(zip(scale, (FOR, AGAINST), strict=True)):
        if words:
            left = _EDGE + number * 420
            paper.paste(colour_bar(colours, 140, 17), left, top)
            paper.write(words, left + 152, top + 1)
    told = (
        "weak to strong; for and against on one scale, which a unit's photographs share, a comparison of two grades on"
        " its own;\nnothing is painted outside the fundus disc"
    )
    paper.write(told, _EDGE, top + 25, fontsize=6.5, color=_QUIET)
