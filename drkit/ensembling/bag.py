"""Bagging: another method, fitted to patients drawn with replacement again and again, and averaged."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drkit.ensembling.answers import Answers, Features, Fitted, Method, Rows, Truth


@dataclass(frozen=True)
class Averaged:
    """The mean of several combinations.

    Args:
        parts: At least one.
    """

    parts: tuple[Fitted, ...]

    def answer(self, features: Features) -> Answers:
        """Average probabilities and scores."""
        total = self.parts[0].answer(features)
        for part in self.parts[1:]:
            more = part.answer(features)
            total = Answers(total.probabilities + more.probabilities, total.score + more.score)
        return Answers(total.probabilities / len(self.parts), total.score / len(self.parts))

    def to_json(self) -> dict[str, Any]:
        """Those of the parts."""
        return {"kind": "averaged", "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True)
class Bag:
    """Bagged patients.

    Args:
        of: The method that is bagged.
        bags: How often patients are drawn.

    Source: Breiman 1996, Machine Learning 24(2), Bagging predictors; patients drawn instead of cases.
    """

    of: Method
    bags: int = 20

    @property
    def decision(self) -> str | None:
        """That of the method."""
        return self.of.decision

    def tune(self, features: Features, truth: Truth, folds: Rows, seed: int) -> "Bag":
        """Choose the method's settings once, for all bags."""
        return replace(self, of=self.of.tune(features, truth, folds, seed))

    def fit(self, features: Features, truth: Truth, seed: int) -> Averaged:
        """Fit the method to each bag."""
        _, patient = np.unique(truth.patients, return_inverse=True)
        by_patient = np.split(np.argsort(patient, kind="stable"), np.cumsum(np.bincount(patient))[:-1])
        generator = np.random.default_rng(seed)
        parts = []
        for number in range(self.bags):
            drawn = generator.integers(0, len(by_patient), len(by_patient))
            rows = np.concatenate([by_patient[index] for index in drawn])
            parts.append(self.of.fit(features.take(rows), truth.take(rows), seed + number))
        return Averaged(tuple(parts))
