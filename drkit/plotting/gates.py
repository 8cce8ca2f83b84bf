"""Gates of channels by grade: how far attention opens and closes them, and what that has to do with the grade."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.grades import NUM_GRADES
from drkit.plotting.style import COLOURS, GRADE_COLOURS, GRADE_MARKERS, break_name, open_panels, place_legend, styled

NUM_SHUFFLES = 200
NUM_SHOWN = 5  # channels
NEAR = 0.05  # of 1: a gate that does next to nothing
LEAST = 1.0  # percent: an axis shows at least so much


@dataclass(frozen=True)
class Gates:
    """What attention does to the channels of N photographs.

    Args:
        factors: (N, C) from 0 to 2; 1: as without attention.
        grades: (N,) reference grades.
        patients: (N,) whose photograph it is.
    """

    factors: NDArray[np.float64]
    grades: NDArray[np.int64]
    patients: NDArray[np.str_]


@dataclass(frozen=True)
class GateFigures:
    """Gates in numbers.

    Args:
        photographs: N.
        channels: C.
        near_one: Share of the channels whose mean gate is within 0.05 of 1.
        mean_by_grade: For each grade the mean distance of a gate from 1; None where the grade does not occur.
        explained: Mean over channels of the share of a gate's variance between patients that their grade explains.
        explained_by_chance: The same with grades dealt out among patients at random, mean of 200 times.
        probability_by_chance: Share of those times in which chance explains as much.
    """

    photographs: int
    channels: int
    near_one: float
    mean_by_grade: tuple[float | None, ...]
    explained: float
    explained_by_chance: float
    probability_by_chance: float

    def sentence(self) -> str:
        """What they say, in words."""
        sentence = (
            f"{self.near_one:.0%} of {self.channels} channels have a mean gate within {NEAR} of 1, where attention does"
            f" next to nothing; the grade explains {self.explained:.1%} of a gate's variation between patients,"
            f" {self.explained_by_chance:.1%} by chance (as much or more in {self.probability_by_chance:.0%} of deals)"
        )
        surely = self.probability_by_chance < 0.05
        return sentence + ("." if surely else ": it cannot be told that the gates go with the grade.")


def measure_gates(gates: Gates, seed: int = 0) -> GateFigures:
    """Put gates in numbers.

    Args:
        gates: Of at least two patients with different grades.
        seed: Of the dealing out.

    Raises:
        InputError: one single patient, or one single grade.
    """
    means, grades = _by_patient(gates)
    if len(np.unique(grades)) < 2 or len(grades) <= len(np.unique(grades)):
        raise InputError("gates by grade need several patients with different reference grades")
    generator = np.random.default_rng(seed)
    chance = [correlation_ratios(means, generator.permutation(grades)).mean() for _ in range(NUM_SHUFFLES)]
    distance = np.abs(gates.factors - 1).mean(1)
    observed = correlation_ratios(means, grades).mean()
    return GateFigures(
        photographs=len(gates.grades),
        channels=gates.factors.shape[1],
        near_one=float((np.abs(gates.factors.mean(0) - 1) <= NEAR).mean()),
        mean_by_grade=tuple(
            float(distance[gates.grades == grade].mean()) if (gates.grades == grade).any() else None
            for grade in range(NUM_GRADES)
        ),
        explained=float(observed),
        explained_by_chance=float(np.mean(chance)),
        probability_by_chance=float(np.mean(np.array(chance) >= observed)),
    )


def correlation_ratios(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share (C,) of the variance of values (N, C) that lies between groups (N,); 0 where nothing varies.

    Source: Fisher 1925, Statistical methods for research workers, section 45: eta squared.
    """
    centred = values - values.mean(0)
    sizes = np.bincount(groups)
    sums = np.stack([np.bincount(groups, column) for column in centred.T], 1)  # (G, C)
    between = (sums**2 / np.maximum(sizes, 1)[:, None]).sum(0)
    total = (centred**2).sum(0)
    return np.divide(between, total, out=np.zeros_like(total), where=total > 0)


def draw_gates(gates: Gates, title: str) -> Figure:
    """Draw how far channels are opened, how much photographs of each grade are changed, and the telling channels.

    No axis shows less than a percent to either side, so that what is next to nothing looks like it.
    """
    with styled():
        figure, panels = open_panels(3)
        _draw_channels(panels[0], gates)
        _draw_distances(panels[1], gates)
        lines = _draw_telling(panels[2], gates)
        figure.suptitle(break_name(title, 90))
        place_legend(figure, lines)
    return figure


def _draw_channels(axes: Axes, gates: Gates) -> None:
    changes = _in_percent(gates.factors.mean(0))
    reach = max(np.abs(changes).max() * 1.05, LEAST)
    axes.hist(changes, bins=31, range=(-reach, reach), color=COLOURS[0])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(title="channels", xlabel="opened by, % (mean gate)", ylabel="number of channels")


def _draw_distances(axes: Axes, gates: Gates) -> None:
    """A point a photograph, and the mean of each grade."""
    distance = np.abs(_in_percent(gates.factors)).mean(1)
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(distance))
    for grade in range(NUM_GRADES):
        chosen = gates.grades == grade
        if chosen.any():
            axes.plot(grade + jitter[chosen], distance[chosen], GRADE_MARKERS[grade], ms=2.5, alpha=0.5, mew=0,
                      color=GRADE_COLOURS[grade])  # fmt: skip
            axes.hlines(distance[chosen].mean(), grade - 0.38, grade + 0.38, color="black", linewidth=1.4)
    axes.set(title="photographs", xlabel="reference grade", ylabel="mean change, %")
    axes.set_ylim(0, max(distance.max() * 1.05, LEAST))
    axes.set_xticks(range(NUM_GRADES))


def _draw_telling(axes: Axes, gates: Gates) -> list[Line2D]:
    """The channels whose gates go with the grade most closely, picked on these very photographs."""
    means, grades = _by_patient(gates)
    telling = np.argsort(-correlation_ratios(means, grades), kind="stable")[:NUM_SHOWN]
    present = np.unique(grades)
    heights = 100 * np.stack([means[grades == grade][:, telling].mean(0) for grade in present])  # (G, channels)
    heights -= 100 * means[:, telling].mean(0)
    lines = [
        axes.plot(present, column, marker=marker, ms=4, color=colour, label=f"channel {channel}")[0]
        for column, marker, colour, channel in zip(heights.T, GRADE_MARKERS, COLOURS, telling, strict=False)
    ]
    reach = max(np.abs(heights).max() * 1.1, LEAST)
    axes.set(title="the most telling channels", xlabel="patient's worst grade", ylabel="gate less its mean, %")
    axes.set_ylim(-reach, reach)
    axes.set_xticks(range(NUM_GRADES))
    return lines


def _in_percent(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    return 100 * (factors - 1)


def _by_patient(gates: Gates) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean gates (P, C) and worst grade (P,) of each patient."""
    names, patient = np.unique(gates.patients, return_inverse=True)
    counts = np.bincount(patient)[:, None]
    means = np.stack([np.bincount(patient, column) for column in gates.factors.T], 1) / counts
    worst = np.zeros(len(names), np.int64)
    np.maximum.at(worst, patient, gates.grades)
    return means, worst
