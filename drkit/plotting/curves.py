"""How trainings went, epoch by epoch."""

from collections.abc import Mapping
from itertools import cycle
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from drkit.plotting.style import COLOURS, styled

MEASURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "quadratic_weighted_kappa": "quadratic weighted kappa",
    "plain_kappa": "plain kappa",
}
LINES: dict[str, Literal["-", "--", ":"]] = {"train": "--", "inner": ":", "val": "-"}
TOLD = {"train": "train (augmented, while learning)"}


def draw_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw each measure over the epochs, and below it the epochs as points of training against validation.

    Args:
        histories: Run name to its history, columns as `drkit.records.history.EpochFigures`.
    """
    with styled():
        figure = Figure(figsize=(12, 6.4), layout="constrained")
        axes = figure.subplots(2, len(MEASURES))
        for column, (measure, title) in enumerate(MEASURES.items()):
            for history, colour in zip(histories.values(), cycle(COLOURS), strict=False):
                _draw_over_epochs(axes[0, column], history, measure, colour)
                _draw_against_training(axes[1, column], history, measure, colour)
            axes[0, column].set(title=title, xlabel="epoch")
            axes[1, column].set(xlabel=f"{title}, train", ylabel="val")
            _draw_diagonal(axes[1, column])
        figure.legend(handles=_legend(histories), loc="outside lower center", ncols=4)
    return figure


def _draw_over_epochs(axes: Axes, history: pd.DataFrame, measure: str, colour: str) -> None:
    for split, rows in history.groupby("split", sort=False):
        axes.plot(rows["epoch"], rows[measure], LINES[str(split)], color=colour, marker=".", markersize=4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_against_training(axes: Axes, history: pd.DataFrame, measure: str, colour: str) -> None:
    """A point an epoch, larger and darker the later, joined in order."""
    by_split = history.pivot(index="epoch", columns="split", values=measure)
    axes.plot(by_split["train"], by_split["val"], color=colour, linewidth=0.6, alpha=0.5)
    share = by_split.index / by_split.index.max()
    axes.scatter(by_split["train"], by_split["val"], s=8 + 24 * share, color=colour, alpha=0.35 + 0.6 * share)


def _draw_diagonal(axes: Axes) -> None:
    """Where training and validation are equal, as far as it is in sight."""
    limits = axes.get_xlim(), axes.get_ylim()
    axes.axline((0, 0), slope=1, color="0.6", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1])


def _legend(histories: Mapping[str, pd.DataFrame]) -> list[Line2D]:
    splits = {split for history in histories.values() for split in history["split"]}
    runs = [Line2D([], [], color=colour, label=name) for name, colour in zip(histories, cycle(COLOURS), strict=False)]
    styles = [
        Line2D(
            [],
            [],
            color="0.3",
            linestyle=style,
            label=TOLD.get(split, split),
        )
        for split, style in LINES.items()
        if split in splits
    ]
    return [*runs, *styles]
