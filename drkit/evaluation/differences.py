"""One run against another: the difference in quadratic kappa, and what its interval carries in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drkit import metrics
from drkit.evaluation.aggregation import Cases
from drkit.evaluation.agreement import NUM_RESAMPLES, Interval
from drkit.grades import Level
from drkit.reporting import Table


@dataclass(frozen=True)
class Comparison:
    """How much more one run agrees than the first, on the photographs both have graded.

    A run of several seeds agrees by the mean of its seeds' own kappas, each seed judged by its networks alone.

    Args:
        run: Its name.
        against: The first run's.
        photographs: Number of photographs shared.
        patients: Number of patients shared.
        kappas: Quadratic weighted kappas of the run, one a seed.
        against_kappas: Those of the first run.
        difference: In quadratic weighted kappa, the run's mean less the first's.
        interval: 95 %, over the same resampled patients for both, and the seeds of each that has several.
        probability_of_no_gain: Share of resamples in which the run is not better.
        sentence: What the interval carries, in words.
        by: What counts as a case.
    """

    run: str
    against: str
    photographs: int
    patients: int
    kappas: tuple[float, ...]
    against_kappas: tuple[float, ...]
    difference: float
    interval: Interval
    probability_of_no_gain: float
    sentence: str
    by: Level = "photograph"


def compare_cases(
    names: tuple[str, str],
    before: Sequence[Cases],
    after: Sequence[Cases],
    *,
    num_photographs: int,
    by: Level = "photograph",
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two runs on the same cases.

    Args:
        names: The first run's, and that of the one that should be better.
        before: What the first says of C cases, once a seed.
        after: What the other says of the same cases, in the same order, once a seed.
        num_photographs: That the cases were made of.
        by: What the cases are.
        num_resamples: How often patients are drawn.
        seed: Of the draws.
    """
    reference, patients = before[0].reference, before[0].patients
    first, second = (np.stack([cases.predicted for cases in side]) for side in (before, after))
    difference = metrics.paired_difference(reference, first, second, patients, num_resamples=num_resamples, seed=seed)
    num_patients = len(np.unique(patients))
    return Comparison(
        run=names[1],
        against=names[0],
        photographs=num_photographs,
        patients=num_patients,
        kappas=_kappas(reference, second),
        against_kappas=_kappas(reference, first),
        difference=difference.value,
        interval=(difference.low, difference.high),
        probability_of_no_gain=difference.probability_of_no_gain,
        sentence=_sentence(names, difference, num_patients, by, (len(first), len(second))),
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


def tabulate_seeds(comparison: Comparison) -> Table:
    """A row a run: the kappas of its seeds alone, and their mean."""
    columns = ("run", "quadratic kappa of each seed alone", "mean")
    runs = ((comparison.against, comparison.against_kappas), (comparison.run, comparison.kappas))
    rows = [(name, ", ".join(f"{kappa:.3f}" for kappa in kappas), f"{np.mean(kappas):.3f}") for name, kappas in runs]
    title = f"The same {comparison.photographs} photographs of {comparison.patients} patients"
    return Table(title, columns, rows)


def _kappas(reference: ArrayLike, predicted: ArrayLike) -> tuple[float, ...]:
    """Quadratic weighted kappas of S trainings (S, C)."""
    return tuple(metrics.quadratic_weighted_kappa(metrics.confusion(reference, predicted)).tolist())


def _sentence(
    names: tuple[str, str], difference: metrics.Difference, num_patients: int, by: Level, num_seeds: tuple[int, int]
) -> str:
    """What the interval carries, and what it does not."""
    joined = "" if by == "photograph" else f", photographs joined by {by}"
    over = "patients and seeds" if max(num_seeds) > 1 else "patients"
    figures = (
        f"{difference.value:+.3f} in quadratic kappa (95 % interval over {over} {difference.low:+.3f} to"
        f" {difference.high:+.3f}, {num_patients} patients{_tell_seeds(num_seeds)}){joined}"
    )
    verdict = f"Which of {names[1]} and {names[0]} agrees better cannot be told: {figures}."
    if difference.low > 0:
        verdict = f"{names[1]} agrees better than {names[0]}: {figures}."
    elif difference.high < 0:
        verdict = f"{names[1]} agrees worse than {names[0]}: {figures}."
    return f"{verdict}{_tell_noise(names, num_seeds)}"


def _tell_seeds(num_seeds: tuple[int, int]) -> str:
    """`, 3 seeds each`, `, 3 seeds against 1`, or nothing where both have one."""
    first, second = num_seeds
    if first == second:
        return f", {first} seeds each" if first > 1 else ""
    return f", {second} seed{'s' * (second > 1)} against {first}"


def _tell_noise(names: tuple[str, str], num_seeds: tuple[int, int]) -> str:
    """Whose noise the interval lacks."""
    single = [name for name, count in zip(names, num_seeds, strict=True) if count == 1]
    if not single:
        return ""
    if len(single) == 2:
        return " One seed each: the training's own noise is not in the interval."
    return f" {single[0]} has one seed: its training's own noise is not in the interval."
