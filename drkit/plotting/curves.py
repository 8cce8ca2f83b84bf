"""Training curves: measures over the epochs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from drkit.plotting.style import (
    COLOURS,
    MAX_RUNS_WITH_BANDS,
    TITLE_WIDTHS,
    break_name,
    open_panels,
    place_legend,
    styled,
)
from drkit.records.runs import NetworkId

MEASURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "quadratic_weighted_kappa": "quadratic weighted kappa",
    "plain_kappa": "plain kappa",
    "learning_rate": "learning rate",
}
FITTED = "train"  # the rows that the weights are fitted to
LINES: dict[str, Literal["-", "--", ":", "-."]] = {"train": "--", "inner": ":", "held-out": "-.", "val": "-"}
SPLIT_LABELS = {
    "train": "train (augmented, while learning)",
    "inner": "inner (training patients set aside)",
    "held-out": "held out (the patients of the fold)",
    "val": "val",
}
FEW_EPOCHS = 15  # up to this number, each epoch has a point
NONE = -1  # stands for a missing fold or seed


@dataclass(frozen=True)
class TrainingHistory:
    """The history of one training.

    Args:
        rows: One row per epoch, split and network, with the columns of `drkit.records.history.EpochFigures`.
        kept: The epoch whose weights were kept, by network.
        data: Names of the data sets.
    """

    rows: pd.DataFrame
    kept: Mapping[NetworkId, int] = field(default_factory=dict)
    data: str = ""

    def by_network(self) -> list[tuple[NetworkId, pd.DataFrame]]:
        """The rows of each network."""
        return by_network(self.rows)


def by_network(rows: pd.DataFrame) -> list[tuple[NetworkId, pd.DataFrame]]:
    """The rows of each fold and seed."""
    numbers = [rows[name].astype("Int64").fillna(NONE).to_numpy(dtype=int) for name in NetworkId._fields]
    parts = rows.groupby(numbers)
    return [(NetworkId(*(None if number == NONE else int(number) for number in key)), part) for key, part in parts]


def read_kept(epoch: Any, networks: Sequence[NetworkId]) -> dict[NetworkId, int]:
    """The kept epoch of each network, from the number or list in a run's record; empty if the two do not match."""
    epochs = epoch if isinstance(epoch, list) else [epoch]
    if len(epochs) != len(networks):
        return {}
    return {network: value for network, value in zip(networks, epochs, strict=True) if isinstance(value, int)}


def draw_curves(
    histories: Mapping[str, TrainingHistory], measures: Sequence[str] = tuple(MEASURES), *, legend: bool = True
) -> Figure:
    """Draw measures over the epochs, one panel each, with runs in colours.

    A run of several networks is drawn by their mean. Up to `MAX_RUNS_WITH_BANDS` runs also show each network, as a thin
    line. A ring marks the epoch whose weights were kept.

    Args:
        histories: Training histories by run name, at most `MAX_RUNS`.
        measures: Keys of `MEASURES`, one panel each.
        legend: Whether the figure has a legend; `curve_handles` has its entries.
    """
    with_networks = len(histories) <= MAX_RUNS_WITH_BANDS
    with styled():
        figure, panels = open_panels(len(measures))
        for axes, measure in zip(panels, measures, strict=True):
            for history, colour in zip(histories.values(), COLOURS, strict=False):
                _draw_history(axes, history, measure, colour, with_networks=with_networks)
            axes.set(title=MEASURES[measure], xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.margins(y=0.08)
            axes.ticklabel_format(axis="y", scilimits=(-3, 4))
        figure.suptitle(break_name(describe_histories(histories), TITLE_WIDTHS[min(len(measures), 3) - 1]))
        if legend:
            place_legend(figure, curve_handles(histories))
    return figure


def describe_histories(histories: Mapping[str, TrainingHistory]) -> str:
    """The data sets and splits that curves show: `DeepDRiD: train, held-out, val`."""
    data = sorted({history.data for history in histories.values() if history.data})
    shown = {split for history in histories.values() for split in history.rows["split"]}
    splits = ", ".join(split for split in LINES if split in shown)
    return f"{'; '.join(data)}: {splits}" if data else splits


def run_handles(names: Iterable[str]) -> list[Artist]:
    """Legend entries that give each run its colour."""
    return [
        Line2D([], [], color=colour, linewidth=2.2, label=name) for name, colour in zip(names, COLOURS, strict=False)
    ]


def curve_handles(histories: Mapping[str, TrainingHistory]) -> list[Artist]:
    """The legend's entries: runs, splits, single networks, and the ring."""
    splits = {split for history in histories.values() for split in history.rows["split"]}
    handles = run_handles(histories)
    handles += [Line2D([], [], color="0.3", linestyle=LINES[s], label=SPLIT_LABELS[s]) for s in LINES if s in splits]
    if any(len(history.by_network()) > 1 for history in histories.values()):
        label = "mean of the networks of folds and seeds"
        if len(histories) <= MAX_RUNS_WITH_BANDS:
            label = "one network (fold, seed); thick: their mean"
        handles.append(Line2D([], [], color="0.3", linewidth=0.6, alpha=0.6, label=label))
    if any(history.kept for history in histories.values()):
        ring: Any = {"linestyle": "", "marker": "o", "fillstyle": "none", "markersize": 6}
        handles.append(Line2D([], [], color="0.3", label="epoch kept", **ring))
    return handles


def _draw_history(axes: Axes, history: TrainingHistory, measure: str, colour: str, *, with_networks: bool) -> None:
    rows = history.rows[history.rows["split"] == FITTED] if measure == "learning_rate" else history.rows
    marker = "." if rows["epoch"].max() <= FEW_EPOCHS else ""
    for split, of_split in rows.groupby("split", sort=False):
        line = "-" if measure == "learning_rate" else LINES[str(split)]
        style: Any = {"linestyle": line, "color": colour, "marker": marker, "markersize": 3}
        networks = by_network(of_split)
        if len(networks) > 1 and with_networks:
            for _, own in networks:
                axes.plot(own["epoch"], own[measure], **{**style, "marker": ""}, linewidth=0.6, alpha=0.45)
        mean = of_split.groupby("epoch", as_index=False)[measure].mean()
        axes.plot(mean["epoch"], mean[measure], **style, linewidth=1.3)
    if measure != "learning_rate":
        _ring_kept(axes, history, measure, colour, with_networks=with_networks)


def _ring_kept(axes: Axes, history: TrainingHistory, measure: str, colour: str, *, with_networks: bool) -> None:
    """Ring the kept epoch of each network; if only the mean is drawn, the epoch that all networks kept."""
    rows = history.rows[history.rows["split"] == held_out_split(history.rows)]
    networks = by_network(rows)
    if len(networks) == 1 or with_networks:
        kept = [(own, history.kept.get(network)) for network, own in networks]
    else:
        epochs = set(history.kept.values())
        kept = [(rows.groupby("epoch", as_index=False)[measure].mean(), epochs.pop() if len(epochs) == 1 else None)]
    for own, epoch in kept:
        at = own[own["epoch"] == epoch]
        size = 7 if len(kept) == 1 else 4
        axes.plot(at["epoch"], at[measure], "o", color=colour, markersize=size, fillstyle="none")


def held_out_split(rows: pd.DataFrame) -> str | None:
    """The split that shows how well the run generalises: val, else held-out, else inner, else None."""
    return next((split for split in ("val", "held-out", "inner") if (rows["split"] == split).any()), None)
