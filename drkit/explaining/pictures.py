"""Pictures: attribution in colour over the grey photograph, strips and sheets; orange for, blue against."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drkit.fonts import font_families, telling_missing_letters
from drkit.grades import GRADE_NAMES, NUM_GRADES
from drkit.images.files import Photograph, encode_photograph

Strength = NDArray[np.floating]  # (H, W) in [0, 1]
Anchors = Sequence[tuple[int, int, int]]

# From weak to strong: hues of Okabe and Ito 2008, getting lighter, so that they order in grey print, too.
FOR: Anchors = ((120, 40, 0), (213, 94, 0), (245, 165, 35), (255, 238, 150))
AGAINST: Anchors = ((0, 40, 90), (0, 114, 178), (86, 180, 233), (200, 240, 255))

FAINT = 0.06  # evidence below this share of the strongest is not drawn
OPACITY = 0.9  # of the strongest evidence
DIM = 0.8  # of the grey photograph's brightness, so that colour stands out


def paint(picture: Photograph, strength: Strength, colours: Anchors, disc: NDArray[np.bool_]) -> Photograph:
    """Lay evidence over a photograph, which turns grey; outside the disc nothing is painted.

    Args:
        picture: uint8 (H, H, 3) RGB.
        strength: (S, S) in [0, 1], scaled up to the picture.
        colours: `FOR` or `AGAINST`.
        disc: (H, H) bool.
    """
    shown = _enlarge(strength, len(picture)) * disc
    grey = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return _blend((grey * DIM).astype(np.uint8), _colour(shown, colours), _opacity(shown))


def paint_both(picture: Photograph, positive: Strength, negative: Strength, disc: NDArray[np.bool_]) -> Photograph:
    """Lay what is left of the evidence for one answer (orange) or the other (blue) over a photograph; see `paint`."""
    left = positive - negative
    once = paint(picture, np.maximum(left, 0), FOR, disc)
    shown = _enlarge(np.maximum(-left, 0), len(picture)) * disc
    return _blend(once, _colour(shown, AGAINST), _opacity(shown))


def colour_bar(colours: Anchors, width: int, height: int) -> Photograph:
    """What weak to strong looks like on black, uint8 (height, width, 3)."""
    ramp = np.tile(np.linspace(0, 1, width), (height, 1))
    return _blend(np.zeros((height, width, 3), np.uint8), _colour(ramp, colours), _opacity(ramp))


def strip(pictures: Sequence[Photograph], gap: int = 6) -> Photograph:
    """Pictures of one height side by side, white between them."""
    padded = [np.pad(picture, ((0, 0), (0, gap), (0, 0)), constant_values=255) for picture in pictures[:-1]]
    return np.hstack([*padded, pictures[-1]])


def _enlarge(strength: Strength, side: int) -> NDArray[np.float32]:
    resized = cv2.resize(strength.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.clip(resized, 0, 1).astype(np.float32)


def _colour(strength: Strength, colours: Anchors) -> NDArray[np.float64]:
    """(H, W, 3)."""
    places = np.linspace(0, 1, len(colours))
    channels = [np.interp(strength, places, [colour[channel] for colour in colours]) for channel in range(3)]
    return np.stack(channels, axis=-1)


def _opacity(strength: Strength) -> NDArray[np.float64]:
    """(H, W, 1) in [0, OPACITY], rising from 0 at `FAINT`."""
    visible = np.clip((strength - FAINT) / (1 - FAINT), 0, 1)
    return (OPACITY * visible**0.6)[..., None].astype(np.float64)


def _blend(below: Photograph, colour: NDArray[np.float64], opacity: NDArray[np.float64]) -> Photograph:
    return np.rint(below * (1 - opacity) + colour * opacity).astype(np.uint8)


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
    canvas = _SheetCanvas.blank(_TITLE + len(rows) * (_PANEL + _HEAD) + _FOOT, width)
    canvas.write(title, _EDGE, 16, fontsize=10, weight="bold")
    for number, row in enumerate(rows):
        top = _TITLE + number * (_PANEL + _HEAD)
        _draw_row(canvas, row, top)
        _draw_bars(canvas, row, _EDGE + num_panels * (_PANEL + _GAP) + _ROOM, top + _HEAD)
    _draw_legend(canvas, scale)
    return canvas.encoded()


@dataclass
class _SheetCanvas:
    """Pixels, and text that is set on them at the end; places in pixels from the upper left corner."""

    pixels: Photograph
    texts: list[tuple[str, int, int, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    def blank(cls, height: int, width: int) -> "_SheetCanvas":
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


def _draw_row(canvas: _SheetCanvas, row: SheetRow, top: int) -> None:
    canvas.write(row.heading, _EDGE, top + 22, fontsize=8.5)
    if row.warning:
        canvas.write(row.warning, _EDGE, top + 42, color=_ALARM)
    for column, (name, picture) in enumerate(row.panels):
        left = _EDGE + column * (_PANEL + _GAP)
        shrinks = len(picture) > _PANEL
        resized = cv2.resize(picture, (_PANEL, _PANEL), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        canvas.paste(resized.astype(np.uint8, copy=False), left, top + _HEAD)
        canvas.write(name, left + _PANEL // 2, top + _HEAD - 5, ha="center", va="bottom")


def _draw_bars(canvas: _SheetCanvas, row: SheetRow, left: int, top: int) -> None:
    """The probability of each grade, the reference grade's green."""
    ground = top + 34 + _TALL
    middle = left + (NUM_GRADES * (_BAR + _BETWEEN) - _BETWEEN) // 2
    canvas.write("probability of each grade", middle, top - 5, ha="center", va="bottom")
    for grade, share in enumerate(row.probabilities):
        at, tall = left + grade * (_BAR + _BETWEEN), round(share * _TALL)
        canvas.fill(_REFERENCE if grade == row.reference else _OTHER, at, ground - tall, _BAR, tall)
        canvas.write(f"{share:.2f}", at + _BAR // 2, ground - tall - 3, ha="center", va="bottom", fontsize=6.5)
        canvas.write(str(grade), at + _BAR // 2, ground + 6, ha="center")
    canvas.fill("black", left - 6, ground, NUM_GRADES * (_BAR + _BETWEEN), 1)
    known = "reference unknown" if row.reference is None else f"green: reference, {GRADE_NAMES[row.reference]}"
    canvas.write(known, middle, ground + 28, ha="center")


def _draw_legend(canvas: _SheetCanvas, scale: tuple[str, str]) -> None:
    top = len(canvas.pixels) - _FOOT + 18
    for number, (words, colours) in enumerate(zip(scale, (FOR, AGAINST), strict=True)):
        if words:
            left = _EDGE + number * 420
            canvas.paste(colour_bar(colours, 140, 17), left, top)
            canvas.write(words, left + 152, top + 1)
    caption = (
        "weak to strong; for and against on one scale, which a unit's photographs share, a comparison of two grades on"
        " its own;\nnothing is painted outside the fundus disc"
    )
    canvas.write(caption, _EDGE, top + 25, fontsize=6.5, color=_QUIET)
