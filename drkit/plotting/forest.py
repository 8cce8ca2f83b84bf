"""Forest plots: values with their confidence intervals, one per line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from drkit.ensembling.comparison import ComparedMethod
from drkit.plotting.style import COLOURS, break_name, place_legend, styled

WIDTH = 6.4  # inches, names and figures included
LINE_HEIGHT = 0.19  # inches, of a line of a name
NAME_WIDTH = 30  # characters, before a name is broken
TITLE_WIDTH = 76  # characters, before the title is broken
OPTIMISTIC = "epoch selected on the same photographs: optimistic"


@dataclass(frozen=True)
class ForestRow:
    """One value of a forest plot.

    Args:
        name: Name of the run or method.
        value: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        group: Name of the group, below which its rows are drawn.
        is_optimistic: Whether the epoch was selected on the same photographs; such rows have open markers.
    """

    name: str
    value: float
    low: float
    high: float
    group: str = ""
    is_optimistic: bool = False


def rows_of_methods(contenders: Sequence[ComparedMethod]) -> list[ForestRow]:
    """Rows of the quadratic kappas of ensemble methods, with the members in a group of their own."""
    return [
        ForestRow(
            item.name,
            item.nested.quadratic_weighted_kappa,
            *item.nested.quadratic_weighted_kappa_interval,
            group="members" if item.kind == "member" else "methods",
        )
        for item in contenders
    ]


def draw_forest(rows: Sequence[ForestRow], title: str, axis: str) -> Figure:
    """Draw each value as a point on its interval, sorted within each group, with the numbers to the right.

    If an interval contains 0, a line marks 0.

    Args:
        rows: At least one row; groups are drawn in the order of their first rows.
        title: Title of the figure.
        axis: Label of the axis: the measure, and the coverage of its intervals.
    """
    lines = _sort_lines(rows)
    names = [break_name(line if isinstance(line, str) else line.name, NAME_WIDTH) for line in lines]
    heights = [max(name.count("\n") + 1, 1.4) for name in names]
    with styled():
        figure = Figure(figsize=(WIDTH, 1.0 + LINE_HEIGHT * sum(heights)), layout="constrained")
        axes = figure.subplots()
        # Lines are stacked downwards from 0, each as tall as its name; a row's point is at the middle.
        tops = [sum(heights[:number]) for number in range(len(heights))]
        middles = [-(top + height / 2) for top, height in zip(tops, heights, strict=True)]
        for middle, row in zip(middles, lines, strict=True):
            if isinstance(row, ForestRow):
                axes.plot([row.low, row.high], [middle, middle], color=COLOURS[0], linewidth=1.6, solid_capstyle="butt")
                face = "white" if row.is_optimistic else COLOURS[0]
                axes.plot(row.value, middle, "s", color=COLOURS[0], markerfacecolor=face, markersize=5)
        if any(row.low <= 0 <= row.high for row in rows):
            axes.axvline(0, color="0.5", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        _name_lines(axes, middles, names, lines, bottom=-sum(heights))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel(axis)
        figure.suptitle(break_name(title, TITLE_WIDTH))
        if any(row.is_optimistic for row in rows):
            mark: Any = {"color": COLOURS[0], "markerfacecolor": "white", "markersize": 5, "linestyle": ""}
            place_legend(figure, [Line2D([], [], marker="s", label=OPTIMISTIC, **mark)])
    return figure


def _sort_lines(rows: Sequence[ForestRow]) -> list[ForestRow | str]:
    """The rows of each group by falling value, below the group's name if there are several groups."""
    groups = list(dict.fromkeys(row.group for row in rows))
    falling = sorted(rows, key=lambda row: row.value, reverse=True)
    lines: list[ForestRow | str] = []
    for group in groups:
        lines += [group] if len(groups) > 1 else []
        lines += [row for row in falling if row.group == group]
    return lines


def _name_lines(
    axes: Axes, middles: Sequence[float], names: Sequence[str], lines: Sequence[ForestRow | str], *, bottom: float
) -> None:
    """Write names to the left and numbers to the right, as tick labels, for which the layout makes room."""
    rows = [line for line in lines if isinstance(line, ForestRow)]
    sign = "+" if any(row.low < 0 for row in rows) else ""
    labels = [
        "" if isinstance(line, str) else f"{line.value:{sign}z.3f} ({line.low:{sign}z.3f} to {line.high:{sign}z.3f})"
        for line in lines
    ]
    limits = (bottom - 0.4, 0.4)
    axes.set(yticks=middles, yticklabels=names, ylim=limits)
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if isinstance(line, str) else "normal")
    right = axes.twinx()
    right.set(yticks=middles, yticklabels=labels, ylim=limits)
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
        side.spines["left"].set_visible(False)
        side.grid(visible=False, axis="y")
