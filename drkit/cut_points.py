"""Cut points from score to grade, fitted to agree best, and never used on the rows they were fitted on."""

from collections.abc import Callable
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.resampling import draw_bags

CutPoints = tuple[float, float, float, float]

ROUNDING: CutPoints = (0.5, 1.5, 2.5, 3.5)
EXACT_UP_TO = 200_000  # photographs; sums stay below 512 N^3, which int64 holds up to here
MAX_BAGS = 20
ENOUGH_PHOTOGRAPHS = 20_000  # for cut points to be steady; in all bags together, where there are fewer
GRADES = np.arange(NUM_GRADES)
SQUARES = (GRADES[:, None] - GRADES) ** 2  # (5, 5) disagreement of two grades


def fit_cut_points(score: ArrayLike, reference: ArrayLike) -> CutPoints:
    """The rising thresholds with the highest quadratic weighted kappa of all, not merely of those near a start.

    Kappa is 1 - O / E, and with the reference grades given, both O and E are sums over photographs of what
    depends on the predicted grade alone. Dinkelbach's iteration therefore turns the ratio into a few sums, each
    of which dynamic programming over the sorted scores minimises at once, in time that grows with N log N.

    Args:
        score: (N,) finite, any range; equal scores get equal grades.
        reference: (N,) grades 0-4.

    Returns:
        Four thresholds; a score that has reached one counts, as in `decide("cut_points", ...)`. Each lies midway
        between two neighbouring scores; beyond the lowest or highest score it is as near to rounding as the data
        allow. Where several choices agree equally well, the grades of `decide` are still a function of the order
        of the scores alone. Rounding (0.5, 1.5, 2.5, 3.5) where nothing is gained over one grade for all: no
        photographs, one score, one reference grade, or scores that fall as the grades rise.

    Raises:
        ValueError: a score that is not finite, a grade off the scale, or lengths that differ.

    Source: Dinkelbach 1967, Management Science 13(7), on ratios; kappa as in Cohen 1968.
    """
    scores, grades = _check(score, reference)
    values, group = np.unique(scores, return_inverse=True)  # (U,) rising
    counts = np.bincount(group * NUM_GRADES + grades, minlength=len(values) * NUM_GRADES).reshape(-1, NUM_GRADES)
    positions = _best_partition(counts)
    return ROUNDING if positions is None else _thresholds(values, positions)


def fit_steady_cut_points(score: ArrayLike, reference: ArrayLike, patients: NDArray, seed: int) -> CutPoints:
    """Mean cut points over patients drawn with replacement.

    Those that agree best with some hundreds of patients agree worse with others than their mean over bags does.
    Where there are many photographs they are steady by themselves, and fewer bags do.

    Args:
        score: (N,) finite, of rows that were held out.
        reference: (N,) grades 0-4.
        patients: (N,) whose row it is.
        seed: Of the draws.

    Raises:
        ValueError: as `fit_cut_points`.

    Source: Breiman 1996, Machine Learning 24(2), Bagging predictors.
    """
    scores, grades = _check(score, reference)
    num_bags = min(MAX_BAGS, ENOUGH_PHOTOGRAPHS // max(len(scores), 1))
    if num_bags < 2 or not len(scores):
        return fit_cut_points(scores, grades)
    found = [fit_cut_points(scores[rows], grades[rows]) for rows in draw_bags(patients, num_bags, seed)]
    first, second, third, fourth = np.mean(found, axis=0).tolist()
    return first, second, third, fourth


def shrink_to_rounding(cut_points: CutPoints, weight: float) -> CutPoints:
    """Cut points drawn towards rounding by a weight in [0, 1]: 0 leaves them, 1 gives rounding."""
    first, second, third, fourth = (
        (1 - weight) * fitted + weight * plain for fitted, plain in zip(cut_points, ROUNDING, strict=True)
    )
    return first, second, third, fourth


def fit_without_each(fold: ArrayLike, fit: Callable[[NDArray[np.bool_]], CutPoints]) -> dict[int, CutPoints]:
    """For each fold the cut points that were fitted on the other folds' rows, by the fold's number.

    Args:
        fold: (N,) to which fold a row belongs; no patient may stand in two of them.
        fit: Fits cut points to the rows where its argument, (N,), is true.
    """
    folds = np.asarray(fold)
    return {int(number): fit(folds != number) for number in np.unique(folds)}


def _check(score: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    scores, grades = np.asarray(score, dtype=np.float64), np.asarray(reference).astype(np.int64)
    if scores.shape != grades.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and reference grades {grades.shape} do not belong together")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite")
    if grades.size and (grades.min() < 0 or grades.max() > MAX_GRADE):
        raise ValueError(f"grades {grades.min()} to {grades.max()} are off the scale 0-{MAX_GRADE}")
    return scores, grades


def _best_partition(counts: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Where to cut the rising scores.

    Args:
        counts: (U, 5) photographs of each score with each reference grade.

    Returns:
        (4,) rising positions 0 to U: grade g starts at the position numbered g - 1. None where no kappa is above 0.
    """
    dtype = np.int64 if counts.sum() <= EXACT_UP_TO else np.float64
    observed = (counts @ SQUARES).astype(dtype)  # (U, 5) by predicted grade
    expected = (counts.sum(1)[:, None] * (counts.sum(0) @ SQUARES)).astype(dtype)  # the same, times N
    best, ratio = None, (1, max(int(counts.sum()), 1))  # one grade for all: as much disagreement as expected
    while True:
        positions = _cheapest_partition(observed * ratio[1] - expected * ratio[0])
        found = _ratio(observed, expected, positions)
        if found[0] * ratio[1] >= ratio[0] * found[1]:
            return best
        best, ratio = positions, found


def _cheapest_partition(costs: NDArray) -> NDArray[np.int64]:
    """The rising positions (4,) whose summed costs (U, 5) are lowest; among equal ones the first.

    With c[g, j] the cost of giving grade g to all before position j, the cheapest way to have given grades 0 to g
    before j is c[g, j] + min over i <= j of (the cheapest for g - 1 before i) - c[g, i].
    """
    sums = np.vstack([np.zeros(NUM_GRADES, costs.dtype), np.cumsum(costs, axis=0)]).T  # (5, U + 1)
    cheapest, starts = sums[0], []
    for sum_of_grade in sums[1:]:
        candidates = cheapest - sum_of_grade
        lowest = np.minimum.accumulate(candidates)
        is_lower = np.concatenate([[True], lowest[1:] < lowest[:-1]])
        starts.append(np.maximum.accumulate(np.where(is_lower, np.arange(len(lowest)), 0)))  # first that is lowest
        cheapest = lowest + sum_of_grade
    positions, end = [], len(costs)
    for start in reversed(starts):
        end = int(start[end])
        positions.append(end)
    return np.array(positions[::-1])


def _ratio(observed: NDArray, expected: NDArray, positions: NDArray) -> tuple[int, int]:
    """The summed costs (U, 5) of both kinds at the positions' grades, as a reduced fraction: O / E over N."""
    rows = np.arange(len(observed))
    grades = np.searchsorted(positions, rows, side="right")
    over, under = int(observed[rows, grades].sum()), int(expected[rows, grades].sum())
    divisor = gcd(over, under) or 1
    return over // divisor, under // divisor


def _thresholds(values: NDArray[np.float64], positions: NDArray[np.int64]) -> CutPoints:
    """Thresholds that part the rising scores (U,) at the positions."""
    low = np.concatenate([[-np.inf], values])[positions]
    high = np.concatenate([values, [np.inf]])[positions]
    middle = low / 2 + high / 2
    between = np.where((low < middle) & (middle <= high), middle, high)  # no number lies between neighbours
    near_rounding = np.clip(ROUNDING, np.nextafter(low, np.inf), high)
    first, second, third, fourth = np.where(np.isinf(low) | np.isinf(high), near_rounding, between).tolist()
    return first, second, third, fourth
