"""Values with their intervals, one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drkit.plotting.style import COLOURS, break_name, styled

WIDTH = 6.4  # inches, names and figures included
LINE_HEIGHT = 0.19  # inches, of a line of a name
NAME_WIDTH = 30  # characters, before a name is broken


@dataclass(frozen=True)
class ForestRow:
    """One value of a forest plot.

    Args:
        name: What it is the value of.
        value: The estimate.
        low: Lower end of its interval.
        high: Upper end.
    """

    name: str
    value: float
    low: float
    high: float

    @property
    def figures(self) -> tuple[float, float, float]:
        """Value, low and high."""
        return self.value, self.low, self.high


def draw_forest(rows: Sequence[ForestRow], title: str, axis: str) -> Figure:
    """Draw each value as a point on its interval, the first row on top, its figures to the right.

    Where an interval holds 0 a line marks it, since the rows are then differences or next to no agreement.

    Args:
        rows: At least one.
        title: Above the plot.
        axis: What the values are, and of what coverage their intervals.
    """
    names = [break_name(row.name, NAME_WIDTH) for row in rows]
    lines = [max(name.count("\n") + 1, 1.4) for name in names]
    with styled():
        figure = Figure(figsize=(WIDTH, 1.0 + LINE_HEIGHT * sum(lines)), layout="constrained")
        axes = figure.subplots()
        # Rows are stacked downwards from 0, each as tall as its name; a row's point is at its middle.
        tops = [sum(lines[:number]) for number in range(len(lines))]
        places = [-(top + height / 2) for top, height in zip(tops, lines, strict=True)]
        for place, row in zip(places, rows, strict=True):
            axes.plot([row.low, row.high], [place, place], color=COLOURS[0], linewidth=1.6, solid_capstyle="butt")
            axes.plot(row.value, place, "s", color=COLOURS[0], markersize=5)
        if any(row.low <= 0 <= row.high for row in rows):
            axes.axvline(0, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        _name_rows(axes, places, names, rows)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(axis)
        figure.suptitle(title)
    return figure


def _name_rows(axes: Axes, places: Sequence[float], names: Sequence[str], rows: Sequence[ForestRow]) -> None:
    """Names to the left, figures to the right, as tick labels, for which the layout makes room."""
    signed = "+" if any(row.low < 0 for row in rows) else ""
    labels = [f"{row.value:{signed}.3f} ({row.low:{signed}.3f} to {row.high:{signed}.3f})" for row in rows]
    limits = (min(places) - 1, max(places) + 1)
    axes.set(yticks=places, yticklabels=names, ylim=limits)
    right = axes.twinx()
    right.set(yticks=places, yticklabels=labels, ylim=limits)
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
        side.spines["left"].set_visible(False)
        side.grid(visible=False, axis="y")
