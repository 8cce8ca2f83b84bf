"""Weights that agree best: searches on sums over photographs, without building a confusion table."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drkit.grades import MAX_GRADE

FloatArray = NDArray[np.floating]

EDGES: FloatArray = np.arange(MAX_GRADE, dtype=np.float64) + 0.5  # between the grades that a score is rounded to
MAX_SWEEPS = 20
LEAST_GAIN = 1e-12
EXACT_UP_TO = 500_000  # photographs; whole sums stay below 2**24, which float32 holds up to here
CELLS_AT_ONCE = 1_000_000  # photographs times members times bags: 8 MB


@dataclass(frozen=True)
class KappaSums:
    """What the quadratic kappa of any prediction needs of the reference grades.

    Args:
        reference: (n,) grades 0-4.
        weights: (n,) how often each photograph counts.
    """

    reference: FloatArray
    weights: FloatArray

    @cached_property
    def moments(self) -> tuple[float, float, float]:
        """R_0, R_1 and R_2."""
        weighted = self.weights * self.reference
        return float(self.weights.sum()), float(weighted.sum()), float(weighted @ self.reference)

    @cached_property
    def weighted(self) -> FloatArray:
        """(2, n) weights, and weights times reference."""
        return np.stack([self.weights, self.weights * self.reference])

    def kappa(self, predicted: FloatArray) -> FloatArray:
        """Quadratic weighted kappa of M predictions, (M,), of grades (n, M).

        With P_k the sum of w times predicted^k, R_k that of the reference and C that of their product, the observed
        disagreement is P_2 - 2 C + R_2 and the expected one (R_0 P_2 - 2 R_1 P_1 + R_2 P_0) / R_0. Sums of whole
        numbers are exact, so that this equals `metrics.quadratic_weighted_kappa` of the counts.
        """
        first, products = (self.weighted @ predicted).astype(np.float64)  # (M,), (M,)
        second = (self.weights @ (predicted * predicted)).astype(np.float64)
        return self.ratio(first, second, products)

    def ratio(self, first: FloatArray, second: FloatArray, products: FloatArray) -> FloatArray:
        """Kappa from P_1, P_2 and C; 0 where no disagreement is expected."""
        total, mean, square = self.moments
        observed = (second - 2 * products + square) * total
        expected = total * second - 2 * mean * first + square * total
        return 1 - np.divide(observed, expected, out=np.ones_like(expected), where=expected > 0)


def round_grades(score: FloatArray) -> FloatArray:
    """The nearest grade, half up, as `decide("rounding", ...)` but as floats."""
    nearest = score + 0.5
    np.floor(nearest, out=nearest)
    return np.clip(nearest, 0, MAX_GRADE, out=nearest)


def search_simplex(scores: FloatArray, reference: NDArray[np.int64]) -> FloatArray:
    """Weights that are not negative and sum to one, whose rounded weighted score agrees best.

    From equal weights (from the best single member, where that agrees better than what is reached), the weight of one
    member after the other is moved to where kappa is highest on the whole line between none and all, found exactly,
    until no move gains anything.

    Args:
        scores: (n, M).
        reference: (n,) grades 0-4.

    Returns:
        (M,); equal weights where nothing is better.
    """
    count = scores.shape[1]
    sums = KappaSums(reference.astype(np.float64), np.ones(len(scores)))
    best = _climb(scores, np.full(count, 1 / count), sums)
    alone = sums.kappa(round_grades(scores))
    if alone.max() > _kappa_of(scores, best, sums):
        best = _climb(scores, np.eye(count)[int(alone.argmax())], sums)
    return best


def select_greedily(
    scores: FloatArray, reference: NDArray[np.int64], weights: NDArray[np.int64], *, steps: int
) -> NDArray[np.int64]:
    """Add, with replacement, whichever member makes the rounded mean score agree best, in several bags at once.

    Args:
        scores: (n, M).
        reference: (n,) grades 0-4.
        weights: (n, B) how often each photograph counts in each bag.
        steps: How many members are drawn; the best of the prefixes is kept.

    Returns:
        (B, M) how often each member was taken, at least one altogether. Ties go to whoever was taken less.

    Source: Caruana, Niculescu-Mizil, Crew and Ksikes 2004, ICML, Ensemble selection from libraries of models.
    """
    size = max(1, CELLS_AT_ONCE // scores.size)
    chunks = [weights[:, start : start + size] for start in range(0, weights.shape[1], size)]
    return np.concatenate([_select(scores, reference, chunk, steps) for chunk in chunks])


def _select(
    scores: FloatArray, reference: NDArray[np.int64], weights: NDArray[np.int64], steps: int
) -> NDArray[np.int64]:
    exact = np.float32 if len(scores) < EXACT_UP_TO else np.float64
    pool, sums = scores.astype(exact), [KappaSums(reference.astype(exact), bag.astype(exact)) for bag in weights.T]
    count, bags = scores.shape[1], np.arange(weights.shape[1])
    total, taken = np.zeros((len(bags), len(scores)), exact), np.zeros((len(bags), count), dtype=np.int64)
    best, highest = taken.copy(), np.full(len(bags), -np.inf)
    for step in range(1, steps + 1):
        predicted = round_grades((total[:, :, None] + pool) / step)  # (B, n, M)
        kappas = np.stack([bag.kappa(grades) for bag, grades in zip(sums, predicted, strict=True)])  # (B, M)
        chosen = np.lexsort((taken, -np.round(kappas, 12)))[:, 0]
        total += pool.T[chosen]
        taken[bags, chosen] += 1
        is_better = kappas[bags, chosen] > highest + LEAST_GAIN
        best[is_better], highest[is_better] = taken[is_better], kappas[bags, chosen][is_better]
    return best


def _kappa_of(scores: FloatArray, weights: FloatArray, sums: KappaSums) -> float:
    return float(sums.kappa(round_grades(scores @ weights)[:, None])[0])


def _climb(scores: FloatArray, weights: FloatArray, sums: KappaSums) -> FloatArray:
    kappa = _kappa_of(scores, weights, sums)
    for _ in range(MAX_SWEEPS):
        before = kappa
        for member in range(len(weights)):
            moved = _move(scores, weights, member, sums)
            reached = _kappa_of(scores, moved, sums)
            if reached > kappa + LEAST_GAIN:
                weights, kappa = moved, reached
        if kappa <= before + LEAST_GAIN:
            break
    return weights


def _move(scores: FloatArray, weights: FloatArray, member: int, sums: KappaSums) -> FloatArray:
    """Weights (M,) with the member's share at its best, the others' in their old proportion."""
    blended = scores @ weights
    share = weights[member]
    lowest = -share / (1 - share) if share < 1 else 0.0
    step = best_step(blended, scores[:, member] - blended, (lowest, 1.0), sums)
    moved = (1 - step) * weights
    moved[member] += step
    moved = np.clip(moved, 0, None)
    return moved / moved.sum()


def best_step(start: FloatArray, direction: FloatArray, limits: tuple[float, float], sums: KappaSums) -> float:
    """The step at which the rounded `start + step * direction` agrees best with the reference.

    Each photograph changes its grade at no more than four steps; between them kappa is constant, so that one pass
    over all of them in order finds the maximum.

    Args:
        start: (n,).
        direction: (n,).
        limits: Smallest and largest step.
        sums: Of the reference.

    Returns:
        The middle of the widest of the best stretches.
    """
    low, high = limits
    score = start + low * direction
    # A score on an edge that is about to fall has already left the grade above it.
    nearest = np.where(direction < 0, np.ceil(score - 0.5), np.floor(score + 0.5))
    grades = np.clip(nearest, 0, MAX_GRADE)
    steps, signs, rows, edges = _crossings(start, direction, low, high)
    order = np.argsort(steps, kind="stable")
    steps, signs, rows, edges = steps[order], signs[order], rows[order], edges[order]
    weights, reference = sums.weights[rows], sums.reference[rows]
    changes = np.stack([signs * weights, signs * weights * 2 * edges, signs * weights * reference], 1)
    begin = [sums.weights @ grades, sums.weights @ grades**2, (sums.weights * sums.reference) @ grades]
    run = np.cumsum(np.vstack([begin, changes]), axis=0)  # (K + 1, 3)
    kappas = sums.ratio(run[:, 0], run[:, 1], run[:, 2])
    bounds = np.concatenate([[low], steps, [high]])
    widths = np.diff(bounds)
    best = np.flatnonzero(np.isclose(kappas, kappas[widths > 0].max(), rtol=0, atol=LEAST_GAIN) & (widths > 0))
    widest = best[widths[best].argmax()]
    return float((bounds[widest] + bounds[widest + 1]) / 2)


def _crossings(
    start: FloatArray, direction: FloatArray, low: float, high: float
) -> tuple[FloatArray, FloatArray, NDArray[np.int64], FloatArray]:
    """Where (steps), which way (+1, -1), of which photograph (rows) and over which edge a grade changes: (K,) each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = (EDGES - start[:, None]) / direction[:, None]  # (n, 4)
    rows, edges = np.nonzero((steps > low) & (steps < high))
    return steps[rows, edges], np.sign(direction[rows]), rows.astype(np.int64), EDGES[edges]
