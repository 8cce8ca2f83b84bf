"""One run against another: the difference in quadratic kappa, and what its interval carries in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drkit import metrics
from drkit.agreement import NUM_RESAMPLES, Interval
from drkit.readings import Cases, Reading
from drkit.reporting import Table


@dataclass(frozen=True)
class Comparison:
    """How much more one run agrees than the first, on the photographs both have graded.

    Args:
        run: Its name.
        against: The first run's.
        photographs: Number of photographs shared.
        patients: Number of patients shared.
        difference: In quadratic weighted kappa, the run's less the first's.
        interval: 95 %, over the same resampled patients for both.
        probability_of_no_gain: Share of resamples in which the run is not better.
        sentence: What the interval carries, in words.
        by: What counts as a case.
    """

    run: str
    against: str
    photographs: int
    patients: int
    difference: float
    interval: Interval
    probability_of_no_gain: float
    sentence: str
    by: Reading = "photograph"


def compare_cases(
    names: tuple[str, str],
    before: Cases,
    after: Cases,
    *,
    num_photographs: int,
    by: Reading = "photograph",
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two runs on the same cases.

    Args:
        names: The first run's, and that of the one that should be better.
        before: What the first says, C cases.
        after: What the other says of the same cases, in the same order.
        num_photographs: That the cases were made of.
        by: What the cases are.
        num_resamples: How often patients are drawn.
        seed: Of the draws.
    """
    difference = metrics.paired_difference(
        before.reference,
        before.predicted,
        after.predicted,
        before.patients,
        num_resamples=num_resamples,
        seed=seed,
    )
    num_patients = len(np.unique(before.patients))
    return Comparison(
        run=names[1],
        against=names[0],
        photographs=num_photographs,
        patients=num_patients,
        difference=difference.value,
        interval=(difference.low, difference.high),
        probability_of_no_gain=difference.probability_of_no_gain,
        sentence=_sentence(names, difference, num_patients, by),
        by=by,
    )


def tabulate_comparisons(comparisons: Sequence[Comparison]) -> Table:
    """A row a comparison."""
    columns = ("run", "against", "photographs", "patients", "by", "difference", "95 % interval", "P(no gain)")
    rows = [
        (
            item.run,
            item.against,
            str(item.photographs),
            str(item.patients),
            item.by,
            f"{item.difference:+.3f}",
            f"{item.interval[0]:+.3f} to {item.interval[1]:+.3f}",
            f"{item.probability_of_no_gain:.3f}",
        )
        for item in comparisons
    ]
    return Table("Difference in quadratic kappa on the same resampled patients", columns, rows)


def describe_difference(difference: metrics.Difference, num_patients: int) -> str:
    """`+0.012 in quadratic kappa (95 % interval -0.010 to +0.034, 100 patients)`."""
    return (
        f"{difference.value:+.3f} in quadratic kappa (95 % interval {difference.low:+.3f} to"
        f" {difference.high:+.3f}, {num_patients} patients)"
    )


def _sentence(names: tuple[str, str], difference: metrics.Difference, num_patients: int, by: Reading) -> str:
    joined = "" if by == "photograph" else f", photographs joined by {by}"
    figures = f"{describe_difference(difference, num_patients)}{joined}"
    if difference.low > 0:
        return f"{names[1]} agrees better than {names[0]}: {figures}."
    if difference.high < 0:
        return f"{names[1]} agrees worse than {names[0]}: {figures}."
    return f"Which of {names[1]} and {names[0]} agrees better cannot be told: {figures}."
