"""Columns for a meta-learner: the members' mean score, each member's deviation from it, and the probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.ensembling.combiner import Features, FloatArray


@dataclass(frozen=True)
class Scaling:
    """Standardises columns to mean 0 and standard deviation 1.

    Args:
        mean: (P,) mean of each column.
        deviation: (P,) standard deviation of each column; 1 for a constant column.
    """

    mean: FloatArray
    deviation: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> "Scaling":
        """Measure mean and standard deviation of the columns (n, P)."""
        deviation = columns.std(0)
        return cls(columns.mean(0), np.where(deviation > 1e-9, deviation, 1.0))

    def apply(self, columns: FloatArray) -> FloatArray:
        """Standardise the columns (N, P)."""
        return (columns - self.mean) / self.deviation

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Scaling":
        """Restore from the output of `to_json`."""
        return cls(np.asarray(record["mean"], float), np.asarray(record["deviation"], float))


def build_columns(features: Features) -> FloatArray:
    """Build the columns of a linear meta-learner.

    Args:
        features: Predictions of M members for N photographs.

    Returns:
        (N, 1 + M + 5 M): the mean score, which meta-learners do not penalise, and the columns that they penalise: each
        member's score less the mean score, and its probabilities. With an infinite penalty, a meta-learner becomes the
        mean score with a slope and an intercept.
    """
    mean = features.scores.mean(1, keepdims=True)
    probabilities = features.probabilities.reshape(len(features), -1)
    return np.hstack([mean, features.scores - mean, probabilities])
