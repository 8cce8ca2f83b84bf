"""Agreement of predicted with reference grades, on counts, with intervals over resampled patients."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.grades import NUM_GRADES, REFERABLE_FROM

Counts = NDArray[np.int64]
FloatArray = NDArray[np.float64]

CELLS_A_CHUNK = 4_000_000  # numbers drawn at once: 32 MB, whatever the number of patients
SEEDS_STREAM = 0x5EED  # of the random numbers that draw seeds, apart from those that draw patients
BANDS = (
    (0.20, "slight"),
    (0.40, "fair"),
    (0.60, "moderate"),
    (0.80, "substantial"),
    (1.00, "almost perfect"),
)


def confusion(reference: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> Counts:
    """Count every pair of reference and predicted grade.

    Args:
        reference: Grades 0-4, shape (..., N) or one that broadcasts with `predicted`.
        predicted: Grades 0-4, shape (..., N).
        weights: How often each photograph counts, whole numbers, broadcast likewise; once each by default.

    Returns:
        (..., 5, 5): rows the reference grade, columns the predicted one.

    Raises:
        ValueError: a grade off the scale 0-4.
    """
    times = 1 if weights is None else weights
    left, right, counts = np.broadcast_arrays(_on_scale(reference), _on_scale(predicted), np.asarray(times))
    leading = left.shape[:-1]
    num_tables = int(np.prod(leading, dtype=np.int64))
    table = np.arange(num_tables).reshape(*leading, 1)
    codes = (table * NUM_GRADES + left) * NUM_GRADES + right
    binned = np.bincount(codes.ravel(), counts.ravel(), minlength=num_tables * NUM_GRADES**2)
    return np.rint(binned).astype(np.int64).reshape(*leading, NUM_GRADES, NUM_GRADES)


def quadratic_weighted_kappa(confusion: ArrayLike) -> FloatArray:
    """Cohen's kappa where being k grades apart disagrees k squared times.

    Args:
        confusion: (..., K, K), rows the reference grade.

    Returns:
        (...) in [-1, 1]; 0 where nothing was expected to disagree (see `is_degenerate`), never NaN.

    Source: Cohen 1968, Psychological Bulletin 70(4), eq. 5, weights (i - j)^2.
    """
    table = np.asarray(confusion)
    grades = np.arange(table.shape[-1])
    return _kappa(table, (grades[:, None] - grades) ** 2)


def plain_kappa(confusion: ArrayLike) -> FloatArray:
    """Cohen's kappa where all disagreements are the same: the one the course's text explains.

    Args:
        confusion: (..., K, K), rows the reference grade.

    Returns:
        (...) in [-1, 1]; 0 where nothing was expected to disagree (see `is_degenerate`), never NaN.

    Source: Cohen 1960, Educational and Psychological Measurement 20(1), eq. 1.
    """
    table = np.asarray(confusion)
    return _kappa(table, 1 - np.eye(table.shape[-1], dtype=np.int64))


def is_degenerate(confusion: ArrayLike) -> NDArray[np.bool_]:
    """Whether no disagreement was to be expected: no photographs, or one single grade on both sides.

    Args:
        confusion: (..., K, K).

    Returns:
        (...); True where both kappas are 0 by convention and not by measurement.
    """
    table = np.asarray(confusion)
    return _expected(table, 1 - np.eye(table.shape[-1], dtype=np.int64)) == 0


def accuracy(confusion: ArrayLike) -> FloatArray:
    """Share of photographs with the very grade, (...) in [0, 1]; NaN without photographs."""
    table = np.asarray(confusion)
    return _share(np.trace(table, axis1=-2, axis2=-1), table.sum((-2, -1)))


def recalls(confusion: ArrayLike) -> FloatArray:
    """Share of each reference grade that was found, (..., K) in [0, 1]; NaN where a grade is absent."""
    table = np.asarray(confusion)
    return _share(np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1))


def referable_sensitivity(confusion: ArrayLike) -> FloatArray:
    """Share of the referable (grade 2 and worse) that was graded 2 or worse; NaN where none is referable."""
    referable = np.asarray(confusion)[..., REFERABLE_FROM:, :]
    return _share(referable[..., REFERABLE_FROM:].sum((-2, -1)), referable.sum((-2, -1)))


def referable_specificity(confusion: ArrayLike) -> FloatArray:
    """Share of the non-referable that was graded 0 or 1; NaN where all are referable."""
    others = np.asarray(confusion)[..., :REFERABLE_FROM, :]
    return _share(others[..., :REFERABLE_FROM].sum((-2, -1)), others.sum((-2, -1)))


def band(kappa: float) -> str:
    """The name of a plain kappa's size, upper bounds included: poor, slight, fair, ... almost perfect.

    Source: Landis and Koch 1977, Biometrics 33(1), p. 165; the course uses the same names.
    """
    if kappa < 0:
        return "poor"
    return next((name for highest, name in BANDS if kappa <= highest), BANDS[-1][1])


@dataclass(frozen=True)
class PatientBootstrap:
    """Confusions of patients drawn with replacement: one for all metrics, so that they share the draws.

    Patients with the same counts are exchangeable, so that not patients but kinds of patients are drawn, from
    a multinomial: the same distribution, hundreds of times fewer numbers, and an answer that depends neither
    on the order of the rows nor on what the patients are called.

    Args:
        kinds: (U, M, 5, 5): the different tables of one patient, for M predictions of the same photographs.
        num_patients: (U,): how many patients have each.
    """

    kinds: Counts
    num_patients: Counts

    @classmethod
    def of(cls, reference: ArrayLike, predicted: ArrayLike, patients: ArrayLike) -> "PatientBootstrap":
        """Count each patient's photographs.

        Args:
            reference: (N,) grades 0-4.
            predicted: (N,) grades 0-4, or (M, N) of M predictions.
            patients: (N,) whose photograph it is.
        """
        _, patient = np.unique(np.asarray(patients), return_inverse=True)
        tables = count_by_patient(reference, np.atleast_2d(predicted), patient)
        kinds, num_patients = np.unique(tables.reshape(len(tables), -1), axis=0, return_counts=True)
        return cls(kinds.reshape(-1, *tables.shape[1:]), num_patients)

    def resample(self, num_resamples: int = 2000, seed: int = 0) -> Counts:
        """Draw as many patients as there are, again and again.

        Returns:
            (R, M, 5, 5); resample r holds the same patients for all M predictions.
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
    """Confusion counts of each patient.

    Args:
        reference: (N,) grades 0-4.
        predicted: (M, N) grades 0-4.
        patient: (N,) index of the patient, 0 to P-1.

    Returns:
        (P, M, 5, 5).
    """
    index = np.asarray(patient)
    pairs = _on_scale(reference) * NUM_GRADES + _on_scale(predicted)  # (M, N)
    num_patients, num_cells = int(index.max()) + 1, NUM_GRADES**2
    codes = (index * len(pairs) + np.arange(len(pairs))[:, None]) * num_cells + pairs
    counts = np.bincount(codes.ravel(), minlength=num_patients * len(pairs) * num_cells)
    return counts.reshape(num_patients, len(pairs), NUM_GRADES, NUM_GRADES)


def interval(samples: ArrayLike) -> tuple[float, float]:
    """The middle 95 % of resampled figures (R,): the percentile bootstrap's interval.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    low, high = np.percentile(np.asarray(samples), (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True)
class SeedMean:
    """A kappa averaged over trainings with several seeds.

    Args:
        values: (S,) of each training alone.
        value: Their mean.
        low: Lower end of the 95 % interval over resampled patients and seeds; of one training, over patients alone.
        high: Upper end.
    """

    values: tuple[float, ...]
    value: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds, with one less in the denominator; NaN of a single one."""
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
    """The mean kappa of trainings that differ in their seed alone, with an interval over patients and seeds.

    In each resample patients are drawn as in `PatientBootstrap`, the same for all trainings, and seeds as in
    `mean_of_drawn_seeds`.

    Args:
        reference: (N,) grades 0-4.
        predicted: (S, N) grades 0-4 of S trainings.
        patients: (N,) whose photograph it is.
        kappa: `quadratic_weighted_kappa` or `plain_kappa`.
        num_resamples: How often patients and seeds are drawn.
        seed: Of the draws.
    """
    values = kappa(confusion(reference, predicted))
    resampled = kappa(PatientBootstrap.of(reference, predicted, patients).resample(num_resamples, seed))
    low, high = interval(mean_of_drawn_seeds(resampled, np.random.default_rng([seed, SEEDS_STREAM])))
    return SeedMean(tuple(values.tolist()), float(values.mean()), low, high)


def mean_of_drawn_seeds(figures: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Draw seeds with replacement, anew in each resample, and average what their trainings came to.

    Of S seeds S - 1 are drawn, so that the variance of the mean drawn is s^2 / S, with s the standard deviation over
    the seeds with S - 1 in the denominator; S draws would give (S - 1) / S of that, a third too little for three seeds.
    A single training is taken as it is.

    Args:
        figures: (R, S) of S trainings on R resamples of patients.
        generator: Of the draws.

    Returns:
        (R,).

    Source: Rao and Wu 1988, Journal of the American Statistical Association 83(401), for n - 1 draws; Owen 2007, Annals
    of Applied Statistics 1(2), for drawing rows and columns each for itself, which errs to the wide side.
    """
    num_resamples, num_seeds = figures.shape
    drawn = generator.integers(num_seeds, size=(num_resamples, max(num_seeds - 1, 1)))
    return np.take_along_axis(figures, drawn, axis=1).mean(1)


@dataclass(frozen=True)
class Difference:
    """How much more one way to predict agrees than another, on the same patients.

    Args:
        value: Second minus first quadratic weighted kappa, each the mean of its seeds' own.
        low: Lower end of the 95 % interval over resampled patients, and over the seeds of a side with several.
        high: Upper end.
        probability_of_no_gain: Share of the resamples in which the second is not better than the first.
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

    With k(y, w) the kappa of grades y where patient p counts w_p times, a of S trainings of the first way and b of T of
    the second:

        difference  D   = mean_b k(b, 1) - mean_a k(a, 1)
        resample r  D_r = mean_j k(b_rj, w_r) - mean_i k(a_ri, w_r)

    w_r: as many patients as there are, drawn with replacement, the same for both ways and all trainings, so that what
    is hard for both cancels. a_ri and b_rj: each way's seeds, drawn for itself by `mean_of_drawn_seeds`. A way of one
    training has no seeds to draw: how it would fall out with another is then not in the interval. The interval is the
    middle 95 % of D_r.

    Args:
        reference: (N,) grades 0-4.
        first: (N,) predicted grades that are compared against, or (S, N) of trainings with S seeds.
        second: (N,) predicted grades that should be better, or (T, N) of T seeds.
        patients: (N,) whose photograph it is.
        num_resamples: How often patients and seeds are drawn.
        seed: Of the draws.
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
    return Difference(float(value), low, high, float((gains <= 0).mean()))


def _on_scale(grades: ArrayLike) -> Counts:
    """Grades as integers.

    Raises:
        ValueError: one is off the scale.
    """
    whole = np.asarray(grades).astype(np.int64)
    if whole.size and (whole.min() < 0 or whole.max() >= NUM_GRADES):
        raise ValueError(f"grades {whole.min()} to {whole.max()} are off the scale 0-{NUM_GRADES - 1}")
    return whole


def _kappa(table: NDArray, disagreement: Counts) -> FloatArray:
    """1 - observed / expected disagreement, in whole numbers until the one division."""
    observed = (table * disagreement).sum((-2, -1)) * table.sum((-2, -1))
    expected = _expected(table, disagreement)
    ratio = np.divide(observed, expected, out=np.ones(expected.shape), where=expected != 0)
    return 1 - ratio


def _expected(table: NDArray, disagreement: Counts) -> NDArray:
    """Disagreement of independent graders with the same margins, times the squared number of photographs."""
    return np.einsum("...i,ij,...j->...", table.sum(-1), disagreement, table.sum(-2))


def _share(part: NDArray, whole: NDArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) != 0)
