"""Scatter plots of epochs: a measure on held-out patients against the same measure on training patients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drkit.errors import InputError
from drkit.plotting.curves import (
    FITTED,
    MEASURES,
    TrainingHistory,
    describe_histories,
    held_out_split,
    run_handles,
)
from drkit.plotting.style import (
    COLOURS,
    MAX_RUNS_WITH_BANDS,
    TITLE_WIDTHS,
    break_name,
    open_panels,
    place_legend,
    styled,
)

COMPARED = ("loss", "accuracy", "quadratic_weighted_kappa", "plain_kappa")
DOT = Line2D([], [], color="0.3", linestyle="", marker=".", markersize=4, label="small: early, large: late epoch")


def draw_epochs(
    histories: Mapping[str, TrainingHistory], measures: Sequence[str] = COMPARED, *, legend: bool = True
) -> Figure:
    """Draw each epoch's measure on held-out patients against that on training patients; later epochs are larger.

    On the dashed diagonal both are equal: below it (for the loss, above it) a run does better on its training patients.
    Both axes of a panel have the same limits. More than `MAX_RUNS_WITH_BANDS` runs are drawn by the mean of their
    networks.

    Args:
        histories: Training histories by run name.
        measures: Keys of `MEASURES`, one panel each.
        legend: Whether the figure has a legend.

    Raises:
        InputError: a run has no epochs on held-out patients.
    """
    for name, history in histories.items():
        if held_out_split(history.rows) is None:
            raise InputError(f"{name} has no epochs on held-out patients (val or inner) to compare with training")
    with styled():
        figure, panels = open_panels(len(measures), columns=2, height=3.1)
        for axes, measure in zip(panels, measures, strict=True):
            for history, colour in zip(histories.values(), COLOURS, strict=False):
                points = [pair_epochs(rows, measure) for _, rows in history.by_network()]
                if len(histories) > MAX_RUNS_WITH_BANDS:
                    points = [pd.concat(points).groupby("epoch").mean()]
                for pairs in points:
                    _draw_points(axes, pairs, colour)
            _frame(axes)
            axes.set(title=MEASURES[measure], xlabel="on the training patients", ylabel="held out")
        figure.suptitle(break_name(describe_histories(histories), TITLE_WIDTHS[min(len(measures), 2) - 1]))
        if legend:
            place_legend(figure, [*run_handles(histories), DOT])
    return figure


def pair_epochs(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One network's measure by epoch (E, 2), with the columns train and held_out."""
    by_split = rows.pivot(index="epoch", columns="split", values=measure)
    return pd.DataFrame({"train": by_split[FITTED], "held_out": by_split[held_out_split(rows)]}).dropna()


def _draw_points(axes: Axes, pairs: pd.DataFrame, colour: str) -> None:
    axes.plot(pairs["train"], pairs["held_out"], color=colour, linewidth=0.5, alpha=0.4)
    share = pairs.index.to_numpy() / pairs.index.max()
    style: Any = {"s": 4 + 22 * share, "alpha": 0.3 + 0.6 * share, "linewidths": 0, "rasterized": True}
    axes.scatter(pairs["train"], pairs["held_out"], color=colour, **style)


def _frame(axes: Axes) -> None:
    """Make the axes square, with equal limits and ticks, and draw the diagonal."""
    low, high = (pick((*axes.get_xlim(), *axes.get_ylim())) for pick in (min, max))
    axes.plot([low, high], [low, high], color="0.5", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    axes.set(xticks=ticks[:: int(np.ceil(len(ticks) / 6))], yticks=ticks)
