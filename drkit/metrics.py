"""Agreement of predicted with reference grades, computed from counts."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.grades import NUM_GRADES, REFERABLE_FROM

Counts = NDArray[np.int64]
FloatArray = NDArray[np.float64]

BANDS = ((0.20, "slight"), (0.40, "fair"), (0.60, "moderate"), (0.80, "substantial"))


def confusion(reference: ArrayLike, predicted: ArrayLike, weights: ArrayLike | None = None) -> Counts:
    """Count every pair of reference and predicted grade.

    Args:
        reference: Grades 0-4, shape (..., N) or a shape that broadcasts with `predicted`.
        predicted: Grades 0-4, shape (..., N).
        weights: How often each photograph counts, whole numbers with a shape that broadcasts; 1 by default.

    Returns:
        (..., 5, 5): rows for the reference grade, columns for the predicted grade.

    Raises:
        ValueError: a grade is off the scale 0-4.
    """
    times = 1 if weights is None else weights
    left, right, counts = np.broadcast_arrays(check_scale(reference), check_scale(predicted), np.asarray(times))
    leading = left.shape[:-1]
    num_tables = int(np.prod(leading, dtype=np.int64))
    table = np.arange(num_tables).reshape(*leading, 1)
    codes = (table * NUM_GRADES + left) * NUM_GRADES + right
    binned = np.bincount(codes.ravel(), counts.ravel(), minlength=num_tables * NUM_GRADES**2)
    return np.rint(binned).astype(np.int64).reshape(*leading, NUM_GRADES, NUM_GRADES)


def quadratic_weighted_kappa(confusion: ArrayLike) -> FloatArray:
    """Cohen's kappa in which a difference of k grades has the weight k squared.

    Args:
        confusion: (..., K, K), rows for the reference grade.

    Returns:
        (...) in [-1, 1]; 0 instead of NaN if the expected disagreement is 0 (see `is_degenerate`).

    Source: Cohen 1968, Psychological Bulletin 70(4), eq. 5, weights (i - j)^2.
    """
    table = np.asarray(confusion)
    grades = np.arange(table.shape[-1])
    return _kappa(table, (grades[:, None] - grades) ** 2)


def plain_kappa(confusion: ArrayLike) -> FloatArray:
    """Cohen's kappa in which all disagreements have the same weight, as the course's text explains it.

    Args:
        confusion: (..., K, K), rows for the reference grade.

    Returns:
        (...) in [-1, 1]; 0 instead of NaN if the expected disagreement is 0 (see `is_degenerate`).

    Source: Cohen 1960, Educational and Psychological Measurement 20(1), eq. 1.
    """
    table = np.asarray(confusion)
    return _kappa(table, 1 - np.eye(table.shape[-1], dtype=np.int64))


def is_degenerate(confusion: ArrayLike) -> NDArray[np.bool_]:
    """Whether the expected disagreement is 0: there are no photographs, or all grades are the same.

    Args:
        confusion: (..., K, K).

    Returns:
        (...); True if both kappas are 0 by convention, and not by measurement.
    """
    table = np.asarray(confusion)
    return _expected(table, 1 - np.eye(table.shape[-1], dtype=np.int64)) == 0


def accuracy(confusion: ArrayLike) -> FloatArray:
    """Share (...) of photographs whose predicted grade is the reference grade, in [0, 1]; NaN without photographs."""
    table = np.asarray(confusion)
    return _share(np.trace(table, axis1=-2, axis2=-1), table.sum((-2, -1)))


def recalls(confusion: ArrayLike) -> FloatArray:
    """Recall (..., K) of each grade, in [0, 1]; NaN for a grade without photographs."""
    table = np.asarray(confusion)
    return _share(np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1))


def referable_sensitivity(confusion: ArrayLike) -> FloatArray:
    """Share of the referable photographs (grade 2 and worse) that are predicted as referable; NaN without any."""
    referable = np.asarray(confusion)[..., REFERABLE_FROM:, :]
    return _share(referable[..., REFERABLE_FROM:].sum((-2, -1)), referable.sum((-2, -1)))


def referable_specificity(confusion: ArrayLike) -> FloatArray:
    """Share of the other photographs (grades 0 and 1) that are predicted as such; NaN without any."""
    others = np.asarray(confusion)[..., :REFERABLE_FROM, :]
    return _share(others[..., :REFERABLE_FROM].sum((-2, -1)), others.sum((-2, -1)))


def band(kappa: float) -> str:
    """The word for a plain kappa of this size, with upper bounds included: poor, slight, fair, ... almost perfect.

    Source: Landis and Koch 1977, Biometrics 33(1), p. 165; the course uses the same names.
    """
    if kappa < 0:
        return "poor"
    return next((name for highest, name in BANDS if kappa <= highest), "almost perfect")


def check_scale(grades: ArrayLike) -> Counts:
    """Convert grades to integers, and check that they are on the scale 0-4.

    Raises:
        ValueError: a grade is off the scale.
    """
    integers = np.asarray(grades).astype(np.int64)
    if integers.size and (integers.min() < 0 or integers.max() >= NUM_GRADES):
        raise ValueError(f"grades {integers.min()} to {integers.max()} are off the scale 0-{NUM_GRADES - 1}")
    return integers


def _kappa(table: NDArray, disagreement: Counts) -> FloatArray:
    """1 - observed / expected disagreement, computed with integers up to the division."""
    observed = (table * disagreement).sum((-2, -1)) * table.sum((-2, -1))
    expected = _expected(table, disagreement)
    ratio = np.divide(observed, expected, out=np.ones(expected.shape), where=expected != 0)
    return 1 - ratio


def _expected(table: NDArray, disagreement: Counts) -> NDArray:
    """Disagreement of independent graders with the same margins, multiplied by the squared number of photographs."""
    return np.einsum("...i,ij,...j->...", table.sum(-1), disagreement, table.sum(-2))


def _share(part: NDArray, whole: NDArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) != 0)
