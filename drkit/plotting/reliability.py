"""Reliability diagrams."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drkit.plotting.calibration import QUESTIONS, Calibration, Question
from drkit.plotting.style import (
    COLOURS,
    MAX_RUNS_WITH_BANDS,
    TICKS_OF_SHARES,
    break_name,
    open_panels,
    place_legend,
    styled,
)

_TITLES: dict[Question, str] = {"referable": "is it referable?", "grade": "is it the most probable grade?"}


def draw_reliability(runs: Sequence[Calibration], title: str, *, legend: bool = True) -> Figure:
    """Draw observed frequencies over predicted probabilities, one panel per question.

    Up to `MAX_RUNS_WITH_BANDS` runs have bars: 95 % intervals over resampled patients.

    Args:
        runs: One calibration for each run and question, of at most `MAX_RUNS` runs, in the same order for each
            question.
        title: Data sets, splits and cases, in one line.
        legend: Whether the figure has a legend.
    """
    questions = [question for question in QUESTIONS if any(run.question == question for run in runs)]
    names = list(dict.fromkeys(run.run for run in runs))
    with styled():
        figure, panels = open_panels(len(questions), columns=2, height=3.1)
        for axes, question in zip(panels, questions, strict=True):
            for run in (run for run in runs if run.question == question):
                _draw_run(axes, run, names.index(run.run), with_bars=len(names) <= MAX_RUNS_WITH_BANDS)
            axes.axline((0, 0), slope=1, color="0.5", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", title=_TITLES[question])
            axes.set(xlabel="predicted probability", ylabel="observed frequency")
            axes.set(xticks=TICKS_OF_SHARES, yticks=TICKS_OF_SHARES)
        figure.suptitle(break_name(title, 44 * len(questions)))
        if legend:
            place_legend(figure, [_handle(name, number, runs) for number, name in enumerate(names)])
    return figure


def _draw_run(axes: Axes, run: Calibration, number: int, *, with_bars: bool) -> None:
    colour = COLOURS[number % len(COLOURS)]
    bars = np.abs(run.band - run.observed) if with_bars else None
    axes.errorbar(
        run.stated, run.observed, yerr=bars, color=colour, marker="o", markersize=3.5, linewidth=1.2, elinewidth=0.8
    )


def _handle(name: str, number: int, runs: Sequence[Calibration]) -> Artist:
    errors = {run.question: run.error for run in runs if run.run == name}
    listed = ", ".join(f"{error:.3f} ({question})" for question, error in errors.items())
    colour = COLOURS[number % len(COLOURS)]
    return Line2D([], [], color=colour, linewidth=2.2, label=f"{name}: calibration error {listed}")
