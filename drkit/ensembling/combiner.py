"""What goes into a combination and what comes out of it, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drkit.decisions import GradePredictions

Rows = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Grades = NDArray[np.int64]
Chosen = NDArray[np.int64] | NDArray[np.bool_]  # row numbers, which may be repeated, or which rows to keep


@dataclass(frozen=True)
class Features:
    """What M members say of N photographs.

    Args:
        scores: (N, M) in [0, 4].
        probabilities: (N, M, 5).
        grades: (N, M) the grades each member decided by itself.
        embeddings: Of each member (N, D), or none at all.
    """

    scores: FloatArray
    probabilities: FloatArray
    grades: Grades
    embeddings: tuple[NDArray[np.float32], ...] = ()

    def take(self, rows: Chosen) -> "Features":
        """Those of the given rows, which may be repeated."""
        kept = tuple(features[rows] for features in self.embeddings)
        return Features(self.scores[rows], self.probabilities[rows], self.grades[rows], kept)

    def of_members(self, members: Sequence[int]) -> "Features":
        """Those of the given members."""
        chosen = list(members)
        kept = tuple(self.embeddings[member] for member in chosen) if self.embeddings else ()
        return Features(self.scores[:, chosen], self.probabilities[:, chosen], self.grades[:, chosen], kept)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class ReferenceGrades:
    """What is learned from.

    Args:
        reference: (n,) reference grades 0-4.
        patients: (n,) whose photograph it is.
    """

    reference: Grades
    patients: NDArray[Any]

    def take(self, rows: Chosen) -> "ReferenceGrades":
        """That of the given rows, which may be repeated."""
        return ReferenceGrades(self.reference[rows], self.patients[rows])

    def __len__(self) -> int:
        return len(self.reference)


class Combiner(Protocol):
    """A way to combine, with all its numbers."""

    def predict(self, features: Features) -> GradePredictions:
        """Combine."""

    def to_json(self) -> dict[str, Any]:
        """All its numbers; the key `kind` says which class reads them."""


class Method(Protocol):
    """A way to combine, before it has seen reference grades."""

    @property
    def decision(self) -> str | None:
        """How its answers become grades where there is but one way, else None."""

    def tune(self, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> "Method":
        """Choose its settings by the held-out parts of `folds`, which all rows of a patient share."""

    def fit(self, features: Features, truth: ReferenceGrades, seed: int) -> Combiner:
        """Fit its numbers to reference grades."""


def hold_out(method: Method, features: Features, truth: ReferenceGrades, folds: Rows, seed: int) -> GradePredictions:
    """Predictions for each fold by the method fitted on the other folds.

    Args:
        method: Tuned.
        features: (n) photographs.
        truth: Of the same.
        folds: (n,) at least two different ones.
        seed: Of the fits.
    """
    probabilities, score = np.empty((len(truth), features.probabilities.shape[-1])), np.empty(len(truth))
    for number in np.unique(folds):
        held, others = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
        answers = method.fit(features.take(others), truth.take(others), seed).predict(features.take(held))
        probabilities[held], score[held] = answers.probabilities, answers.score
    return GradePredictions(probabilities, score)
