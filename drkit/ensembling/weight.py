"""Members' weights that sum to 1, fitted to reference grades."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize

from drkit.config.ensemble import WeightOptions
from drkit.decisions import Grades
from drkit.ensembling.blend import Blend
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades, Rows
from drkit.ensembling.search import KappaSums, search_simplex, select_greedily
from drkit.resampling import draw_bags

TOLERANCE = 1e-10  # of the mean log loss
MIN_PROBABILITY = 1e-6  # so that one confident error does not exclude a member


@dataclass(frozen=True)
class Weight(WeightOptions):
    """A weighted mean.

    Args:
        steps: Number of members that greedy selection picks, with replacement, in each bag.
    """

    steps: int = 15

    @property
    def decision(self) -> str | None:
        """Any decision suits."""
        return None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Weight":
        """Return the method unchanged: it has no settings to choose."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Blend:
        """Fit the weights."""
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
        """Average the weights (M,) of greedy selection over bootstrap samples of patients."""
        bags = [np.bincount(rows, minlength=len(truth)) for rows in draw_bags(truth.patients, self.bags, seed)]
        counts = select_greedily(features.scores, truth.reference, np.stack(bags, 1), steps=self.steps)
        shares = (counts / counts.sum(1, keepdims=True)).mean(0)
        return shares / shares.sum()


@dataclass(frozen=True)
class Best:
    """The member with the highest kappa by its own grades; a tie goes to the first member by name.

    Args:
        how: `hard` takes the member's own grades; `soft` takes its probabilities and score, for any decision.
    """

    how: Literal["hard", "soft"] = "hard"

    @property
    def decision(self) -> str | None:
        """With `hard`, the member's own grades; with `soft`, any decision suits."""
        return "argmax" if self.how == "hard" else None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Best":
        """Return the method unchanged: it has no settings to choose."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Blend:
        """Choose the member."""
        sums = KappaSums(truth.reference.astype(np.float64), np.ones(len(truth)))
        chosen = int(sums.kappa(features.grades.astype(np.float64)).argmax())
        return Blend(tuple(np.eye(features.scores.shape[1])[chosen].tolist()), self.how)


def mix_probabilities(probabilities: FloatArray, reference: Grades) -> FloatArray:
    """Fit the weights of a mixture of the members by maximum likelihood.

    The log-likelihood is concave in the weights, so the solver finds the global maximum.

    Args:
        probabilities: (n, M, 5) probabilities of the grades by M members.
        reference: (n,) reference grades 0-4.

    Returns:
        (M,) non-negative weights that sum to 1.
    """
    likelihoods = np.clip(probabilities[np.arange(len(reference)), :, reference], MIN_PROBABILITY, None)  # (n, M)
    count = likelihoods.shape[1]

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        mixed = likelihoods @ weights
        return -float(np.log(mixed).mean()), -(likelihoods / mixed[:, None]).mean(0)

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
