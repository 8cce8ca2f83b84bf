"""Meta-learner for probabilities: proportional-odds regression, penalised towards the members' mean score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from drkit.decisions import GradePredictions, expected_grade
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades
from drkit.ensembling.design import Scaling, build_columns
from drkit.grades import MAX_GRADE, NUM_GRADES

MAX_ITERATIONS = 300
TOLERANCE = 1e-8  # of the mean log loss
WIDTH_PENALTY = 1e-4  # keeps the thresholds of a grade without photographs finite
MIN_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Ordinal:
    """Ordinal logistic regression on the members' predictions.

    Args:
        scaling: Scaling of the columns of `build_columns`.
        coefficients: (P,) coefficients of the scaled columns.
        thresholds: (4,) rising thresholds between the grades.
    """

    scaling: Scaling
    coefficients: FloatArray
    thresholds: FloatArray

    def predict(self, features: Features) -> GradePredictions:
        """Combine the members' predictions; the score is the expected grade."""
        latent = self.scaling.apply(build_columns(features)) @ self.coefficients
        probabilities = np.diff(_below(latent, self.thresholds), axis=1)
        return GradePredictions(probabilities, expected_grade(probabilities))

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        numbers = {"coefficients": self.coefficients.tolist(), "thresholds": self.thresholds.tolist()}
        return {"kind": "ordinal", "scaling": self.scaling.to_json(), **numbers}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Ordinal":
        """Restore from the output of `to_json`."""
        coefficients, thresholds = (np.asarray(record[key], float) for key in ("coefficients", "thresholds"))
        return cls(Scaling.from_json(record["scaling"]), coefficients, thresholds)


def fit_ordinal(features: Features, truth: ReferenceGrades, strength: float) -> Ordinal:
    """Maximise the likelihood with a ridge penalty on all coefficients but that of the mean score.

    Args:
        features: Predictions of the members for n photographs.
        truth: Reference grades of the same photographs.
        strength: Weight of the penalty relative to the mean log loss, and therefore independent of n.

    Source: McCullagh 1980, JRSS B 42(2), eq. 1.1, with a ridge penalty.
    """
    columns = build_columns(features)
    scaling = Scaling.of(columns)
    scaled = scaling.apply(columns)
    penalty = np.full(scaled.shape[1], strength)
    penalty[0] = WIDTH_PENALTY
    solution = minimize(
        _objective,
        _initial_parameters(scaled.shape[1], truth),
        args=(scaled, truth.reference, penalty),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": TOLERANCE},
    )
    thresholds, coefficients, _ = _unpack(solution.x)
    return Ordinal(scaling, coefficients, thresholds)


def _initial_parameters(num_columns: int, truth: ReferenceGrades) -> FloatArray:
    """Thresholds from the grades' frequencies, coefficient 1 of the mean score, and 0 of all other columns."""
    counts = np.bincount(truth.reference, minlength=NUM_GRADES) + 0.5
    below = np.cumsum(counts)[:-1] / counts.sum()
    thresholds = np.log(below / (1 - below))
    start = np.zeros(MAX_GRADE + num_columns)
    start[0], start[1:MAX_GRADE] = thresholds[0], np.log(np.diff(thresholds))
    start[MAX_GRADE] = 1.0
    return start


def _unpack(parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds (4,), coefficients (P,), and the gaps (3,) between thresholds, whose logarithms are fitted."""
    gaps = np.exp(np.clip(parameters[1:MAX_GRADE], -20, 20))
    thresholds = parameters[0] + np.concatenate([[0.0], np.cumsum(gaps)])
    return thresholds, parameters[MAX_GRADE:], gaps


def _objective(
    parameters: FloatArray, scaled: FloatArray, reference: np.ndarray, penalty: FloatArray
) -> tuple[float, FloatArray]:
    """Mean log loss with penalties, and its gradient.

    Let a and b be the probabilities of a grade below the upper and the lower threshold of the reference grade. The
    derivatives of log(a - b) are a + b - 1 with respect to the latent value, and a (1 - a) / (a - b) and
    -b (1 - b) / (a - b) with respect to the two thresholds.
    """
    thresholds, coefficients, gaps = _unpack(parameters)
    latent, rows = scaled @ coefficients, np.arange(len(reference))
    below = _below(latent, thresholds)  # (n, 6)
    upper, lower = below[rows, reference + 1], below[rows, reference]
    probability = np.maximum(upper - lower, MIN_PROBABILITY)
    slopes = below * (1 - below)  # (n, 6)
    by_threshold = np.zeros_like(below)
    by_threshold[rows, reference + 1] = slopes[rows, reference + 1] / probability
    by_threshold[rows, reference] -= slopes[rows, reference] / probability
    threshold_gradient = -by_threshold.mean(0)[1:-1]  # (4,)
    from_above = np.cumsum(threshold_gradient[::-1])[::-1]  # a gap moves all thresholds above it
    width_gradient = np.concatenate([from_above[:1], from_above[1:] * gaps])
    coefficient_gradient = scaled.T @ (1 - upper - lower) / len(reference)
    penalty_gradient = np.concatenate([WIDTH_PENALTY * parameters[:MAX_GRADE], penalty * coefficients])
    value = -np.log(probability).mean() + (penalty_gradient * parameters).sum() / 2
    return float(value), np.concatenate([width_gradient, coefficient_gradient]) + penalty_gradient


def _below(latent: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Probability (N, 6) of a grade below each threshold, with 0 and 1 at the ends."""
    return np.pad(expit(thresholds - latent[:, None]), ((0, 0), (1, 1)), constant_values=(0, 1))
