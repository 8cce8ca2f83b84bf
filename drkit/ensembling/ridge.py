"""Least squares, held small about one column: a meta-learner for the score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.decisions import GradePredictions, normal_probabilities
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades
from drkit.ensembling.design import Scaling, build_columns
from drkit.grades import MAX_GRADE

JITTER = 1e-9  # keeps a column that does not vary from making the system singular


@dataclass(frozen=True)
class Linear:
    """A score that is linear in columns.

    Args:
        scaling: Of the columns.
        coefficients: (P,) of the scaled columns.
        intercept: The mean reference grade.
        sigma: Residual that probabilities are made with.
    """

    scaling: Scaling
    coefficients: FloatArray
    intercept: float
    sigma: float

    def predict(self, columns: FloatArray) -> GradePredictions:
        """Predictions for the rows of the columns (N, P), the score within [0, 4]."""
        linear = self.scaling.apply(columns) @ self.coefficients
        score = np.clip(linear + self.intercept, 0, MAX_GRADE)
        return GradePredictions(normal_probabilities(score, self.sigma), score)

    def to_json(self) -> dict[str, Any]:
        """All its numbers."""
        numbers = {"coefficients": self.coefficients.tolist(), "intercept": self.intercept, "sigma": self.sigma}
        return {"scaling": self.scaling.to_json(), **numbers}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Linear":
        """What `to_json` gave."""
        coefficients = np.asarray(record["coefficients"], float)
        scaling = Scaling.from_json(record["scaling"])
        return cls(scaling, coefficients, float(record["intercept"]), float(record["sigma"]))


@dataclass(frozen=True)
class Ridge:
    """A score that is linear in the members' answers.

    Args:
        linear: On `build_columns`.
    """

    linear: Linear

    def predict(self, features: Features) -> GradePredictions:
        """Combine."""
        return self.linear.predict(build_columns(features))

    def to_json(self) -> dict[str, Any]:
        """All its numbers."""
        return {"kind": "ridge", **self.linear.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Ridge":
        """What `to_json` gave."""
        return cls(Linear.from_json(record))


def fit_ridge(features: Features, truth: ReferenceGrades, strength: float, sigma: float | None = None) -> Ridge:
    """Fit the score by least squares; all but the mean score's coefficient are held small.

    Args:
        features: n photographs.
        truth: Of the same.
        strength: As `fit_linear`.
        sigma: Held-out residual; None takes that of the fit.
    """
    return Ridge(fit_linear(build_columns(features), truth.reference, strength, sigma))


def fit_linear(columns: FloatArray, reference: np.ndarray, strength: float, sigma: float | None = None) -> Linear:
    """Fit by least squares; all but the first column's coefficient are held small.

    Args:
        columns: (n, P).
        reference: (n,) grades 0-4.
        strength: Of the penalty, on the mean squared error of scaled columns, so that it means the same for any n.
        sigma: Held-out residual; None takes that of the fit.

    Source: Hoerl and Kennard 1970, Technometrics 12(1), eq. 2.1.
    """
    scaling, grades = Scaling.of(columns), np.asarray(reference, dtype=np.float64)
    scaled, intercept = scaling.apply(columns), float(grades.mean())
    penalty = np.full(scaled.shape[1], strength + JITTER)
    penalty[0] = JITTER
    gram = scaled.T @ scaled / len(grades) + np.diag(penalty)
    coefficients = np.linalg.solve(gram, scaled.T @ (grades - intercept) / len(grades)).astype(np.float64)
    if sigma is None:
        sigma = float(np.sqrt(np.mean((scaled @ coefficients + intercept - grades) ** 2)))
    return Linear(scaling, coefficients, intercept, sigma)
