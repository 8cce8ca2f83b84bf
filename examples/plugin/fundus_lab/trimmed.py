"""The trimmed mean of an ensemble's members."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.decisions import GradePredictions
from drkit.ensembling.combiner import Features, ReferenceGrades, Rows


@dataclass(frozen=True)
class TrimmedMean:
    """The mean of the members without those of the highest and lowest score.

    Nothing is fitted, so it is both the method and the fitted combiner.

    Args:
        share: Share of the members that is left out at each end, for each photograph separately.
    """

    share: float = 0.2

    @property
    def decision(self) -> str | None:
        """None: every decision is possible."""
        return None

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "TrimmedMean":
        """Return the method unchanged: it has no settings to select."""
        return self

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> "TrimmedMean":
        """Return the method unchanged: it has nothing to fit."""
        return self

    def predict(self, features: Features) -> GradePredictions:
        """Trimmed means (N,) and (N, 5) of the members' scores (N, M) and probabilities (N, M, 5)."""
        count = features.scores.shape[1]
        left_out = int(self.share * count)
        kept = np.argsort(features.scores, axis=1)[:, left_out : count - left_out]
        scores = np.take_along_axis(features.scores, kept, axis=1)
        probabilities = np.take_along_axis(features.probabilities, kept[:, :, None], axis=1)
        return GradePredictions(probabilities.mean(1), scores.mean(1))

    def to_json(self) -> dict[str, Any]:
        """Its parameters; `kind` is the name of the entry point."""
        return {"kind": "trimmed", "share": self.share}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "TrimmedMean":
        """Restore the method from what `to_json` returned."""
        return cls(record["share"])
