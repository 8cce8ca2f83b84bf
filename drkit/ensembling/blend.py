"""Votes and weighted means: combinations that need no more than a weight a member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.config.ensemble import VoteOptions, Voting
from drkit.decisions import GradePredictions
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades, Rows
from drkit.grades import MAX_GRADE, NUM_GRADES

TIE = 1e-3  # of the smallest vote: parts equal votes and, where members count the same, outvotes nobody


@dataclass(frozen=True)
class Blend:
    """A weight a member, and what is weighted.

    Args:
        weights: (M,) not negative, summing to one.
        how: `soft`, the mean of probabilities and scores; `hard`, the grade with most votes; `median`, the middle
            of the grades.
    """

    weights: tuple[float, ...]
    how: Voting = "soft"

    def predict(self, features: Features) -> GradePredictions:
        """Combine.

        Where several grades have most votes, the one nearest the mean score wins; where the middle lies between two
        grades, that side of it on which the mean score lies.
        """
        weights = np.asarray(self.weights)
        score = np.clip(features.scores @ weights, 0, MAX_GRADE)
        if self.how == "soft":
            return GradePredictions(np.einsum("nmk,m->nk", features.probabilities, weights), score)
        votes = count_votes(features, weights)
        if self.how == "median":
            # The median grade where it is unique; otherwise the score, clipped to the two middle grades.
            below = np.cumsum(votes, 1)
            lower = (below >= 0.5 - 1e-9).argmax(1)
            upper = (below > 0.5 + 1e-9).argmax(1)
            return GradePredictions(votes, np.clip(score, lower, upper))
        nearness = 1 - np.abs(np.arange(NUM_GRADES) - score[:, None]) / NUM_GRADES  # (N, 5) in (0, 1]
        smallest = weights[weights > 0].min()
        voted = votes + TIE * smallest * nearness
        return GradePredictions(voted / voted.sum(1, keepdims=True), score)

    def to_json(self) -> dict[str, Any]:
        """Weights and what is weighted."""
        return {"kind": "blend", "weights": list(self.weights), "how": self.how}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Blend":
        """What `to_json` gave."""
        return cls(tuple(map(float, record["weights"])), record["how"])


@dataclass(frozen=True)
class Vote(VoteOptions):
    """Equal votes."""

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


def count_votes(features: Features, weights: FloatArray) -> FloatArray:
    """(N, 5) share of the votes for each grade."""
    votes = np.zeros((len(features), NUM_GRADES))
    for member, weight in enumerate(weights):
        votes[np.arange(len(features)), features.grades[:, member]] += weight
    return votes
