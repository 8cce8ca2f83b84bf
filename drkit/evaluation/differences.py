"""Difference in quadratic kappa between two runs, with an interval and a conclusion in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drkit import intervals, metrics
from drkit.evaluation.aggregation import Cases
from drkit.evaluation.agreement import NUM_RESAMPLES, Interval
from drkit.grades import Level
from drkit.reporting import Table


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The difference in agreement between two runs, on the photographs that both have graded.

    The kappa of a run of several seeds is the mean of the kappas of its single seeds.

    Args:
        run: Name of the run.
        against: Name of the run that it is compared with.
        photographs: Number of shared photographs.
        patients: Number of shared patients.
        kappas: Quadratic weighted kappa of each seed of the run.
        against_kappas: Quadratic weighted kappa of each seed of the other run.
        difference: Mean kappa of the run minus mean kappa of the other run.
        interval: 95 % interval of the difference, over resampled patients (the same for both runs) and seeds.
        probability_of_no_gain: Share of resamples in which the run is not better.
        sentence: The conclusion in words.
        by: Level of the cases.
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
        names: Names of the first and of the second run.
        before: C cases of the first run, for each of its seeds.
        after: The same cases, in the same order, of the second run, for each of its seeds.
        num_photographs: Number of photographs in the cases.
        by: Level of the cases.
        num_resamples: Number of resamples of the patients.
        seed: Random seed of the resampling.
    """
    reference, patients = before[0].reference, before[0].patients
    first, second = (np.stack([cases.predicted for cases in run]) for run in (before, after))
    difference = intervals.paired_difference(reference, first, second, patients, num_resamples=num_resamples, seed=seed)
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
    """Tabulate comparisons, one row for each."""
    columns = ("run", "against", "photographs", "patients", "by", "difference", "95 % interval", "P(no gain)")
    rows = [
        (
            item.run,
            item.against,
            str(item.photographs),
            str(item.patients),
            item.by,
            f"{item.difference:+z.3f}",
            f"{item.interval[0]:+.3f} to {item.interval[1]:+.3f}",
            f"{item.probability_of_no_gain:.3f}",
        )
        for item in comparisons
    ]
    return Table("Difference in quadratic kappa on the same resampled patients", columns, rows)


def tabulate_seeds(comparison: Comparison) -> Table:
    """Tabulate the kappas of each run's single seeds and their mean, one row for each run."""
    columns = ("run", "quadratic kappa of each seed alone", "mean")
    runs = ((comparison.against, comparison.against_kappas), (comparison.run, comparison.kappas))
    rows = [(name, ", ".join(f"{kappa:.3f}" for kappa in kappas), f"{np.mean(kappas):.3f}") for name, kappas in runs]
    title = f"The same {comparison.photographs} photographs of {comparison.patients} patients"
    return Table(title, columns, rows)


def _kappas(reference: ArrayLike, predicted: ArrayLike) -> tuple[float, ...]:
    """Quadratic weighted kappas of S seeds, from predicted grades (S, C)."""
    return tuple(metrics.quadratic_weighted_kappa(metrics.confusion(reference, predicted)).tolist())


def _sentence(
    names: tuple[str, str], difference: intervals.Difference, num_patients: int, by: Level, num_seeds: tuple[int, int]
) -> str:
    """The conclusion that the interval allows, and the variation that it leaves out."""
    joined = "" if by == "photograph" else f", photographs joined by {by}"
    over = "patients and seeds" if max(num_seeds) > 1 else "patients"
    figures = (
        f"{difference.value:+z.3f} in quadratic kappa (95 % interval over {over} {difference.low:+.3f} to"
        f" {difference.high:+.3f}, {num_patients} patients{_describe_seeds(num_seeds)}){joined}"
    )
    verdict = f"It is unclear which of {names[1]} and {names[0]} agrees better: {figures}."
    if difference.low > 0:
        verdict = f"{names[1]} agrees better than {names[0]}: {figures}."
    elif difference.high < 0:
        verdict = f"{names[1]} agrees worse than {names[0]}: {figures}."
    return f"{verdict}{_describe_noise(names, num_seeds)}"


def _describe_seeds(num_seeds: tuple[int, int]) -> str:
    """`, 3 seeds each`, `, 3 seeds against 1`, or an empty string if both have one."""
    first, second = num_seeds
    if first == second:
        return f", {first} seeds each" if first > 1 else ""
    return f", {second} seed{'s' * (second > 1)} against {first}"


def _describe_noise(names: tuple[str, str], num_seeds: tuple[int, int]) -> str:
    """State which runs have one seed, so that the interval does not include the variation between their trainings."""
    single = [name for name, count in zip(names, num_seeds, strict=True) if count == 1]
    if not single:
        return ""
    if len(single) == 2:
        return " One seed each: the interval does not include the variation between trainings."
    return f" {single[0]} has one seed: the interval does not include the variation between its trainings."
