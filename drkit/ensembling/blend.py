"""Votes and weighted means: one weight for each member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.config.ensemble import VoteOptions, Voting
from drkit.decisions import GradePredictions
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades, Rows
from drkit.grades import MAX_GRADE, NUM_GRADES

TIE = 1e-3  # of the smallest vote: breaks ties, and never outvotes a member


@dataclass(frozen=True)
class Blend:
    """A weighted mean or vote of M members.

    Args:
        weights: (M,) non-negative weights that sum to 1.
        how: `soft`, the weighted mean of probabilities and scores; `hard`, the grade with the most votes; `median`,
            the weighted median of the members' grades.
    """

    weights: tuple[float, ...]
    how: Voting = "soft"

    def predict(self, features: Features) -> GradePredictions:
        """Combine the members' predictions.

        A tied vote goes to the grade nearest the mean score. If the median lies between two grades, the score is the
        mean score, clipped to these two grades.
        """
        weights = np.asarray(self.weights)
        score = np.clip(features.scores @ weights, 0, MAX_GRADE)
        if self.how == "soft":
            return GradePredictions(np.einsum("nmk,m->nk", features.probabilities, weights), score)
        votes = count_votes(features, weights)
        if self.how == "median":
            cumulative = np.cumsum(votes, 1)
            lower = (cumulative >= 0.5 - 1e-9).argmax(1)
            upper = (cumulative > 0.5 + 1e-9).argmax(1)
            return GradePredictions(votes, np.clip(score, lower, upper))
        nearness = 1 - np.abs(np.arange(NUM_GRADES) - score[:, None]) / NUM_GRADES  # (N, 5) in (0, 1]
        smallest = weights[weights > 0].min()
        untied = votes + TIE * smallest * nearness
        return GradePredictions(untied / untied.sum(1, keepdims=True), score)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        return {"kind": "blend", "weights": list(self.weights), "how": self.how}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Blend":
        """Restore from the output of `to_json`."""
        return cls(tuple(map(float, record["weights"])), record["how"])


@dataclass(frozen=True)
class Vote(VoteOptions):
    """A vote or mean in which all members have the same weight."""

    @property
    def decision(self) -> str | None:
        """A vote decides by itself; a mean suits any decision."""
        return {"hard": "argmax", "median": "rounding", "soft": None}[self.how]

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Vote":
        """Return the method unchanged: it has no settings to choose."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Blend:
        """Weigh all members equally; the reference grades are not used."""
        count = features.scores.shape[1]
        return Blend((1 / count,) * count, self.how)


def count_votes(features: Features, weights: FloatArray) -> FloatArray:
    """Compute the share (N, 5) of the votes for each grade, with members weighted by `weights` (M,)."""
    votes = np.zeros((len(features), NUM_GRADES))
    for member, weight in enumerate(weights):
        votes[np.arange(len(features)), features.grades[:, member]] += weight
    return votes
