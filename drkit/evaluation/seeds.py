"""A run of several seeds: how well each seed's networks agree alone, and on the average."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from drkit import metrics
from drkit.evaluation.aggregation import Index, aggregate_by_seed
from drkit.evaluation.agreement import NUM_RESAMPLES, Interval, with_interval
from drkit.grades import Level
from drkit.records.predictions import Predictions


@dataclass(frozen=True)
class SeedAgreement:
    """Agreement of trainings that differ in their seed alone, each judged for itself.

    Args:
        seeds: S of them.
        quadratic_weighted_kappas: Of each seed's networks alone.
        quadratic_weighted_kappa: Their mean.
        quadratic_weighted_kappa_interval: 95 %, over resampled patients and seeds.
        spread: Standard deviation of the quadratic kappas over the seeds, with S - 1 in the denominator.
        plain_kappas: Of each seed's networks alone.
        plain_kappa: Their mean.
        plain_kappa_interval: 95 %, over resampled patients and seeds.
        accuracy: Share of cases with the very grade, the mean over the seeds.
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
    reference: Index,
    by: Level,
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> SeedAgreement | None:
    """Measure the agreement of each seed alone, and their mean with intervals over resampled patients and seeds.

    Args:
        predictions: N photographs, at least one.
        reference: (N,) grades 0-4.
        by: What counts as a case.
        num_resamples: How often patients and seeds are drawn.
        seed: Of the draws.

    Returns:
        None for a run of one seed, or an ensemble.
    """
    if not predictions.meta.seeds:
        return None
    alone = aggregate_by_seed(predictions, reference, by)
    truth, predicted = alone[0].reference, np.stack([cases.predicted for cases in alone])
    average = partial(
        metrics.mean_over_seeds, truth, predicted, alone[0].patients, num_resamples=num_resamples, seed=seed
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
