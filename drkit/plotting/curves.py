"""How trainings went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Literal

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from drkit.plotting.style import COLOURS, open_panels, place_legend, styled
from drkit.records.runs import NetworkId

MEASURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "quadratic_weighted_kappa": "quadratic weighted kappa",
    "plain_kappa": "plain kappa",
    "learning_rate": "learning rate",
}
FITTED = "train"  # the rows the weights are fitted on
LINES: dict[str, Literal["-", "--", ":", "-."]] = {"train": "--", "inner": ":", "held-out": "-.", "val": "-"}
TOLD = {
    "train": "train (augmented, while learning)",
    "inner": "inner (training patients set aside)",
    "held-out": "held out (the fold's own patients)",
    "val": "val",
}
FEW_EPOCHS = 15  # up to this many, each epoch has its point
NONE = -1  # in place of a fold or a seed where there is none


@dataclass(frozen=True)
class TrainingHistory:
    """How one training went.

    Args:
        rows: A row an epoch, split and network, columns as `drkit.records.history.EpochFigures`.
        kept: The epoch whose weights were kept, of each network.
    """

    rows: pd.DataFrame
    kept: Mapping[NetworkId, int] = field(default_factory=dict)

    def by_network(self) -> list[tuple[NetworkId, pd.DataFrame]]:
        """The rows of each network."""
        return by_network(self.rows)


def by_network(rows: pd.DataFrame) -> list[tuple[NetworkId, pd.DataFrame]]:
    """The rows of each fold and seed."""
    numbers = [rows[name].astype("Int64").fillna(NONE).to_numpy(dtype=int) for name in NetworkId._fields]
    parts = rows.groupby(numbers)
    return [(NetworkId(*(None if number == NONE else int(number) for number in key)), part) for key, part in parts]


def read_kept(epoch: Any, networks: Sequence[NetworkId]) -> dict[NetworkId, int]:
    """The kept epochs as a run's record states them: a number, or one a network in their order; else nothing."""
    epochs = epoch if isinstance(epoch, list) else [epoch]
    if len(epochs) != len(networks):
        return {}
    return {network: value for network, value in zip(networks, epochs, strict=True) if isinstance(value, int)}


def draw_curves(histories: Mapping[str, TrainingHistory], measures: Sequence[str] = tuple(MEASURES)) -> Figure:
    """Draw measures over the epochs, a panel each: several runs in colours, a run's networks thin, with their mean.

    The epoch whose weights were kept is ringed.

    Args:
        histories: Run name to its training.
        measures: Keys of `MEASURES`.
    """
    with styled():
        figure, panels = open_panels(len(measures))
        for axes, measure in zip(panels, measures, strict=True):
            for history, colour in zip(histories.values(), cycle(COLOURS), strict=False):
                _draw_history(axes, history, measure, colour)
            axes.set(title=MEASURES[measure], xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.margins(y=0.08)
            axes.ticklabel_format(axis="y", scilimits=(-3, 4))
        place_legend(figure, _legend(histories))
    return figure


def run_handles(names: Mapping[str, object]) -> list[Artist]:
    """Legend entries that give each run its colour."""
    return [
        Line2D([], [], color=colour, linewidth=2.2, label=name)
        for name, colour in zip(names, cycle(COLOURS), strict=False)
    ]


def _draw_history(axes: Axes, history: TrainingHistory, measure: str, colour: str) -> None:
    rows = history.rows[history.rows["split"] == FITTED] if measure == "learning_rate" else history.rows
    marker = "." if rows["epoch"].max() <= FEW_EPOCHS else ""
    for split, shown in rows.groupby("split", sort=False):
        line = "-" if measure == "learning_rate" else LINES[str(split)]
        style: Any = {"linestyle": line, "color": colour, "marker": marker, "markersize": 3}
        networks = by_network(shown)
        if len(networks) > 1:
            for _, own in networks:
                axes.plot(own["epoch"], own[measure], **{**style, "marker": ""}, linewidth=0.6, alpha=0.45)
            shown = shown.groupby("epoch", as_index=False)[measure].mean()
        axes.plot(shown["epoch"], shown[measure], **style, linewidth=1.3)
    if measure != "learning_rate":
        _ring_kept(axes, history, measure, colour)


def _ring_kept(axes: Axes, history: TrainingHistory, measure: str, colour: str) -> None:
    networks = history.by_network()
    for network, rows in networks:
        held_out = rows[(rows["split"] == held_out_split(rows)) & (rows["epoch"] == history.kept.get(network))]
        size = 7 if len(networks) == 1 else 4
        axes.plot(held_out["epoch"], held_out[measure], "o", color=colour, markersize=size, fillstyle="none")


def held_out_split(rows: pd.DataFrame) -> str | None:
    """The split that tells how well the run does: val, else what the fold holds out, else inner, else None."""
    return next((split for split in ("val", "held-out", "inner") if (rows["split"] == split).any()), None)


def _legend(histories: Mapping[str, TrainingHistory]) -> list[Artist]:
    splits = {split for history in histories.values() for split in history.rows["split"]}
    handles = run_handles(histories)
    handles += [Line2D([], [], color="0.3", linestyle=LINES[s], label=TOLD[s]) for s in LINES if s in splits]
    if any(len(history.by_network()) > 1 for history in histories.values()):
        label = "a network (fold, seed); thick: their mean"
        handles.append(Line2D([], [], color="0.3", linewidth=0.6, alpha=0.6, label=label))
    if any(history.kept for history in histories.values()):
        handles.append(
            Line2D([], [], color="0.3", linestyle="", marker="o", fillstyle="none", markersize=6, label="epoch kept")
        )
    return handles
