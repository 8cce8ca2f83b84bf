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

MEASURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "quadratic_weighted_kappa": "quadratic weighted kappa",
    "plain_kappa": "plain kappa",
    "learning_rate": "learning rate",
}
FITTED = "train"  # the rows the weights are fitted on
LINES: dict[str, Literal["-", "--", ":"]] = {"train": "--", "inner": ":", "val": "-"}
TOLD = {
    "train": "train (augmented, while learning)",
    "inner": "inner (training patients set aside)",
    "val": "val",
}
FEW_EPOCHS = 15  # up to this many, each epoch has its point
NO_FOLD = -1


@dataclass(frozen=True)
class Course:
    """How one training went.

    Args:
        rows: A row an epoch, split and fold, columns as `drkit.records.history.EpochFigures`.
        kept: The epoch whose weights were kept, by fold; `NO_FOLD` stands for a training without folds.
    """

    rows: pd.DataFrame
    kept: Mapping[int, int] = field(default_factory=dict)

    def by_fold(self) -> list[tuple[int, pd.DataFrame]]:
        """The rows of each fold, or all of them as `NO_FOLD`."""
        folds = self.rows["fold"].fillna(NO_FOLD).astype(int)
        return [(int(fold), rows) for fold, rows in self.rows.groupby(folds.to_numpy())]


def read_kept(epoch: Any) -> dict[int, int]:
    """The kept epochs as a run's record states them: a number, or one a fold (a list, or an object by fold)."""
    if isinstance(epoch, int):
        return {NO_FOLD: epoch}
    if isinstance(epoch, list) and len(epoch) == 1:
        return read_kept(epoch[0])
    if isinstance(epoch, list):
        return {fold: value for fold, value in enumerate(epoch) if isinstance(value, int)}
    if isinstance(epoch, dict):
        return {int(fold): value for fold, value in epoch.items() if isinstance(value, int)}
    return {}


def draw_curves(courses: Mapping[str, Course], measures: Sequence[str] = tuple(MEASURES)) -> Figure:
    """Draw measures over the epochs, a panel each: several runs in colours, folds as thin lines with their mean.

    The epoch whose weights were kept is ringed.

    Args:
        courses: Run name to its training.
        measures: Keys of `MEASURES`.
    """
    with styled():
        figure, panels = open_panels(len(measures))
        for axes, measure in zip(panels, measures, strict=True):
            for course, colour in zip(courses.values(), cycle(COLOURS), strict=False):
                _draw_course(axes, course, measure, colour)
            axes.set(title=MEASURES[measure], xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.margins(y=0.08)
            axes.ticklabel_format(axis="y", scilimits=(-3, 4))
        place_legend(figure, _legend(courses))
    return figure


def run_handles(names: Mapping[str, object]) -> list[Artist]:
    """Legend entries that give each run its colour."""
    return [
        Line2D([], [], color=colour, linewidth=2.2, label=name)
        for name, colour in zip(names, cycle(COLOURS), strict=False)
    ]


def _draw_course(axes: Axes, course: Course, measure: str, colour: str) -> None:
    rows = course.rows[course.rows["split"] == FITTED] if measure == "learning_rate" else course.rows
    marker = "." if rows["epoch"].max() <= FEW_EPOCHS else ""
    for split, shown in rows.groupby("split", sort=False):
        line = "-" if measure == "learning_rate" else LINES[str(split)]
        style: Any = {"linestyle": line, "color": colour, "marker": marker, "markersize": 3}
        folds = shown.groupby(shown["fold"].fillna(NO_FOLD).astype(int).to_numpy())
        if len(folds) > 1:
            for _, fold in folds:
                axes.plot(fold["epoch"], fold[measure], **{**style, "marker": ""}, linewidth=0.6, alpha=0.45)
            shown = shown.groupby("epoch", as_index=False)[measure].mean()
        axes.plot(shown["epoch"], shown[measure], **style, linewidth=1.3)
    if measure != "learning_rate":
        _ring_kept(axes, course, measure, colour)


def _ring_kept(axes: Axes, course: Course, measure: str, colour: str) -> None:
    for fold, rows in course.by_fold():
        held_out = rows[(rows["split"] == held_out_split(rows)) & (rows["epoch"] == course.kept.get(fold))]
        size = 7 if fold == NO_FOLD else 4
        axes.plot(held_out["epoch"], held_out[measure], "o", color=colour, markersize=size, fillstyle="none")


def held_out_split(rows: pd.DataFrame) -> str | None:
    """The split that tells how well the run does: val where there is one, else inner, else None."""
    return next((split for split in ("val", "inner") if (rows["split"] == split).any()), None)


def _legend(courses: Mapping[str, Course]) -> list[Artist]:
    splits = {split for course in courses.values() for split in course.rows["split"]}
    handles = run_handles(courses)
    handles += [Line2D([], [], color="0.3", linestyle=LINES[s], label=TOLD[s]) for s in LINES if s in splits]
    if any(course.rows["fold"].nunique() > 1 for course in courses.values()):
        handles.append(Line2D([], [], color="0.3", linewidth=0.6, alpha=0.6, label="a fold; thick: their mean"))
    if any(course.kept for course in courses.values()):
        handles.append(
            Line2D([], [], color="0.3", linestyle="", marker="o", fillstyle="none", markersize=6, label="epoch kept")
        )
    return handles
