"""Pictures: attribution in colour over the grey photograph, in strips and sheets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drkit.fonts import font_families, warning_of_missing_letters
from drkit.grades import GRADE_NAMES, NUM_GRADES
from drkit.images.files import Photograph, encode_photograph

Strength = NDArray[np.floating]  # (H, W) in [0, 1]
Anchors = Sequence[tuple[int, int, int]]

# From weak to strong; hues of Okabe and Ito 2008, which get lighter, so that their order shows in grey print.
FOR: Anchors = ((120, 40, 0), (213, 94, 0), (245, 165, 35), (255, 238, 150))
AGAINST: Anchors = ((0, 40, 90), (0, 114, 178), (86, 180, 233), (200, 240, 255))

FAINT = 0.06  # share of the strongest evidence; weaker evidence is not drawn
OPACITY = 0.9  # of the strongest evidence
DIM = 0.8  # factor of the grey photograph's brightness, so that colour stands out


def paint(picture: Photograph, strength: Strength, colours: Anchors, disc: NDArray[np.bool_]) -> Photograph:
    """Turn a photograph grey and paint evidence on it, inside the disc only.

    Args:
        picture: uint8 (H, H, 3) RGB.
        strength: (S, S) in [0, 1], resized to the picture.
        colours: `FOR` or `AGAINST`.
        disc: (H, H) bool, the fundus disc.
    """
    visible = _resize(strength, len(picture)) * disc
    grey = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return _blend((grey * DIM).astype(np.uint8), _colour(visible, colours), _opacity(visible))


def paint_both(picture: Photograph, positive: Strength, negative: Strength, disc: NDArray[np.bool_]) -> Photograph:
    """Paint the difference of two evidences: orange if the positive one is higher, else blue; see `paint`."""
    difference = positive - negative
    orange = paint(picture, np.maximum(difference, 0), FOR, disc)
    visible = _resize(np.maximum(-difference, 0), len(picture)) * disc
    return _blend(orange, _colour(visible, AGAINST), _opacity(visible))


def colour_bar(colours: Anchors, width: int, height: int) -> Photograph:
    """The colours from weak to strong on black, uint8 (height, width, 3)."""
    ramp = np.tile(np.linspace(0, 1, width), (height, 1))
    return _blend(np.zeros((height, width, 3), np.uint8), _colour(ramp, colours), _opacity(ramp))


def strip(pictures: Sequence[Photograph], gap: int = 6) -> Photograph:
    """Pictures of one height side by side, white between them."""
    padded = [np.pad(picture, ((0, 0), (0, gap), (0, 0)), constant_values=255) for picture in pictures[:-1]]
    return np.hstack([*padded, pictures[-1]])


def _resize(strength: Strength, side: int) -> NDArray[np.float32]:
    resized = cv2.resize(strength.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.clip(resized, 0, 1).astype(np.float32)


def _colour(strength: Strength, colours: Anchors) -> NDArray[np.float64]:
    """(H, W, 3), between 0 and 255."""
    positions = np.linspace(0, 1, len(colours))
    channels = [np.interp(strength, positions, [colour[channel] for colour in colours]) for channel in range(3)]
    return np.stack(channels, axis=-1)


def _opacity(strength: Strength) -> NDArray[np.float64]:
    """(H, W, 1) in [0, OPACITY], rising from 0 at `FAINT`."""
    visible = np.clip((strength - FAINT) / (1 - FAINT), 0, 1)
    return (OPACITY * visible**0.6)[..., None].astype(np.float64)


def _blend(below: Photograph, colour: NDArray[np.float64], opacity: NDArray[np.float64]) -> Photograph:
    return np.rint(below * (1 - opacity) + colour * opacity).astype(np.uint8)


ROWS_A_SHEET = 6

_DPI = 130
_PANEL, _GAP, _EDGE = 273, 13, 20  # pixels: side of a picture, gap between pictures, margin
_TITLE, _HEAD, _FOOT = 46, 82, 82  # heights in pixels: title of the sheet, heading of a row, legend
# Pixels: width of a bar, gap between bars, height of probability 1, gap before the bars.
_BAR, _BETWEEN, _TALL, _ROOM = 32, 12, 175, 52
_REFERENCE, _OTHER, _ALARM, _QUIET = "#009E73", "#BBBBBB", "#B03A00", "#595959"


@dataclass(frozen=True)
class SheetRow:
    """One photograph of a sheet.

    Args:
        heading: Name, grades and score of the photograph.
        panels: Title and picture of each panel, starting with the photograph.
        probabilities: Probabilities of the grades 0 to 4.
        reference: The reference grade; None if it is unknown.
        warning: A possible problem of the explanation, or an empty string.
    """

    heading: str
    panels: Sequence[tuple[str, Photograph]]
    probabilities: Sequence[float]
    reference: int | None
    warning: str = ""


def draw_sheet(rows: Sequence[SheetRow], title: str, scale: tuple[str, str]) -> bytes:
    """Draw a PNG with one row for each photograph.

    Args:
        rows: 1 to `ROWS_A_SHEET` rows.
        title: Title of the sheet.
        scale: The meanings of orange and blue, in words; the second is empty if there is no blue.
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
    """Pixels, and text that is drawn on them at the end; positions are in pixels from the upper left corner."""

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
        with warning_of_missing_letters("the sheet"):
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
    """Draw the probabilities as bars, green for the reference grade."""
    baseline = top + 34 + _TALL
    middle = left + (NUM_GRADES * (_BAR + _BETWEEN) - _BETWEEN) // 2
    canvas.write("probability of each grade", middle, top - 5, ha="center", va="bottom")
    for grade, share in enumerate(row.probabilities):
        x, height = left + grade * (_BAR + _BETWEEN), round(share * _TALL)
        canvas.fill(_REFERENCE if grade == row.reference else _OTHER, x, baseline - height, _BAR, height)
        canvas.write(f"{share:.2f}", x + _BAR // 2, baseline - height - 3, ha="center", va="bottom", fontsize=6.5)
        canvas.write(str(grade), x + _BAR // 2, baseline + 6, ha="center")
    canvas.fill("black", left - 6, baseline, NUM_GRADES * (_BAR + _BETWEEN), 1)
    caption = "reference unknown" if row.reference is None else f"green: reference, {GRADE_NAMES[row.reference]}"
    canvas.write(caption, middle, baseline + 28, ha="center")


def _draw_legend(canvas: _SheetCanvas, scale: tuple[str, str]) -> None:
    top = len(canvas.pixels) - _FOOT + 18
    for number, (words, colours) in enumerate(zip(scale, (FOR, AGAINST), strict=True)):
        if words:
            left = _EDGE + number * 420
            canvas.paste(colour_bar(colours, 140, 17), left, top)
            canvas.write(words, left + 152, top + 1)
    caption = (
        "Weak to strong. For and against share one scale in all photographs of a unit; a comparison of two grades has"
        " its own scale.\nNothing is painted outside the fundus disc."
    )
    canvas.write(caption, _EDGE, top + 25, fontsize=6.5, color=_QUIET)
