"""ROC and precision-recall curves of referable DR."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drkit.evaluation.agreement import with_interval
from drkit.plotting.screening import GRID, Screening
from drkit.plotting.style import (
    COLOURS,
    MAX_RUNS_WITH_BANDS,
    TICKS_OF_SHARES,
    break_name,
    open_panels,
    place_legend,
    styled,
)

CurveKind = Literal["roc", "precision-recall"]
CURVES: tuple[CurveKind, ...] = ("roc", "precision-recall")
MARKERS = ("^", "s", "o")  # one for each operating point
_TITLES = {"roc": "referable DR: ROC", "precision-recall": "referable DR: precision and recall"}


def draw_screening(
    runs: Sequence[Screening], title: str, curves: Sequence[CurveKind] = CURVES, *, legend: bool = True
) -> Figure:
    """Draw each run's curves with its operating points; up to `MAX_RUNS_WITH_BANDS` runs have 95 % bands over patients.

    Args:
        runs: The measured runs, at most `MAX_RUNS`.
        title: Data sets, splits and cases, in one line.
        curves: The kinds of curves, one panel each.
        legend: Whether the figure has a legend.
    """
    with styled():
        figure, panels = open_panels(len(curves), columns=2, height=3.2)
        for axes, curve in zip(panels, curves, strict=True):
            for run, colour in zip(runs, COLOURS, strict=False):
                _draw_run(axes, run, curve, colour)
                if len(runs) <= MAX_RUNS_WITH_BANDS:
                    low, high = run.roc_band if curve == "roc" else run.precision_band
                    step: Literal["post", "pre"] = "post" if curve == "roc" else "pre"
                    axes.fill_between(GRID, low, high, step=step, color=colour, alpha=0.15, linewidth=0)
            _frame(axes, curve)
        figure.suptitle(break_name(title, 44 * len(curves)))
        if legend:
            place_legend(figure, _legend(runs, curves))
    return figure


def _draw_run(axes: Axes, run: Screening, curve: CurveKind, colour: str) -> None:
    rates = run.rates
    if curve == "roc":
        axes.plot(np.append(0, rates.false_positive_rate), np.append(0, rates.sensitivity), color=colour, linewidth=1.3)
    else:
        axes.step(np.append(0, rates.sensitivity), np.append(rates.precision[0], rates.precision), color=colour)
        axes.axhline(run.referable, color="0.5", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    for point, marker in zip(run.points, MARKERS, strict=True):
        x, y = (1 - point.specificity, point.sensitivity) if curve == "roc" else (point.sensitivity, point.precision)
        axes.plot(x, y, marker, color=colour, markersize=5, markeredgecolor="white", zorder=5)


def _frame(axes: Axes, curve: CurveKind) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=_TITLES[curve], aspect="equal")
    axes.set(xticks=TICKS_OF_SHARES, yticks=TICKS_OF_SHARES)
    if curve == "roc":
        axes.set(xlabel="1 - specificity", ylabel="sensitivity")
        axes.axline((0, 0), slope=1, color="0.5", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    else:
        axes.set(xlabel="sensitivity (recall)", ylabel="precision")


def point_handles(runs: Sequence[Screening]) -> list[Artist]:
    """Legend entries that give each operating point its marker."""
    return [
        Line2D([], [], color="0.3", marker=marker, linestyle="", markersize=5, label=point.name)
        for point, marker in zip(runs[0].points, MARKERS, strict=True)
    ]


def _describe_area(run: Screening, curve: CurveKind) -> str:
    """The area under the curve with its interval."""
    if curve == "roc":
        return f"ROC area {with_interval(run.roc_area, run.roc_area_interval)}"
    return f"average precision {with_interval(run.average_precision, run.average_precision_interval)}"


def _legend(runs: Sequence[Screening], curves: Sequence[CurveKind]) -> list[Artist]:
    handles: list[Artist] = []
    for run, colour in zip(runs, COLOURS, strict=False):
        label = f"{run.run}: {', '.join(_describe_area(run, curve) for curve in curves)}"
        handles.append(Line2D([], [], color=colour, linewidth=2.2, label=label))
    return handles + point_handles(runs)
