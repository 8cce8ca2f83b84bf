"""Agreement of predicted with reference grades, with confidence intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drkit import intervals, metrics
from drkit.errors import UsageError

Interval = tuple[float, float]

NUM_RESAMPLES = 2000
MIN_RESAMPLES = 100
KAPPA_UNDEFINED = "all reference and predicted grades are the same: kappa is undefined and reported as 0"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement over a number of cases (photographs, eyes or patients).

    Args:
        cases: Number of cases.
        patients: Number of patients, over whom the intervals are resampled.
        quadratic_weighted_kappa: Cohen's kappa with quadratic weights.
        quadratic_weighted_kappa_interval: Its 95 % interval over resampled patients.
        plain_kappa: Cohen's kappa, unweighted.
        plain_kappa_interval: Its 95 % interval over resampled patients.
        band: The course's word for a plain kappa of this size.
        degenerate: Whether both kappas are reported as 0 because the expected disagreement is 0.
        accuracy: Share of cases whose predicted grade is the reference grade.
        recalls: Recall of the grades 0 to 4; None for a grade without cases.
        referable_sensitivity: Share of the cases of grade 2 and worse that are predicted as such; None without any.
        referable_specificity: Share of the other cases that are predicted as such; None without any.
        confusion: Counts, with 5 rows for the reference grades and 5 columns for the predicted ones.
    """

    cases: int
    patients: int
    quadratic_weighted_kappa: float
    quadratic_weighted_kappa_interval: Interval
    plain_kappa: float
    plain_kappa_interval: Interval
    band: str
    degenerate: bool
    accuracy: float
    recalls: tuple[float | None, ...]
    referable_sensitivity: float | None
    referable_specificity: float | None
    confusion: list[list[int]]


def measure_agreement(
    reference: ArrayLike,
    predicted: ArrayLike,
    patients: ArrayLike,
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Measure agreement, with intervals over resampled patients.

    Args:
        reference: (C,) grades 0-4, C at least 1.
        predicted: (C,) grades 0-4.
        patients: (C,) key of each case's patient.
        num_resamples: Number of resamples of the patients.
        seed: Random seed of the resampling.
    """
    table = metrics.confusion(reference, predicted)
    bootstrap = intervals.PatientBootstrap.of(reference, predicted, patients)
    resampled = bootstrap.resample(num_resamples, seed)[:, 0]
    plain = float(metrics.plain_kappa(table))
    return Agreement(
        cases=int(table.sum()),
        patients=int(bootstrap.num_patients.sum()),
        quadratic_weighted_kappa=float(metrics.quadratic_weighted_kappa(table)),
        quadratic_weighted_kappa_interval=intervals.interval(metrics.quadratic_weighted_kappa(resampled)),
        plain_kappa=plain,
        plain_kappa_interval=intervals.interval(metrics.plain_kappa(resampled)),
        band=metrics.band(plain),
        degenerate=bool(metrics.is_degenerate(table)),
        accuracy=float(metrics.accuracy(table)),
        recalls=tuple(_defined(share) for share in metrics.recalls(table)),
        referable_sensitivity=_defined(float(metrics.referable_sensitivity(table))),
        referable_specificity=_defined(float(metrics.referable_specificity(table))),
        confusion=table.tolist(),
    )


def with_interval(value: float, interval: Interval) -> str:
    """Format a value with its interval: `0.852 (0.803 to 0.894)`."""
    return f"{value:z.3f} ({interval[0]:z.3f} to {interval[1]:z.3f})"


def _defined(share: float) -> float | None:
    return None if np.isnan(share) else float(share)


def check_resamples(resamples: int) -> None:
    """Check that there are enough resamples for an interval.

    Raises:
        UsageError: fewer than 100.
    """
    if resamples < MIN_RESAMPLES:
        raise UsageError(f"--resamples {resamples}: an interval needs at least {MIN_RESAMPLES}")
