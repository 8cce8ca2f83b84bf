"""The arrays that ensemble methods are given, and the protocols that they follow."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drkit.decisions import GradePredictions, Grades

Rows = NDArray[np.int64]  # row numbers, or the fold of each row
FloatArray = NDArray[np.float64]
RowSelection = NDArray[np.int64] | NDArray[np.bool_]  # row numbers, which may repeat, or a mask


@dataclass(frozen=True)
class Features:
    """Predictions of M members for N photographs.

    Args:
        scores: (N, M) scores in [0, 4].
        probabilities: (N, M, 5) probabilities of the grades 0-4.
        grades: (N, M) grades 0-4 by each member's own decision.
        embeddings: One (N, D) array for each member; empty if any member has none.
    """

    scores: FloatArray
    probabilities: FloatArray
    grades: Grades
    embeddings: tuple[NDArray[np.float32], ...] = ()

    def take(self, rows: RowSelection) -> "Features":
        """Select rows, which may repeat."""
        embeddings = tuple(embedding[rows] for embedding in self.embeddings)
        return Features(self.scores[rows], self.probabilities[rows], self.grades[rows], embeddings)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class ReferenceGrades:
    """Reference grades of n photographs, with their patients.

    Args:
        reference: (n,) reference grades 0-4.
        patients: (n,) key of each photograph's patient.
    """

    reference: Grades
    patients: NDArray[Any]

    def take(self, rows: RowSelection) -> "ReferenceGrades":
        """Select rows, which may repeat."""
        return ReferenceGrades(self.reference[rows], self.patients[rows])

    def __len__(self) -> int:
        return len(self.reference)


class Combiner(Protocol):
    """A fitted ensemble method."""

    def predict(self, features: Features) -> GradePredictions:
        """Combine the members' predictions."""

    def to_json(self) -> dict[str, Any]:
        """All fitted parameters; the key `kind` names the class that reads them."""


class Method(Protocol):
    """An ensemble method before it is fitted to reference grades."""

    @property
    def decision(self) -> str | None:
        """The only decision that suits the method's predictions; None if any does."""

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Method":
        """Choose the settings by cross-validation over `folds` (n,), which never split a patient."""

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Combiner:
        """Fit the parameters to reference grades."""


def predict_out_of_fold(
    method: Method, features: Features, truth: ReferenceGrades, folds: Rows, seed: int
) -> GradePredictions:
    """Predict each fold by the method fitted to the other folds.

    Args:
        method: A tuned method.
        features: Predictions of the members for n photographs.
        truth: Reference grades of the same photographs.
        folds: (n,) fold of each photograph; at least two folds.
        seed: Random seed of the fits.

    Returns:
        Predictions for the n photographs.
    """
    probabilities, score = np.empty((len(truth), features.probabilities.shape[-1])), np.empty(len(truth))
    for number in np.unique(folds):
        held_out, others = folds == number, folds != number
        predictions = method.fit(features.take(others), truth.take(others), seed).predict(features.take(held_out))
        probabilities[held_out], score[held_out] = predictions.probabilities, predictions.score
    return GradePredictions(probabilities, score)
