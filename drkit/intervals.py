"""Confidence intervals of agreement, by a bootstrap over patients and seeds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drkit.grades import NUM_GRADES
from drkit.metrics import Counts, FloatArray, check_scale, confusion, quadratic_weighted_kappa

CELLS_A_CHUNK = 4_000_000  # numbers drawn at once, which take 32 MB
SEEDS_STREAM = 0x5EED  # key of the random numbers for seeds, which are independent of those for patients


@dataclass(frozen=True)
class PatientBootstrap:
    """Bootstrap over patients of confusion tables, which all metrics share.

    Patients with the same counts are exchangeable. Therefore the number of patients with each table is drawn from a
    multinomial: it has the same distribution, needs hundreds of times fewer random numbers, and does not depend on the
    order of the rows or on the names of the patients.

    Args:
        kinds: (U, M, 5, 5), the distinct tables of one patient, for M predictions of the same photographs.
        num_patients: (U,), the number of patients with each table.
    """

    kinds: Counts
    num_patients: Counts

    @classmethod
    def of(cls, reference: ArrayLike, predicted: ArrayLike, patients: ArrayLike) -> "PatientBootstrap":
        """Count each patient's photographs.

        Args:
            reference: (N,) grades 0-4.
            predicted: (N,) grades 0-4, or (M, N) of M predictions.
            patients: (N,) key of each photograph's patient.
        """
        _, patient = np.unique(np.asarray(patients), return_inverse=True)
        tables = count_by_patient(reference, np.atleast_2d(predicted), patient)
        kinds, num_patients = np.unique(tables.reshape(len(tables), -1), axis=0, return_counts=True)
        return cls(kinds.reshape(-1, *tables.shape[1:]), num_patients)

    def resample(self, num_resamples: int = 2000, seed: int = 0) -> Counts:
        """Draw as many patients as there are, with replacement, R times.

        Returns:
            (R, M, 5, 5); a resample has the same patients for all M predictions.
        """
        total = int(self.num_patients.sum())
        generator = np.random.default_rng(seed)
        flat = self.kinds.reshape(len(self.kinds), -1).astype(np.float64)  # BLAS; exact below 2**53
        resampled = np.empty((num_resamples, flat.shape[1]), dtype=np.int64)
        step = max(1, CELLS_A_CHUNK // len(self.kinds))
        for start in range(0, num_resamples, step):
            size = min(step, num_resamples - start)
            drawn = generator.multinomial(total, self.num_patients / total, size=size)  # (size, U)
            resampled[start : start + size] = drawn.astype(np.float64) @ flat
        return resampled.reshape(num_resamples, *self.kinds.shape[1:])


def count_by_patient(reference: ArrayLike, predicted: ArrayLike, patient: ArrayLike) -> Counts:
    """Count the confusions of each patient.

    Args:
        reference: (N,) grades 0-4.
        predicted: (M, N) grades 0-4.
        patient: (N,) index of the patient, 0 to P-1.

    Returns:
        (P, M, 5, 5).
    """
    index = np.asarray(patient)
    pairs = check_scale(reference) * NUM_GRADES + check_scale(predicted)  # (M, N)
    num_patients, num_cells = int(index.max()) + 1, NUM_GRADES**2
    codes = (index * len(pairs) + np.arange(len(pairs))[:, None]) * num_cells + pairs
    counts = np.bincount(codes.ravel(), minlength=num_patients * len(pairs) * num_cells)
    return counts.reshape(num_patients, len(pairs), NUM_GRADES, NUM_GRADES)


def interval(samples: ArrayLike) -> tuple[float, float]:
    """The 95 % percentile interval of resampled values (R,).

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    low, high = np.percentile(np.asarray(samples), (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True)
class SeedMean:
    """A kappa averaged over trainings with several seeds.

    Args:
        values: (S,) kappa of each training.
        value: Mean of the kappas.
        low: Lower limit of the 95 % interval over resampled patients and seeds; for one training, over patients only.
        high: Upper limit of the interval.
    """

    values: tuple[float, ...]
    value: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds, with S - 1 in the denominator; NaN for a single seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")


def mean_over_seeds(
    reference: ArrayLike,
    predicted: ArrayLike,
    patients: ArrayLike,
    kappa: Callable[[Counts], FloatArray],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> SeedMean:
    """The mean kappa of trainings that differ only in their seed, with an interval over patients and seeds.

    Each resample draws patients as `PatientBootstrap`, the same for all trainings, and seeds as `mean_of_drawn_seeds`.

    Args:
        reference: (N,) grades 0-4.
        predicted: (S, N) grades 0-4 of S trainings.
        patients: (N,) key of each photograph's patient.
        kappa: `quadratic_weighted_kappa` or `plain_kappa`.
        num_resamples: Number of resamples of patients and seeds.
        seed: Random seed of the resampling.
    """
    values = kappa(confusion(reference, predicted))
    resampled = kappa(PatientBootstrap.of(reference, predicted, patients).resample(num_resamples, seed))
    low, high = interval(mean_of_drawn_seeds(resampled, np.random.default_rng([seed, SEEDS_STREAM])))
    return SeedMean(tuple(values.tolist()), float(values.mean()), low, high)


def mean_of_drawn_seeds(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Draw seeds with replacement in each resample, and average the values of their trainings.

    S - 1 of S seeds are drawn, so that the variance of the mean is s^2 / S, where s is the standard deviation over the
    seeds with S - 1 in the denominator. S draws would give (S - 1) / S of it, a third too little for three seeds. The
    value of a single training is returned unchanged.

    Args:
        values: (R, S), for S trainings on R resamples of patients.
        generator: Generator of the random numbers.

    Returns:
        (R,), the means.

    Source: Rao and Wu 1988, Journal of the American Statistical Association 83(401), for n - 1 draws; Owen 2007, Annals
    of Applied Statistics 1(2), for independent draws of rows and columns, which tend to give wider intervals.
    """
    num_resamples, num_seeds = values.shape
    drawn = generator.integers(num_seeds, size=(num_resamples, max(num_seeds - 1, 1)))
    return np.take_along_axis(values, drawn, axis=1).mean(1)


@dataclass(frozen=True)
class Difference:
    """The difference in quadratic weighted kappa between two sets of predictions for the same patients.

    Args:
        value: Second minus first kappa, each of which is the mean over its seeds.
        low: Lower limit of the 95 % interval over resampled patients and seeds.
        high: Upper limit of the interval.
        probability_of_no_gain: Share of the resamples in which the second kappa is not higher than the first.
    """

    value: float
    low: float
    high: float
    probability_of_no_gain: float


def paired_difference(
    reference: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: ArrayLike,
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> Difference:
    """Difference in quadratic weighted kappa, paired over patients, with both patients and seeds resampled.

    Let k(y, w) be the kappa of grades y in which patient p counts w_p times, a the S trainings of the first side and b
    the T trainings of the second side:

        difference  D   = mean_b k(b, 1) - mean_a k(a, 1)
        resample r  D_r = mean_j k(b_rj, w_r) - mean_i k(a_ri, w_r)

    w_r are as many patients as there are, drawn with replacement. They are the same for both sides and all trainings,
    so that the difficulty of a patient cancels. a_ri and b_rj are the seeds of each side, drawn independently by
    `mean_of_drawn_seeds`. For a side of one training the interval lacks the variation between seeds. The interval is
    the middle 95 % of D_r.

    Args:
        reference: (N,) grades 0-4.
        first: (N,) predicted grades of the first side, or (S, N) of its S seeds.
        second: (N,) predicted grades of the second side, or (T, N) of its T seeds.
        patients: (N,) key of each photograph's patient.
        num_resamples: Number of resamples of patients and seeds.
        seed: Random seed of the resampling.
    """
    before, after = np.atleast_2d(np.asarray(first)), np.atleast_2d(np.asarray(second))
    all_predicted = np.concatenate([before, after])  # (S + T, N)
    kappas = quadratic_weighted_kappa(confusion(reference, all_predicted))
    value = kappas[len(before) :].mean() - kappas[: len(before)].mean()
    resampled = quadratic_weighted_kappa(
        PatientBootstrap.of(reference, all_predicted, patients).resample(num_resamples, seed)
    )
    generator = np.random.default_rng([seed, SEEDS_STREAM])
    lower, upper = (mean_of_drawn_seeds(part, generator) for part in np.split(resampled, [len(before)], axis=1))
    gains = upper - lower
    low, high = interval(gains)
    return Difference(float(value), low, high, probability_of_no_gain=float((gains <= 0).mean()))
