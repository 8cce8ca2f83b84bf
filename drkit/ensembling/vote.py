"""Voting: every member counts the same, and nothing is fitted."""

from dataclasses import dataclass

from drkit.ensembling.blend import Blend, How
from drkit.ensembling.combiner import Features, ReferenceGrades, Rows


@dataclass(frozen=True)
class Vote:
    """Equal votes.

    Args:
        how: As `Blend`.
    """

    how: How = "soft"

    @property
    def decision(self) -> str | None:
        """Votes are decided by their number; a mean can be decided as one likes."""
        return {"hard": "argmax", "median": "rounding", "soft": None}[self.how]

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Vote":
        """There is nothing to choose."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Blend:
        """There is nothing to fit."""
        count = features.scores.shape[1]
        return Blend((1 / count,) * count, self.how)
