"""Stacking: a meta-learner on the members' scores and probabilities."""

from dataclasses import dataclass, replace

import numpy as np

from drkit.config.ensemble import StackLearner, StackOptions
from drkit.ensembling.combiner import Combiner, Features, ReferenceGrades, Rows, predict_out_of_fold
from drkit.ensembling.ordinal import fit_ordinal
from drkit.ensembling.ridge import fit_ridge

STRENGTHS = (30.0, 3.0, 1.0, 0.3, 0.1, 0.01)  # in falling order, so that a tie goes to the stronger penalty
DEFAULT_STRENGTH = 10.0  # if there are too few patients to choose


@dataclass(frozen=True)
class Stack(StackOptions):
    """A meta-learner that is penalised towards the members' mean score.

    Args:
        sigma: Standard deviation of the held-out residual, for ridge; set by `tune`.
    """

    sigma: float | None = None

    @property
    def decision(self) -> str | None:
        """Any decision suits."""
        return None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Stack":
        """Choose learner and strength by the squared error of held-out scores.

        With about a hundred patients, kappa is too noisy to distinguish neighbouring strengths; squared error is not.
        """
        candidates = self._candidates()
        if len(np.unique(folds)) < 2:
            return replace(candidates[0], strength=self.strength or DEFAULT_STRENGTH)
        errors = []
        for candidate in candidates:
            score = predict_out_of_fold(candidate, features, truth, folds, seed).score
            errors.append(float(np.mean((score - truth.reference) ** 2)))
        best = int(np.argmin(errors))
        return replace(candidates[best], sigma=float(np.sqrt(errors[best])))

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Combiner:
        """Fit the chosen learner."""
        strength = DEFAULT_STRENGTH if self.strength is None else self.strength
        if self.learner == "ordinal":
            return fit_ordinal(features, truth, strength)
        return fit_ridge(features, truth, strength, self.sigma)

    def _candidates(self) -> list["Stack"]:
        learners: tuple[StackLearner, ...] = ("ridge", "ordinal") if self.learner == "auto" else (self.learner,)
        strengths = STRENGTHS if self.strength is None else (self.strength,)
        return [Stack(learner, strength) for learner in learners for strength in strengths]
