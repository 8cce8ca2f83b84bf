"""The members' answers as columns for a meta-learner: their mean, and how each departs from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.ensembling.combiner import Features, FloatArray


@dataclass(frozen=True)
class Scaling:
    """What brings columns to mean 0 and deviation 1.

    Args:
        mean: (P,).
        deviation: (P,), 1 where a column does not vary.
    """

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> "Scaling":
        """That of the columns (n, P)."""
        deviation = columns.std(0)
        return cls(columns.mean(0), np.where(deviation > 1e-9, deviation, 1.0))

    def apply(self, columns: FloatArray) -> FloatArray:
        """The columns (N, P), scaled."""
        return (columns - self.mean) / self.deviation

    def to_json(self) -> dict[str, Any]:
        """Its numbers."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Scaling":
        """What `to_json` gave."""
        return cls(np.asarray(record["mean"], float), np.asarray(record["deviation"], float))


def build_columns(features: Features) -> FloatArray:
    """Lay the members' answers out for a linear meta-learner.

    Args:
        features: N photographs, M members.

    Returns:
        (N, 1 + M + 5 M): first the mean score, which meta-learners leave free; then what they hold small: each
        member's score less the mean, and its probabilities. Held to nothing, a meta-learner is a plain mean with
        slope and intercept.
    """
    mean = features.scores.mean(1, keepdims=True)
    shares = features.probabilities.reshape(len(features), -1)
    return np.hstack([mean, features.scores - mean, shares])
