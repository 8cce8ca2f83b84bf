"""Scatter plots of continuous scores against the reference grades, and against the scores of another run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drkit.errors import UsageError
from drkit.evaluation import EvaluationSet
from drkit.grades import GRADE_NAMES, MAX_GRADE, NUM_GRADES
from drkit.plotting.selection import decision_thresholds, narrow_to_shared, panel_title, shared_title
from drkit.plotting.style import (
    COLOURS,
    GRADE_COLOURS,
    GRADE_MARKERS,
    break_name,
    open_panels,
    place_legend,
    styled,
)

SPREAD = 0.8  # of the distance between two grades
MAX_VECTOR_POINTS = 3000  # more are drawn as pixels, also in an SVG
_TITLE = 36  # characters
_SCALE = range(NUM_GRADES)


def draw_scores(
    runs: Sequence[EvaluationSet], *, max_vector_points: int = MAX_VECTOR_POINTS, legend: bool = True
) -> Figure:
    """Draw the scores over the reference grade, one panel per run, with the scores at which the predicted grade rises.

    Within a grade, patients are sorted by their mean score. A thin line joins the cases of a patient: the longer it is,
    the more the scores of the patient differ.

    Args:
        runs: At least one.
        max_vector_points: Number of cases up to which they are drawn as vectors; more are painted as pixels.
        legend: Whether the figure has a legend; `score_handles` has its entries.
    """
    with styled():
        figure, panels = open_panels(len(runs), columns=2, height=3.1)
        for axes, run in zip(panels, runs, strict=True):
            _draw_run(axes, run, panel_title(run, runs), max_vector_points)
        figure.suptitle(break_name(shared_title(runs), 42 * min(len(runs), 2)))
        if legend:
            place_legend(figure, score_handles(runs))
    return figure


def spread_patients(reference: NDArray[np.int64], score: NDArray[np.float64], patients: NDArray[np.str_]) -> pd.Series:
    """(C,) positions on the axis: within `SPREAD` about each grade, patients are sorted by their mean score.

    Args:
        reference: (C,) reference grades 0-4.
        score: (C,) scores in [0, 4].
        patients: (C,) key of each case's patient.
    """
    cases = pd.DataFrame({"grade": reference, "score": score, "patient": patients})
    means = cases.groupby(["grade", "patient"])["score"].mean()
    rank = means.groupby("grade").rank(method="first") - 0.5
    share = rank / means.groupby("grade").transform("size") - 0.5
    positions = share * SPREAD + means.index.get_level_values("grade")
    return positions.loc[pd.MultiIndex.from_frame(cases[["grade", "patient"]])].reset_index(drop=True)


def draw_pairs(runs: Sequence[EvaluationSet]) -> Figure:
    """Draw the scores of the second and later runs over the first's, case by case, coloured by reference grade.

    Points off the diagonal are where the runs differ: only there can an ensemble gain.

    Raises:
        UsageError: there is only one run.
        InputError: runs share no photograph.
    """
    if len(runs) < 2:
        raise UsageError("--what models compares runs: name at least two")
    with styled():
        figure, panels = open_panels(len(runs) - 1, columns=2, height=3.1)
        for axes, other in zip(panels, runs[1:], strict=True):
            _draw_pair(axes, runs[0], other, [panel_title(run, runs) for run in (runs[0], other)])
        figure.suptitle(break_name(shared_title(runs), 42 * min(len(runs) - 1, 2)))
        place_legend(figure, grade_handles())
    return figure


def pair_scores(first: EvaluationSet, other: EvaluationSet) -> pd.DataFrame:
    """The cases that both runs have: columns first and other (scores), and grade (reference grade of the first run).

    Raises:
        InputError: the runs share no photograph.
    """
    both = narrow_to_shared(first, other)
    return pd.DataFrame({"first": both[0].cases.score, "other": both[1].cases.score, "grade": both[0].cases.reference})


def grade_handles() -> list[Artist]:
    """Legend entries that give each grade its colour and marker."""
    styles = zip(GRADE_COLOURS, GRADE_MARKERS, GRADE_NAMES, strict=True)
    return [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4, label=f"{grade} {name}")
        for grade, (colour, marker, name) in enumerate(styles)
    ]


def _draw_run(axes: Axes, run: EvaluationSet, title: str, max_vector_points: int) -> None:
    cases = run.cases
    positions = spread_patients(cases.reference, run.cases.score, cases.patients)
    # Join a patient's cases of one grade by a line from the lowest to the highest score.
    ends = pd.Series(run.cases.score).groupby(positions.to_numpy()).agg(["min", "max"])
    lines = [[(position, low), (position, high)] for position, low, high in ends.itertuples() if high > low]
    many = len(positions) > max_vector_points
    style: Any = {"colors": "0.45", "linewidths": 0.5, "alpha": 0.6, "zorder": 1, "rasterized": many}
    axes.add_collection(LineCollection(lines, **style))
    axes.scatter(positions, run.cases.score, s=5, color=COLOURS[0], alpha=0.55, linewidths=0, rasterized=many)
    for threshold in decision_thresholds(run.predictions) or ():
        axes.axhline(threshold, color=COLOURS[1], linewidth=0.9, zorder=0)
    axes.set_title(break_name(title, _TITLE))
    axes.set(xlabel="reference grade", ylabel="score", xticks=_SCALE, yticks=_SCALE)
    axes.set(xlim=(-0.6, MAX_GRADE + 0.6), ylim=(-0.15, MAX_GRADE + 0.15))


def score_handles(runs: Sequence[EvaluationSet]) -> list[Artist]:
    """Legend entries of a scatter plot of scores: a case, the line of a patient, and the thresholds."""
    counted = runs[0].by
    handles: list[Artist] = [
        Line2D([], [], color=COLOURS[0], marker="o", linestyle="", markersize=3, label=f"a {counted}")
    ]
    if counted != "patient":
        handles.append(Line2D([], [], color="0.45", linewidth=0.7, label="of one patient"))
    if any(decision_thresholds(run.predictions) for run in runs):
        handles.append(Line2D([], [], color=COLOURS[1], linewidth=0.9, label="the predicted grade rises"))
    return handles


def _draw_pair(axes: Axes, first: EvaluationSet, other: EvaluationSet, titles: Sequence[str]) -> None:
    pairs = pair_scores(first, other)
    axes.axline((0, 0), slope=1, color="0.5", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    for grade, rows in pairs.groupby("grade"):
        style: Any = {"color": GRADE_COLOURS[grade], "marker": GRADE_MARKERS[grade]}
        many = len(pairs) > MAX_VECTOR_POINTS
        axes.scatter(rows["first"], rows["other"], s=8, alpha=0.6, linewidths=0, rasterized=many, **style)
    correlation = float(pairs[["first", "other"]].rank().corr().loc["first", "other"])  # Spearman's
    described = "undefined" if np.isnan(correlation) else f"{correlation:.3f}"
    axes.set_title(f"{len(pairs)} {first.by}s\nrank correlation {described}")
    axes.set_xlabel(break_name(f"score of {titles[0]}", _TITLE))
    axes.set_ylabel(break_name(f"score of {titles[1]}", 32))
    axes.set(xticks=_SCALE, yticks=_SCALE, xlim=(-0.15, MAX_GRADE + 0.15), ylim=(-0.15, MAX_GRADE + 0.15))
    axes.set_aspect("equal")
