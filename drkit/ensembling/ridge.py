"""Meta-learner for the score: ridge regression, penalised towards the members' mean score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drkit.decisions import GradePredictions, normal_probabilities
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades
from drkit.ensembling.design import Scaling, build_columns
from drkit.grades import MAX_GRADE

JITTER = 1e-9  # keeps the system regular if a column is constant


@dataclass(frozen=True)
class Linear:
    """A linear regression of the grade.

    Args:
        scaling: Scaling of the columns.
        coefficients: (P,) coefficients of the scaled columns.
        intercept: Mean reference grade.
        sigma: Standard deviation of the residual, from which the probabilities are computed.
    """

    scaling: Scaling
    coefficients: FloatArray
    intercept: float
    sigma: float

    def predict(self, columns: FloatArray) -> GradePredictions:
        """Predict from columns (N, P); scores are clipped to [0, 4]."""
        linear = self.scaling.apply(columns) @ self.coefficients
        score = np.clip(linear + self.intercept, 0, MAX_GRADE)
        return GradePredictions(normal_probabilities(score, self.sigma), score)

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        numbers = {"coefficients": self.coefficients.tolist(), "intercept": self.intercept, "sigma": self.sigma}
        return {"scaling": self.scaling.to_json(), **numbers}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Linear":
        """Restore from the output of `to_json`."""
        coefficients = np.asarray(record["coefficients"], float)
        scaling = Scaling.from_json(record["scaling"])
        return cls(scaling, coefficients, float(record["intercept"]), float(record["sigma"]))


@dataclass(frozen=True)
class Ridge:
    """A linear regression of the grade on the members' predictions.

    Args:
        linear: Regression on the columns of `build_columns`.
    """

    linear: Linear

    def predict(self, features: Features) -> GradePredictions:
        """Combine the members' predictions."""
        return self.linear.predict(build_columns(features))

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        return {"kind": "ridge", **self.linear.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Ridge":
        """Restore from the output of `to_json`."""
        return cls(Linear.from_json(record))


def fit_ridge(features: Features, truth: ReferenceGrades, strength: float, sigma: float | None = None) -> Ridge:
    """Fit the grade by least squares with a penalty on all coefficients but that of the mean score.

    Args:
        features: Predictions of the members for n photographs.
        truth: Reference grades of the same photographs.
        strength: As in `fit_linear`.
        sigma: Standard deviation of the held-out residual; None takes the residual of the fit.
    """
    return Ridge(fit_linear(build_columns(features), truth.reference, strength, sigma))


def fit_linear(columns: FloatArray, reference: np.ndarray, strength: float, sigma: float | None = None) -> Linear:
    """Fit by least squares with a penalty on all coefficients but that of the first column.

    Args:
        columns: (n, P) columns before scaling.
        reference: (n,) reference grades 0-4.
        strength: Weight of the penalty relative to the mean squared error, and therefore independent of n.
        sigma: Standard deviation of the held-out residual; None takes the residual of the fit.

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
