"""Bagging: the mean of a method fitted to several bootstrap samples of patients."""

from dataclasses import dataclass, replace
from typing import Any

from drkit.decisions import GradePredictions
from drkit.ensembling.combiner import Combiner, Features, Method, ReferenceGrades, Rows
from drkit.resampling import draw_bags


@dataclass(frozen=True)
class BaggedCombiner:
    """The mean of several fitted methods.

    Args:
        parts: The fitted methods, at least one.
    """

    parts: tuple[Combiner, ...]

    def predict(self, features: Features) -> GradePredictions:
        """Average the parts' probabilities and scores."""
        return GradePredictions.mean([part.predict(features) for part in self.parts])

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        return {"kind": "averaged", "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True)
class Bag:
    """Bagging over patients.

    Args:
        of: The method that is bagged.
        bags: Number of bootstrap samples.

    Source: Breiman 1996, Machine Learning 24(2), Bagging predictors; patients are drawn instead of cases.
    """

    of: Method
    bags: int = 20

    @property
    def decision(self) -> str | None:
        """The decision of the bagged method."""
        return self.of.decision

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Bag":
        """Choose the method's settings once for all bags."""
        return replace(self, of=self.of.tune(features, truth, folds, seed))

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> BaggedCombiner:
        """Fit the method to each bag."""
        bags = draw_bags(truth.patients, self.bags, seed)
        return BaggedCombiner(
            tuple(
                self.of.fit(features.take(rows), truth.take(rows), seed + number) for number, rows in enumerate(bags, 1)
            )
        )
