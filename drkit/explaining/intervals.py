"""Means over cases, with intervals over resampled patients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drkit.metrics import interval

NUM_RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval over patients.

    Args:
        value: Over all cases.
        low: Lower end.
        high: Upper end.
        cases: Number of cases.
        patients: Number of patients.
    """

    value: float
    low: float
    high: float
    cases: int
    patients: int

    def __str__(self) -> str:
        return f"{self.value:.3f}\n{self.low:.3f} to {self.high:.3f}"


def patient_mean(values: ArrayLike, patients: ArrayLike, seed: int = 0) -> Mean | None:
    """The mean of (N,) values, patients drawn with replacement; values that are NaN are left out.

    Returns:
        None where no value is left.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile interval).
    """
    figures, owners = np.asarray(values, dtype=np.float64), np.asarray(patients)
    known = ~np.isnan(figures)
    if not known.any():
        return None
    names, patient = np.unique(owners[known], return_inverse=True)
    sums, counts = np.bincount(patient, figures[known]), np.bincount(patient).astype(np.float64)
    shares = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), shares, size=NUM_RESAMPLES).astype(np.float64)
    low, high = interval((drawn @ sums) / (drawn @ counts))
    return Mean(float(sums.sum() / counts.sum()), low, high, int(known.sum()), len(names))
