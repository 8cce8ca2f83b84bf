"""Agreement of the single seeds of a run, and their mean."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from drkit import intervals, metrics
from drkit.decisions import Grades
from drkit.evaluation.aggregation import aggregate_by_seed
from drkit.evaluation.agreement import NUM_RESAMPLES, Interval, with_interval
from drkit.grades import Level
from drkit.records.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class SeedAgreement:
    """Agreement of S trainings that differ only in their seed.

    Args:
        seeds: The S seeds.
        quadratic_weighted_kappas: Quadratic weighted kappa of each seed's networks.
        quadratic_weighted_kappa: Mean over the seeds.
        quadratic_weighted_kappa_interval: 95 % interval of the mean, over resampled patients and seeds.
        spread: Standard deviation of the quadratic kappas over the seeds, with S - 1 in the denominator.
        plain_kappas: Plain kappa of each seed's networks.
        plain_kappa: Mean over the seeds.
        plain_kappa_interval: 95 % interval of the mean, over resampled patients and seeds.
        accuracy: Mean over the seeds of the share of cases whose predicted grade is the reference grade.
    """

    seeds: tuple[int, ...]
    quadratic_weighted_kappas: tuple[float, ...]
    quadratic_weighted_kappa: float
    quadratic_weighted_kappa_interval: Interval
    spread: float
    plain_kappas: tuple[float, ...]
    plain_kappa: float
    plain_kappa_interval: Interval
    accuracy: float

    def __str__(self) -> str:
        """`seeds 0, 1 and 2 alone: 0.842, 0.851, 0.835, mean 0.843 (... to ...), standard deviation 0.008`."""
        *others, last = map(str, self.seeds)
        alone = ", ".join(f"{kappa:.3f}" for kappa in self.quadratic_weighted_kappas)
        mean = with_interval(self.quadratic_weighted_kappa, self.quadratic_weighted_kappa_interval)
        return (
            f"seeds {', '.join(others)} and {last} alone: quadratic kappa {alone}, mean {mean}, standard deviation"
            f" {self.spread:.3f}"
        )


def measure_seeds(
    predictions: Predictions,
    reference: Grades,
    by: Level,
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> SeedAgreement | None:
    """Measure the agreement of each seed, and the mean with intervals over resampled patients and seeds.

    Args:
        predictions: Predictions of N photographs, N at least 1.
        reference: (N,) grades 0-4.
        by: Level of the cases.
        num_resamples: Number of resamples of the patients and seeds.
        seed: Random seed of the resampling.

    Returns:
        The agreement, or None for a run of one seed or an ensemble.
    """
    if not predictions.meta.seeds:
        return None
    single_seeds = aggregate_by_seed(predictions, reference, by)
    truth, predicted = single_seeds[0].reference, np.stack([cases.predicted for cases in single_seeds])
    average = partial(
        intervals.mean_over_seeds, truth, predicted, single_seeds[0].patients, num_resamples=num_resamples, seed=seed
    )
    quadratic, plain = average(metrics.quadratic_weighted_kappa), average(metrics.plain_kappa)
    return SeedAgreement(
        seeds=predictions.meta.seeds,
        quadratic_weighted_kappas=quadratic.values,
        quadratic_weighted_kappa=quadratic.value,
        quadratic_weighted_kappa_interval=(quadratic.low, quadratic.high),
        spread=quadratic.spread,
        plain_kappas=plain.values,
        plain_kappa=plain.value,
        plain_kappa_interval=(plain.low, plain.high),
        accuracy=float(metrics.accuracy(metrics.confusion(truth, predicted)).mean()),
    )
