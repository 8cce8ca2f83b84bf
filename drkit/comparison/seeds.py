"""One way to train against another over several seeds: how much, how sure over patients, how far seeds go apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drkit import metrics
from drkit.agreement import NUM_RESAMPLES, Agreement, Interval, measure_agreement, with_interval
from drkit.comparison.differences import Comparison, compare_cases, describe_difference
from drkit.comparison.pairs import pair_cases
from drkit.errors import InputError
from drkit.readings import Cases
from drkit.records.predictions import Predictions
from drkit.reporting import Table


@dataclass(frozen=True)
class SeedPair:
    """Two trainings with one seed.

    Args:
        seed: Of both.
        without: Predictions of the baseline.
        attending: Predictions of what is compared with it.
    """

    seed: int
    without: Predictions
    attending: Predictions


@dataclass(frozen=True)
class SeedResult:
    """What one seed came to.

    Args:
        seed: Of both trainings.
        without: The baseline's agreement.
        attending: The other's.
        comparison: Their difference.
    """

    seed: int
    without: Agreement
    attending: Agreement
    comparison: Comparison


@dataclass(frozen=True)
class SeedsOutcome:
    """What all seeds came to.

    Args:
        what: What the second of each pair has and the first has not.
        results: A seed each.
        photographs: That all runs are compared on.
        patients: Their patients.
        difference: Mean over the seeds, in quadratic weighted kappa.
        interval: 95 % of the mean, over the same resampled patients for all runs; the seeds are taken as they are.
        probability_of_no_gain: Share of resamples in which the mean is not above 0.
        spread: Standard deviation of the differences over the seeds, with one less in the denominator.
        sentence: What all this carries, in words.
    """

    what: str
    results: tuple[SeedResult, ...]
    photographs: int
    patients: int
    difference: float
    interval: Interval
    probability_of_no_gain: float
    spread: float
    sentence: str

    def table(self) -> Table:
        """A row a seed, and their mean."""
        columns = ("seed", "baseline", self.what, "difference", "95 % interval", "P(no gain)")
        rows = [_row(result) for result in self.results]
        means = [np.mean([_kappa(run) for run in runs]) for runs in zip(*self._agreements(), strict=True)]
        rows.append(
            (
                "mean",
                *(f"{mean:.3f}" for mean in means),
                f"{self.difference:+.3f}",
                f"{self.interval[0]:+.3f} to {self.interval[1]:+.3f}",
                f"{self.probability_of_no_gain:.3f}",
            )
        )
        title = f"Quadratic kappa, {self.photographs} photographs of {self.patients} patients, intervals over patients"
        return Table(title, columns, rows)

    def _agreements(self) -> list[tuple[Agreement, Agreement]]:
        return [(result.without, result.attending) for result in self.results]


def judge_seeds(what: str, pairs: Sequence[SeedPair]) -> SeedsOutcome:
    """Compare trainings pair by pair, and their mean difference.

    Args:
        what: What the second of each pair has and the first has not.
        pairs: At least two.

    Raises:
        InputError: pairs that are not judged on the same photographs.
        LeakageError: a pair without a photograph that neither run was trained on.
    """
    cases = [pair_cases(pair.without, pair.attending) for pair in pairs]
    reference, patients = cases[0][0].reference, cases[0][0].patients
    if not all(np.array_equal(first.patients, patients) for first, _ in cases):
        raise InputError("the runs of the seeds are not judged on the same photographs: train them again")
    before, after = (np.stack([pair[side].predicted for pair in cases]) for side in (0, 1))
    mean = metrics.paired_difference(reference, before, after, patients, num_resamples=NUM_RESAMPLES)
    results = tuple(_judge_seed(pair, *sides) for pair, sides in zip(pairs, cases, strict=True))
    differences = np.array([result.comparison.difference for result in results])
    num_patients = len(np.unique(patients))
    return SeedsOutcome(
        what=what,
        results=results,
        photographs=len(reference),
        patients=num_patients,
        difference=mean.value,
        interval=(mean.low, mean.high),
        probability_of_no_gain=mean.probability_of_no_gain,
        spread=float(differences.std(ddof=1)),
        sentence=_sentence(what, mean, differences, num_patients),
    )


def _judge_seed(pair: SeedPair, before: Cases, after: Cases) -> SeedResult:
    names = (pair.without.name, pair.attending.name)
    comparison = compare_cases(names, before, after, num_photographs=len(before.reference))
    return SeedResult(pair.seed, _measure(before), _measure(after), comparison)


def _measure(cases: Cases) -> Agreement:
    return measure_agreement(cases.reference, cases.predicted, cases.patients)


def _sentence(what: str, mean: metrics.Difference, differences: np.ndarray, num_patients: int) -> str:
    """No more than both the interval over patients and the seeds carry."""
    figures = (
        f"on the average of {len(differences)} seeds {describe_difference(mean, num_patients)}, with single seeds"
        f" {differences.min():+.3f} to {differences.max():+.3f}"
    )
    for sign, word in ((1, "better"), (-1, "worse")):
        beyond = mean.low > 0 if sign > 0 else mean.high < 0
        if beyond and (sign * differences > 0).all():
            return f"With {what} the network agrees {word} on these patients, with every seed: {figures}."
        if beyond:
            return f"With {what} the network agrees {word} on the average, but not with every seed: {figures}."
    return f"Whether {what} helps cannot be told: {figures}."


def _row(result: SeedResult) -> tuple[str, ...]:
    found = result.comparison
    return (
        str(result.seed),
        with_interval(_kappa(result.without), result.without.quadratic_weighted_kappa_interval),
        with_interval(_kappa(result.attending), result.attending.quadratic_weighted_kappa_interval),
        f"{found.difference:+.3f}",
        f"{found.interval[0]:+.3f} to {found.interval[1]:+.3f}",
        f"{found.probability_of_no_gain:.3f}",
    )


def _kappa(found: Agreement) -> float:
    return found.quadratic_weighted_kappa
