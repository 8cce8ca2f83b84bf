"""Weights that sum to one, fitted to reference grades."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize

from drkit.config.ensemble import WeightOptions
from drkit.ensembling.blend import Blend
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades, Rows
from drkit.ensembling.search import KappaSums, search_simplex, select_greedily
from drkit.resampling import draw_bags

TOLERANCE = 1e-10  # of the mean log loss
LEAST_PROBABILITY = 1e-6  # a member that was ever sure of the wrong grade shall not be ruled out by that alone


@dataclass(frozen=True)
class Weight(WeightOptions):
    """A weighted mean.

    Args:
        steps: Number of members that greedy selection draws, with replacement, in each bag.
    """

    steps: int = 15

    @property
    def decision(self) -> str | None:
        """As one likes."""
        return None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Weight":
        """There is nothing to choose."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Blend:
        """Find the weights."""
        if features.scores.shape[1] == 1:
            return Blend((1.0,))
        if self.by == "kappa":
            weights = search_simplex(features.scores, truth.reference)
        elif self.by == "log-loss":
            weights = mix_probabilities(features.probabilities, truth.reference)
        else:
            weights = self._select(features, truth, seed)
        return Blend(tuple(weights.tolist()))

    def _select(self, features: Features, truth: ReferenceGrades, seed: int) -> FloatArray:
        """Mean weights (M,) over bags of patients drawn with replacement."""
        drawn = [np.bincount(rows, minlength=len(truth)) for rows in draw_bags(truth.patients, self.bags, seed)]
        taken = select_greedily(features.scores, truth.reference, np.stack(drawn, 1), steps=self.steps)
        shares = (taken / taken.sum(1, keepdims=True)).mean(0)
        return shares / shares.sum()


@dataclass(frozen=True)
class Best:
    """The one member that agrees best by its own grades; ties go to the first by name.

    Args:
        how: `hard` takes its own grades, `soft` its score, which is then decided as one likes.
    """

    how: Literal["hard", "soft"] = "hard"

    @property
    def decision(self) -> str | None:
        """Its own, or as one likes."""
        return "argmax" if self.how == "hard" else None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Best":
        """There is nothing to choose."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Blend:
        """Choose the member."""
        sums = KappaSums(truth.reference.astype(np.float64), np.ones(len(truth)))
        chosen = int(sums.kappa(features.grades.astype(np.float64)).argmax())
        return Blend(tuple(np.eye(features.scores.shape[1])[chosen].tolist()), self.how)


def mix_probabilities(probabilities: FloatArray, reference: Rows) -> FloatArray:
    """Weights (M,) of the mixture under which the reference grades are likeliest.

    The likelihood is concave in the weights, so that the solver ends at its one maximum.

    Args:
        probabilities: (n, M, 5).
        reference: (n,) grades 0-4.

    Returns:
        (M,) not negative, summing to one.
    """
    given = np.clip(probabilities[np.arange(len(reference)), :, reference], LEAST_PROBABILITY, None)  # (n, M)
    count = given.shape[1]

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        mixed = given @ weights
        return -float(np.log(mixed).mean()), -(given / mixed[:, None]).mean(0)

    solved = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        options={"ftol": TOLERANCE},
    )
    weights = np.clip(solved.x, 0, None)
    return weights / weights.sum()
