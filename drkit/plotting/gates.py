"""Channel attention gates: their distance from 1, and their association with the grade."""

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
NEAR = 0.05  # largest distance from 1 of a gate that hardly changes its channel
MIN_REACH = 1.0  # percent to either side that an axis shows at least


@dataclass(frozen=True)
class Gates:
    """Values of the channel gates of N photographs.

    Args:
        factors: (N, C) gate values from 0 to 2; 1 leaves a channel unchanged.
        grades: (N,) reference grades.
        patients: (N,) key of each photograph's patient.
    """

    factors: NDArray[np.float64]
    grades: NDArray[np.int64]
    patients: NDArray[np.str_]


@dataclass(frozen=True)
class GateFigures:
    """Statistics of the channel gates.

    Args:
        photographs: Number of photographs.
        channels: Number of channels.
        near_one: Share of the channels whose mean gate is within `NEAR` of 1.
        mean_by_grade: Mean distance of the gates from 1 for each grade; None if the grade does not occur.
        explained: Mean over channels of the share of a gate's variance between patients that their grade explains.
        explained_by_chance: The mean of `explained` over `NUM_SHUFFLES` random permutations of the patients' grades.
        probability_by_chance: Share of the permutations that explain as much as the grades, or more.
    """

    photographs: int
    channels: int
    near_one: float
    mean_by_grade: tuple[float | None, ...]
    explained: float
    explained_by_chance: float
    probability_by_chance: float

    def sentence(self) -> str:
        """The statistics in one sentence."""
        sentence = (
            f"{self.near_one:.0%} of {self.channels} channels have a mean gate within {NEAR} of 1, so attention hardly"
            f" changes them; the grade explains {self.explained:.1%} of a gate's variation between patients,"
            f" {self.explained_by_chance:.1%} by chance (as much or more in {self.probability_by_chance:.0%} of"
            " permutations)"
        )
        is_significant = self.probability_by_chance < 0.05
        return sentence + ("." if is_significant else ": no association of the gates with the grade is shown.")


def measure_gates(gates: Gates, seed: int = 0) -> GateFigures:
    """Measure the gates, with a permutation test of their association with the grade.

    Args:
        gates: Gates of several patients with different grades.
        seed: Random seed of the permutations.

    Raises:
        InputError: there are too few patients, or all have the same grade.
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
    """(C,) share of the variance of `values` (N, C) between `groups` (N,); 0 for a column without variance.

    Source: Fisher 1925, Statistical methods for research workers, section 45: eta squared.
    """
    centred = values - values.mean(0)
    sizes = np.bincount(groups)
    sums = np.stack([np.bincount(groups, column) for column in centred.T], 1)  # (G, C)
    between = (sums**2 / np.maximum(sizes, 1)[:, None]).sum(0)
    total = (centred**2).sum(0)
    return np.divide(between, total, out=np.zeros_like(total), where=total > 0)


def draw_gates(gates: Gates, title: str) -> Figure:
    """Draw the mean gates, the mean change of the photographs of each grade, and the gates that vary most with it.

    Each axis shows at least `MIN_REACH` percent to either side, so that a negligible change looks negligible.
    """
    with styled():
        figure, panels = open_panels(3)
        _draw_channels(panels[0], gates)
        _draw_distances(panels[1], gates)
        lines = _draw_associated(panels[2], gates)
        figure.suptitle(break_name(title, 90))
        place_legend(figure, lines)
    return figure


def _draw_channels(axes: Axes, gates: Gates) -> None:
    changes = _in_percent(gates.factors.mean(0))
    reach = max(np.abs(changes).max() * 1.05, MIN_REACH)
    axes.hist(changes, bins=31, range=(-reach, reach), color=COLOURS[0])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(title="channels", xlabel="opened by, % (mean gate)", ylabel="number of channels")


def _draw_distances(axes: Axes, gates: Gates) -> None:
    """Draw one point per photograph, and the mean of each grade."""
    distance = np.abs(_in_percent(gates.factors)).mean(1)
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(distance))
    for grade in range(NUM_GRADES):
        chosen = gates.grades == grade
        if chosen.any():
            axes.plot(grade + jitter[chosen], distance[chosen], GRADE_MARKERS[grade], ms=2.5, alpha=0.5, mew=0,
                      color=GRADE_COLOURS[grade])  # fmt: skip
            axes.hlines(distance[chosen].mean(), grade - 0.38, grade + 0.38, color="black", linewidth=1.4)
    axes.set(title="photographs", xlabel="reference grade", ylabel="mean change, %")
    axes.set_ylim(0, max(distance.max() * 1.05, MIN_REACH))
    axes.set_xticks(range(NUM_GRADES))


def _draw_associated(axes: Axes, gates: Gates) -> list[Line2D]:
    """Draw the channels whose gates are associated most with the grade, selected on the same photographs."""
    means, grades = _by_patient(gates)
    strongest = np.argsort(-correlation_ratios(means, grades), kind="stable")[:NUM_SHOWN]
    present = np.unique(grades)
    heights = 100 * np.stack([means[grades == grade][:, strongest].mean(0) for grade in present])  # (G, channels)
    heights -= 100 * means[:, strongest].mean(0)
    lines = [
        axes.plot(present, column, marker=marker, ms=4, color=colour, label=f"channel {channel}")[0]
        for column, marker, colour, channel in zip(heights.T, GRADE_MARKERS, COLOURS, strongest, strict=False)
    ]
    reach = max(np.abs(heights).max() * 1.1, MIN_REACH)
    axes.set(title="most associated channels", xlabel="patient's worst grade", ylabel="gate minus its mean, %")
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
