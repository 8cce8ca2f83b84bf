"""Search for the weights with the highest quadratic kappa, computed from sums instead of confusion matrices."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from drkit.grades import MAX_GRADE

FloatArray = NDArray[np.floating]

EDGES: FloatArray = np.arange(MAX_GRADE, dtype=np.float64) + 0.5  # (4,) scores at which the rounded grade changes
MAX_SWEEPS = 20
MIN_GAIN = 1e-12
EXACT_UP_TO = 500_000  # photographs; up to here, sums are below 2**24 and therefore exact in float32
CELLS_AT_ONCE = 1_000_000  # photographs times members times bags: 8 MB


@dataclass(frozen=True)
class KappaSums:
    """Quadratic weighted kappa of any prediction, from sums over photographs.

    Args:
        reference: (n,) reference grades 0-4.
        weights: (n,) how often each photograph is counted.
    """

    reference: FloatArray
    weights: FloatArray

    @cached_property
    def moments(self) -> tuple[float, float, float]:
        """Weighted sums R_0, R_1 and R_2 of reference^0, reference^1 and reference^2."""
        weighted = self.weights * self.reference
        return float(self.weights.sum()), float(weighted.sum()), float(weighted @ self.reference)

    @cached_property
    def weighted(self) -> FloatArray:
        """Weights, and weights times reference grades, (2, n)."""
        return np.stack([self.weights, self.weights * self.reference])

    def kappa(self, predicted: FloatArray) -> FloatArray:
        """Quadratic weighted kappa (M,) of the predicted grades (n, M) of M predictions.

        Let P_k and R_k be the weighted sums of predicted^k and reference^k, and C that of predicted times reference.
        The observed disagreement is P_2 - 2 C + R_2, and the expected disagreement is
        (R_0 P_2 - 2 R_1 P_1 + R_2 P_0) / R_0. Sums of integers are exact, so the result equals
        `metrics.quadratic_weighted_kappa` of the confusion matrix.
        """
        first, products = (self.weighted @ predicted).astype(np.float64)  # (M,), (M,)
        second = (self.weights @ (predicted * predicted)).astype(np.float64)
        return self.ratio(first, second, products)

    def ratio(self, first: FloatArray, second: FloatArray, products: FloatArray) -> FloatArray:
        """Kappa from P_1, P_2 and C; 0 if the expected disagreement is 0."""
        total, mean, square = self.moments
        observed = (second - 2 * products + square) * total
        expected = total * second - 2 * mean * first + square * total
        return 1 - np.divide(observed, expected, out=np.ones_like(expected), where=expected > 0)


def round_grades(score: FloatArray) -> FloatArray:
    """Round to the nearest grade, half up, as `decide("rounding", ...)`, but as floats."""
    nearest = score + 0.5
    np.floor(nearest, out=nearest)
    return np.clip(nearest, 0, MAX_GRADE, out=nearest)


def search_simplex(scores: FloatArray, reference: NDArray[np.int64]) -> FloatArray:
    """Find non-negative weights that sum to 1 and maximise the kappa of the rounded weighted score.

    Coordinate ascent: starting from equal weights, the weight of one member after another is set to its best value in
    [0, 1], found by an exact line search, until no weight improves kappa. If a single member has a higher kappa than
    the result, the ascent starts again from that member.

    Args:
        scores: (n, M) scores in [0, 4] of M members.
        reference: (n,) reference grades 0-4.

    Returns:
        (M,) weights; equal weights if no others are better.
    """
    count = scores.shape[1]
    sums = KappaSums(reference.astype(np.float64), np.ones(len(scores)))
    best = _climb(scores, np.full(count, 1 / count), sums)
    kappas = sums.kappa(round_grades(scores))  # (M,) of the single members
    if kappas.max() > _kappa_of(scores, best, sums):
        best = _climb(scores, np.eye(count)[int(kappas.argmax())], sums)
    return best


def select_greedily(
    scores: FloatArray, reference: NDArray[np.int64], weights: NDArray[np.int64], *, steps: int
) -> NDArray[np.int64]:
    """Select members with replacement, each step adding the member that gives the mean score the highest kappa.

    Args:
        scores: (n, M) scores in [0, 4] of M members.
        reference: (n,) reference grades 0-4.
        weights: (n, B) how often each photograph is counted in each of B bags.
        steps: Number of members to select; the selection after the best of these steps is returned.

    Returns:
        (B, M) how often each member is selected in each bag. Ties go to the member that is selected less often.

    Source: Caruana, Niculescu-Mizil, Crew and Ksikes 2004, ICML, Ensemble selection from libraries of models.
    """
    size = max(1, CELLS_AT_ONCE // scores.size)
    chunks = [weights[:, start : start + size] for start in range(0, weights.shape[1], size)]
    return np.concatenate([_select_in_bags(scores, reference, chunk, steps) for chunk in chunks])


def _select_in_bags(
    scores: FloatArray, reference: NDArray[np.int64], weights: NDArray[np.int64], steps: int
) -> NDArray[np.int64]:
    exact = np.float32 if len(scores) < EXACT_UP_TO else np.float64
    members, sums = scores.astype(exact), [KappaSums(reference.astype(exact), bag.astype(exact)) for bag in weights.T]
    num_members, bags = scores.shape[1], np.arange(weights.shape[1])
    total, counts = np.zeros((len(bags), len(scores)), exact), np.zeros((len(bags), num_members), dtype=np.int64)
    best, highest = counts.copy(), np.full(len(bags), -np.inf)
    for step in range(1, steps + 1):
        predicted = round_grades((total[:, :, None] + members) / step)  # (B, n, M)
        kappas = np.stack([bag.kappa(grades) for bag, grades in zip(sums, predicted, strict=True)])  # (B, M)
        chosen = np.lexsort((counts, -np.round(kappas, 12)))[:, 0]
        total += members.T[chosen]
        counts[bags, chosen] += 1
        is_better = kappas[bags, chosen] > highest + MIN_GAIN
        best[is_better], highest[is_better] = counts[is_better], kappas[bags, chosen][is_better]
    return best


def _kappa_of(scores: FloatArray, weights: FloatArray, sums: KappaSums) -> float:
    return float(sums.kappa(round_grades(scores @ weights)[:, None])[0])


def _climb(scores: FloatArray, weights: FloatArray, sums: KappaSums) -> FloatArray:
    kappa = _kappa_of(scores, weights, sums)
    for _ in range(MAX_SWEEPS):
        before = kappa
        for member in range(len(weights)):
            candidate = _optimise_weight(scores, weights, member, sums)
            candidate_kappa = _kappa_of(scores, candidate, sums)
            if candidate_kappa > kappa + MIN_GAIN:
                weights, kappa = candidate, candidate_kappa
        if kappa <= before + MIN_GAIN:
            break
    return weights


def _optimise_weight(scores: FloatArray, weights: FloatArray, member: int, sums: KappaSums) -> FloatArray:
    """Weights (M,) with the best weight of one member; the ratios of all others are unchanged."""
    blended = scores @ weights
    share = weights[member]
    lowest = -share / (1 - share) if share < 1 else 0.0
    step = best_step(blended, scores[:, member] - blended, (lowest, 1.0), sums)
    optimised = (1 - step) * weights
    optimised[member] += step
    optimised = np.clip(optimised, 0, None)
    return optimised / optimised.sum()


def best_step(start: FloatArray, direction: FloatArray, limits: tuple[float, float], sums: KappaSums) -> float:
    """Find the step that maximises the kappa of the rounded score `start + step * direction`.

    Each photograph changes its grade at no more than four steps, and kappa is constant between them. Therefore, one
    pass over all these steps in rising order finds the maximum.

    Args:
        start: (n,) scores at step 0.
        direction: (n,) change of the scores per step.
        limits: Smallest and largest step.
        sums: Reference grades of the n photographs.

    Returns:
        The middle of the widest interval of steps with the highest kappa.
    """
    low, high = limits
    score = start + low * direction
    # A falling score that starts on an edge has already left the grade above it.
    nearest = np.where(direction < 0, np.ceil(score - 0.5), np.floor(score + 0.5))
    grades = np.clip(nearest, 0, MAX_GRADE)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = (EDGES - start[:, None]) / direction[:, None]  # (n, 4) steps at which the grade changes
    rows, edges = np.nonzero((crossings > low) & (crossings < high))  # (K,) each
    order = np.argsort(crossings[rows, edges], kind="stable")
    rows, edges = rows[order], edges[order]
    signed_weights = np.sign(direction[rows]) * sums.weights[rows]
    changes = np.stack([signed_weights, signed_weights * 2 * EDGES[edges], signed_weights * sums.reference[rows]], 1)
    initial = [sums.weights @ grades, sums.weights @ grades**2, (sums.weights * sums.reference) @ grades]
    running = np.cumsum(np.vstack([initial, changes]), axis=0)  # (K + 1, 3) sums P_1, P_2 and C
    kappas = sums.ratio(running[:, 0], running[:, 1], running[:, 2])
    bounds = np.concatenate([[low], crossings[rows, edges], [high]])
    widths = np.diff(bounds)
    best = np.flatnonzero(np.isclose(kappas, kappas[widths > 0].max(), rtol=0, atol=MIN_GAIN) & (widths > 0))
    widest = best[widths[best].argmax()]
    return float((bounds[widest] + bounds[widest + 1]) / 2)
