"""Training against validation: a point an epoch."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drkit.errors import InputError
from drkit.plotting.curves import FITTED, MEASURES, TrainingHistory, held_out_split, run_handles
from drkit.plotting.style import COLOURS, open_panels, place_legend, styled

COMPARED = ("loss", "accuracy", "quadratic_weighted_kappa", "plain_kappa")


def draw_epochs(histories: Mapping[str, TrainingHistory], measures: Sequence[str] = COMPARED) -> Figure:
    """Draw each epoch's figure on held-out patients over that on the training patients, later epochs larger.

    On the dashed diagonal both are equal: below it (for the loss, above it) a run knows its training patients better.

    Args:
        histories: Run name to its training.
        measures: Keys of `MEASURES`.

    Raises:
        InputError: a run without held-out rows.
    """
    for name, history in histories.items():
        if held_out_split(history.rows) is None:
            raise InputError(f"{name} has no epochs on held-out patients (val or inner) to compare with training")
    with styled():
        figure, panels = open_panels(len(measures), columns=2, height=2.7)
        for axes, measure in zip(panels, measures, strict=True):
            for history, colour in zip(histories.values(), cycle(COLOURS), strict=False):
                for _, rows in history.by_network():
                    _draw_points(axes, pair_epochs(rows, measure), colour)
            axes.set(title=MEASURES[measure], xlabel="on the training patients", ylabel="held out")
            # The diagonal, where both are equal, within the limits that the points have set.
            limits = axes.get_xlim(), axes.get_ylim()
            axes.axline((0, 0), slope=1, color="0.5", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
            axes.set(xlim=limits[0], ylim=limits[1])
        dot = Line2D(
            [], [], color="0.3", linestyle="", marker=".", markersize=4, label="small: early, large: late epoch"
        )
        place_legend(figure, [*run_handles(histories), dot])
    return figure


def pair_epochs(rows: pd.DataFrame, measure: str) -> pd.DataFrame:
    """(E, 2) columns train and held_out, by epoch, of one fold's rows."""
    by_split = rows.pivot(index="epoch", columns="split", values=measure)
    return pd.DataFrame({"train": by_split[FITTED], "held_out": by_split[held_out_split(rows)]}).dropna()


def _draw_points(axes: Axes, pairs: pd.DataFrame, colour: str) -> None:
    axes.plot(pairs["train"], pairs["held_out"], color=colour, linewidth=0.5, alpha=0.4)
    share = pairs.index.to_numpy() / pairs.index.max()
    axes.scatter(
        pairs["train"], pairs["held_out"], s=4 + 22 * share, color=colour, alpha=0.3 + 0.6 * share, linewidths=0
    )
