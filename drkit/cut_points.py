"""Cut points from score to grade, fitted for the highest quadratic weighted kappa."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.grades import NUM_GRADES
from drkit.metrics import check_scale
from drkit.resampling import draw_bags

CutPoints = tuple[float, float, float, float]

ROUNDING: CutPoints = (0.5, 1.5, 2.5, 3.5)
EXACT_UP_TO = 200_000  # photographs, up to which sums below 512 N^3 fit into int64
MAX_BAGS = 20
ENOUGH_PHOTOGRAPHS = 20_000  # for steady cut points, in all bags together
GRADES = np.arange(NUM_GRADES)
SQUARES = (GRADES[:, None] - GRADES) ** 2  # (5, 5), disagreement of two grades


def fit_cut_points(score: ArrayLike, reference: ArrayLike) -> CutPoints:
    """Fit the ascending thresholds with the highest quadratic weighted kappa, as a global optimum.

    Kappa is 1 - O / E, and for given reference grades both O and E are sums over photographs of terms that depend only
    on the predicted grade. Therefore Dinkelbach's iteration replaces the ratio by a few sums, each of which is
    minimised by dynamic programming over the sorted scores, in O(N log N) time.

    Args:
        score: (N,) finite, any range; equal scores get equal grades.
        reference: (N,) grades 0-4.

    Returns:
        Four thresholds, for `decide("cut_points", ...)`. Each is midway between two neighbouring scores; beyond the
        lowest or highest score it is as near to rounding as the data allow. If several solutions have the same kappa,
        the grades of `decide` still depend only on the order of the scores. The result is rounding (0.5, 1.5, 2.5, 3.5)
        if no thresholds are better than one grade for all: without photographs, with one score or one reference grade,
        or if the scores decrease with the grades.

    Raises:
        ValueError: a score is not finite, a grade is off the scale, or the lengths differ.

    Source: Dinkelbach 1967, Management Science 13(7) (ratios); Cohen 1968 (kappa).
    """
    scores, grades = _check(score, reference)
    values, group = np.unique(scores, return_inverse=True)  # (U,) ascending
    counts = np.bincount(group * NUM_GRADES + grades, minlength=len(values) * NUM_GRADES).reshape(
        len(values), NUM_GRADES
    )
    positions = _best_partition(counts)
    return ROUNDING if positions is None else _thresholds(values, positions)


def fit_steady_cut_points(score: ArrayLike, reference: ArrayLike, patients: NDArray, seed: int) -> CutPoints:
    """Fit cut points to bootstrap samples of patients, and return their mean.

    With a few hundred patients, the mean generalises better to other patients than the cut points with the highest
    kappa. With many photographs the cut points are steady, so that fewer samples suffice.

    Args:
        score: (N,) finite, of rows that were held out.
        reference: (N,) grades 0-4.
        patients: (N,) key of each row's patient.
        seed: Random seed of the samples.

    Raises:
        ValueError: an error of `fit_cut_points`.

    Source: Breiman 1996, Machine Learning 24(2), Bagging predictors.
    """
    scores, grades = _check(score, reference)
    num_bags = min(MAX_BAGS, ENOUGH_PHOTOGRAPHS // max(len(scores), 1))
    if num_bags < 2:
        return fit_cut_points(scores, grades)
    fits = [fit_cut_points(scores[rows], grades[rows]) for rows in draw_bags(patients, num_bags, seed)]
    first, second, third, fourth = np.mean(fits, axis=0).tolist()
    return first, second, third, fourth


def shrink_to_rounding(cut_points: CutPoints, weight: float) -> CutPoints:
    """Shrink cut points towards rounding by a weight in [0, 1]; 0 leaves them unchanged, 1 gives rounding."""
    first, second, third, fourth = (
        (1 - weight) * fitted + weight * plain for fitted, plain in zip(cut_points, ROUNDING, strict=True)
    )
    return first, second, third, fourth


def fit_without_each(fold: ArrayLike, fit: Callable[[NDArray[np.bool_]], CutPoints]) -> dict[int, CutPoints]:
    """Fit cut points for each fold to the rows of the other folds; return them by the fold's number.

    Args:
        fold: (N,) number of each row's fold; a patient's rows must be in one fold.
        fit: Function that fits cut points to the rows for which its argument (N,) is true.
    """
    folds = np.asarray(fold)
    return {int(number): fit(folds != number) for number in np.unique(folds)}


def _check(score: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    scores, grades = np.asarray(score, dtype=np.float64), check_scale(reference)
    if scores.shape != grades.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and reference grades {grades.shape}: expected the same number of each")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite")
    return scores, grades


def _best_partition(counts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The best positions at which to cut the ascending scores.

    Args:
        counts: (U, 5), number of photographs with each score and reference grade.

    Returns:
        (4,) ascending positions 0 to U, of which position g - 1 is the start of grade g. None if no kappa is above 0.
    """
    dtype = np.int64 if counts.sum() <= EXACT_UP_TO else np.float64
    observed = (counts @ SQUARES).astype(dtype)  # (U, 5) by predicted grade
    expected = (counts.sum(1)[:, None] * (counts.sum(0) @ SQUARES)).astype(dtype)  # the same, times N
    best, ratio = None, (1, int(counts.sum()))  # as for one grade for all, whose disagreement is as expected
    while True:
        positions = _cheapest_partition(observed * ratio[1] - expected * ratio[0])
        new_ratio = _ratio(observed, expected, positions)
        if new_ratio[0] * ratio[1] >= ratio[0] * new_ratio[1]:
            return best
        best, ratio = positions, new_ratio


def _cheapest_partition(costs: NDArray) -> NDArray[np.int64]:
    """The ascending positions (4,) with the lowest sum of costs (U, 5); the first ones if several are equal.

    Let c[g, j] be the cost of grade g for all scores before position j. The lowest cost of grades 0 to g before j is
    c[g, j] + min over i <= j of (the lowest cost of grades 0 to g - 1 before i) - c[g, i].
    """
    sums = np.vstack([np.zeros(NUM_GRADES, costs.dtype), np.cumsum(costs, axis=0)]).T  # (5, U + 1)
    cheapest, starts = sums[0], []
    for sum_of_grade in sums[1:]:
        candidates = cheapest - sum_of_grade
        lowest = np.minimum.accumulate(candidates)
        is_lower = np.concatenate([[True], lowest[1:] < lowest[:-1]])
        starts.append(np.maximum.accumulate(np.where(is_lower, np.arange(len(lowest)), 0)))  # the first minimum
        cheapest = lowest + sum_of_grade
    positions, end = [], len(costs)
    for start in reversed(starts):
        end = int(start[end])
        positions.append(end)
    return np.array(positions[::-1])


def _ratio(observed: NDArray, expected: NDArray, positions: NDArray) -> tuple[int, int]:
    """The sums of observed and expected costs (U, 5) for the grades at the positions."""
    rows = np.arange(len(observed))
    grades = np.searchsorted(positions, rows, side="right")
    return int(observed[rows, grades].sum()), int(expected[rows, grades].sum())


def _thresholds(values: NDArray[np.float64], positions: NDArray[np.int64]) -> CutPoints:
    """Thresholds that separate the ascending scores (U,) at the positions."""
    low = np.concatenate([[-np.inf], values])[positions]
    high = np.concatenate([values, [np.inf]])[positions]
    middle = low / 2 + high / 2
    between = np.where(low < middle, middle, high)  # neighbouring floats have no middle
    near_rounding = np.clip(ROUNDING, np.nextafter(low, np.inf), high)
    first, second, third, fourth = np.where(np.isinf(low) | np.isinf(high), near_rounding, between).tolist()
    return first, second, third, fourth
