"""Sheets: photographs beside what speaks for and against, with grades and probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drkit.explaining.overlays import AGAINST, FOR, colour_bar
from drkit.grades import GRADE_NAMES, NUM_GRADES
from drkit.images.files import Photograph

ROWS_A_SHEET = 6

_SIDE, _BARS, _HEAD, _FOOT = 2.1, 1.7, 0.62, 0.66  # inches: a panel, the bars, a row's heading, the legend
_STYLE = {"font.size": 8, "savefig.dpi": 130, "axes.spines.top": False, "axes.spines.right": False}
_REFERENCE, _OTHER = "#009E73", "#BBBBBB"


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
    width = 0.3 + num_panels * (_SIDE + 0.1) + 0.45 + _BARS
    height = 0.35 + len(rows) * (_SIDE + _HEAD) + _FOOT
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height))
        figure.text(0.15 / width, 1 - 0.14 / height, title, fontsize=10, weight="bold", va="top")
        for number, row in enumerate(rows):
            _draw_row(figure, row, 0.35 + number * (_SIDE + _HEAD), num_panels)
        _draw_legend(figure, scale)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_row(figure: Figure, row: SheetRow, top: float, num_panels: int) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.15 / width, 1 - (top + 0.18) / height, row.heading, fontsize=8.5, va="top", parse_math=False)
    if row.warning:
        figure.text(0.15 / width, 1 - (top + 0.34) / height, row.warning, fontsize=8, va="top", color="#B03A00")
    below = top + _HEAD
    for column, (name, picture) in enumerate(row.panels):
        axes = _axes(figure, 0.15 + column * (_SIDE + 0.1), below, _SIDE, _SIDE)
        axes.imshow(picture, interpolation="lanczos")
        axes.set_title(name, fontsize=8, pad=3)
        axes.set_axis_off()
    left = 0.15 + num_panels * (_SIDE + 0.1) + 0.4
    _draw_bars(_axes(figure, left, below + 0.25, _BARS, _SIDE - 0.6), row)


def _draw_bars(axes: Axes, row: SheetRow) -> None:
    colours = [_REFERENCE if grade == row.reference else _OTHER for grade in range(NUM_GRADES)]
    axes.bar(range(NUM_GRADES), row.probabilities, color=colours, width=0.75)
    for grade, share in enumerate(row.probabilities):
        axes.text(grade, share + 0.02, f"{share:.2f}", ha="center", fontsize=6.5)
    axes.set(xticks=range(NUM_GRADES), ylim=(0, 1.12), yticks=(0, 0.5, 1))
    axes.set_title("probability of each grade", fontsize=8, pad=3)
    known = row.reference is not None
    axes.set_xlabel(f"green: reference, {GRADE_NAMES[row.reference or 0]}" if known else "reference unknown")


def _draw_legend(figure: Figure, scale: tuple[str, str]) -> None:
    width, height = figure.get_size_inches()
    for number, (words, colours) in enumerate(zip(scale, (FOR, AGAINST), strict=True)):
        if words:
            left = 0.15 + number * (_SIDE + 0.1) * 1.5
            axes = _axes(figure, left, height - 0.5, 1.1, 0.13)
            axes.imshow(colour_bar(colours, 220, 26), aspect="auto")
            axes.set_axis_off()
            figure.text((left + 1.18) / width, 0.5 / height, words, fontsize=8, va="top", parse_math=False)
    told = (
        "weak to strong, for and against on one scale (one unit's photographs, too), a comparison of two grades on its"
        " own; nothing is painted outside the fundus disc"
    )
    figure.text(0.15 / width, 0.22 / height, told, fontsize=7, color="0.35", va="top")


def _axes(figure: Figure, left: float, top: float, wide: float, tall: float) -> Axes:
    """Axes at a place in inches from the upper left corner."""
    width, height = figure.get_size_inches()
    axes: Axes = figure.add_axes((left / width, 1 - (top + tall) / height, wide / width, tall / height))
    return axes
