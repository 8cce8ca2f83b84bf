"""How well predicted grades agree with reference grades: every figure with what it takes to read it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drkit import metrics
from drkit.errors import UsageError

Interval = tuple[float, float]

NUM_RESAMPLES = 2000
MIN_RESAMPLES = 100


@dataclass(frozen=True)
class Agreement:
    """Agreement over a number of cases (photographs, eyes or patients).

    Args:
        cases: Number of cases.
        patients: Number of patients they are of: what the intervals are drawn over.
        quadratic_weighted_kappa: Cohen's kappa with quadratic weights.
        quadratic_weighted_kappa_interval: 95 %, over resampled patients.
        plain_kappa: Cohen's kappa, unweighted.
        plain_kappa_interval: 95 %, over resampled patients.
        band: The course's name of the plain kappa's size.
        degenerate: Whether both kappas are 0 because nothing was expected to disagree.
        accuracy: Share of cases with the very grade.
        recalls: Share found of grade 0, 1, 2, 3, 4; None for a grade that does not occur.
        referable_sensitivity: Share found of the cases of grade 2 and worse; None where there are none.
        referable_specificity: Share of the others left unreferred; None where there are none.
        confusion: 5 rows, the reference grades, of 5 counts, the predicted ones.
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
        patients: (C,) whose case it is.
        num_resamples: How often patients are drawn.
        seed: Of the draws.
    """
    table = metrics.confusion(reference, predicted)
    bootstrap = metrics.PatientBootstrap.of(reference, predicted, patients)
    resampled = bootstrap.resample(num_resamples, seed)[:, 0]
    plain = float(metrics.plain_kappa(table))
    return Agreement(
        cases=int(table.sum()),
        patients=int(bootstrap.num_patients.sum()),
        quadratic_weighted_kappa=float(metrics.quadratic_weighted_kappa(table)),
        quadratic_weighted_kappa_interval=metrics.interval(metrics.quadratic_weighted_kappa(resampled)),
        plain_kappa=plain,
        plain_kappa_interval=metrics.interval(metrics.plain_kappa(resampled)),
        band=metrics.band(plain),
        degenerate=bool(metrics.is_degenerate(table)),
        accuracy=float(metrics.accuracy(table)),
        recalls=tuple(_defined(share) for share in metrics.recalls(table)),
        referable_sensitivity=_defined(float(metrics.referable_sensitivity(table))),
        referable_specificity=_defined(float(metrics.referable_specificity(table))),
        confusion=table.tolist(),
    )


def with_interval(value: float, interval: Interval) -> str:
    """`0.852 (0.803 to 0.894)`."""
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _defined(share: float) -> float | None:
    return None if np.isnan(share) else float(share)


def check_resamples(resamples: int) -> None:
    """Check that there are enough resamples for an interval.

    Raises:
        UsageError: fewer than 100.
    """
    if resamples < MIN_RESAMPLES:
        raise UsageError(f"--resamples {resamples}: an interval needs at least {MIN_RESAMPLES}")
