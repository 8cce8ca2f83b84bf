"""Confusion matrices, and how much each confusion lowers the quadratic kappa."""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from drkit import metrics
from drkit.evaluation import EvaluationSet
from drkit.grades import GRADE_NAMES, NUM_GRADES
from drkit.plotting.selection import panel_title, shared_title
from drkit.plotting.style import COLOURS, break_name, open_panels, styled

Shares = NDArray[np.float64]
MatrixKind = Literal["counts", "cost"]

KINDS: tuple[MatrixKind, ...] = ("counts", "cost")
_SHADES = {
    "counts": LinearSegmentedColormap.from_list("counts", ["#FFFFFF", COLOURS[0]]),
    "cost": LinearSegmentedColormap.from_list("cost", ["#FFFFFF", COLOURS[1]]),
}
_DARK = 0.18  # luminance up to which white text is easier to read than black
_TITLE = 28  # characters of a line
_LINE = 0.16  # inches


def draw_confusion(runs: Sequence[EvaluationSet], tables: Sequence[MatrixKind] = KINDS) -> Figure:
    """Draw counts with shares of their row, and shares of the quadratic disagreement, with one row of tables per run.

    The tables' rows are the reference grades. The cost of a confusion is its weight in the quadratic kappa: its count
    times the squared distance of the grades, as a share of the sum over all confusions.

    Args:
        runs: The evaluated photographs of each run.
        tables: Kinds of tables: `counts`, `cost`, or both.
    """
    names = [break_name(panel_title(run, runs), _TITLE) for run in runs]
    height = 2.84 + _LINE * max(name.count("\n") + 1 for name in names)
    with styled():
        figure, panels = open_panels(len(tables) * len(runs), columns=len(tables), height=height)
        for number, ((run, name), kind) in enumerate(product(zip(runs, names, strict=True), tables)):
            table = metrics.confusion(run.cases.reference, run.cases.predicted)
            if kind == "counts":
                _draw_counts(panels[number], table)
                panels[number].set_title(name)
            else:
                _draw_costs(panels[number], table)
        figure.suptitle(break_name(shared_title(runs), 40 * len(tables)))
    return figure


def share_of_rows(table: ArrayLike) -> Shares:
    """(5, 5) share of each reference grade's cases; 0 if the grade does not occur."""
    counts = np.asarray(table, dtype=np.float64)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def share_of_cost(table: ArrayLike) -> Shares:
    """(5, 5) shares of the quadratic disagreement, which sum to 1, or are all 0 if all grades agree.

    Source: Cohen 1968, Psychological Bulletin 70(4), terms of the numerator of eq. 5.
    """
    grades = np.arange(NUM_GRADES)
    cost = np.asarray(table) * (grades[:, None] - grades) ** 2
    return cost / max(cost.sum(), 1)


def _draw_counts(axes: Axes, table: NDArray[np.int64]) -> None:
    shares = share_of_rows(table)
    texts = [
        [f"{count}\n{share:.0%}" if count else "" for count, share in zip(*row, strict=True)]
        for row in zip(table.tolist(), shares.tolist(), strict=True)
    ]
    _draw_table(axes, shares, texts, "counts")


def _draw_costs(axes: Axes, table: NDArray[np.int64]) -> None:
    shares = share_of_cost(table)
    texts = [[f"{share:.{int(share < 0.095)}%}" if share else "" for share in row] for row in shares.tolist()]
    _draw_table(axes, shares / max(shares.max(), 1e-9), texts, "cost")
    kappa = float(metrics.quadratic_weighted_kappa(table))
    axes.set_title(break_name(f"where kappa {kappa:.3f} is lost: share of the disagreement", _TITLE))


def _draw_table(axes: Axes, shade: Shares, texts: Sequence[Sequence[str]], kind: MatrixKind) -> None:
    axes.imshow(np.ma.masked_equal(shade, 0), cmap=_SHADES[kind], vmin=0, vmax=1)  # masked: transparent
    for (row, column), value in np.ndenumerate(shade):
        colour = "white" if _luminance(_SHADES[kind](value)) < _DARK else "black"
        axes.text(column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=7.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    names = [f"{grade} {name}" for grade, name in enumerate(GRADE_NAMES)]
    axes.set(xticks=range(NUM_GRADES), yticks=range(NUM_GRADES), yticklabels=names)
    axes.set(xlabel="predicted grade", ylabel="reference grade")


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour, 0 black to 1 white. Source: WCAG 2.2, section on relative luminance."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
