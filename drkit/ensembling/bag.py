"""Bagging: another method, fitted to patients drawn with replacement again and again, and averaged."""

from dataclasses import dataclass, replace
from typing import Any

from drkit.decisions import GradePredictions
from drkit.ensembling.combiner import Combiner, Features, Method, ReferenceGrades, Rows
from drkit.resampling import draw_bags


@dataclass(frozen=True)
class BaggedCombiner:
    """The mean of several combinations.

    Args:
        parts: At least one.
    """

    parts: tuple[Combiner, ...]

    def predict(self, features: Features) -> GradePredictions:
        """Average probabilities and scores."""
        total = self.parts[0].predict(features)
        for part in self.parts[1:]:
            more = part.predict(features)
            total = GradePredictions(total.probabilities + more.probabilities, total.score + more.score)
        return GradePredictions(total.probabilities / len(self.parts), total.score / len(self.parts))

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

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Bag":
        """Choose the method's settings once, for all bags."""
        return replace(self, of=self.of.tune(features, truth, folds, seed))

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> BaggedCombiner:
        """Fit the method to each bag."""
        bags = draw_bags(truth.patients, self.bags, seed)
        taken = ((features.take(rows), truth.take(rows)) for rows in bags)
        return BaggedCombiner(tuple(self.of.fit(*bag, seed + number) for number, bag in enumerate(taken, 1)))
