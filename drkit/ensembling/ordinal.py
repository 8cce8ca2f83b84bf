"""A meta-learner for the probabilities: proportional odds, held small about the members' mean."""

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
WIDTH_PENALTY = 1e-4  # keeps the thresholds of a grade that does not occur finite
LEAST_MASS = 1e-12


@dataclass(frozen=True)
class Ordinal:
    """Ordinal logistic regression on the members' answers.

    Args:
        scaling: Of the columns.
        coefficients: (P,) of the scaled columns.
        thresholds: (4,) rising.
    """

    scaling: Scaling
    coefficients: FloatArray
    thresholds: FloatArray

    def predict(self, features: Features) -> GradePredictions:
        """Combine; the score is the expected grade."""
        latent = self.scaling.apply(build_columns(features)) @ self.coefficients
        probabilities = np.diff(_below(latent, self.thresholds), axis=1)
        probabilities = probabilities / probabilities.sum(1, keepdims=True)
        return GradePredictions(probabilities, expected_grade(probabilities))

    def to_json(self) -> dict[str, Any]:
        """All its numbers."""
        numbers = {"coefficients": self.coefficients.tolist(), "thresholds": self.thresholds.tolist()}
        return {"kind": "ordinal", "scaling": self.scaling.to_json(), **numbers}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Ordinal":
        """What `to_json` gave."""
        coefficients, thresholds = (np.asarray(record[key], float) for key in ("coefficients", "thresholds"))
        return cls(Scaling.from_json(record["scaling"]), coefficients, thresholds)


def fit_ordinal(features: Features, truth: ReferenceGrades, strength: float) -> Ordinal:
    """Maximise the likelihood; all but the mean score's coefficient are held small.

    Args:
        features: n photographs.
        truth: Of the same.
        strength: Of the penalty, on the mean log loss of scaled columns, so that it means the same for any n.

    Source: McCullagh 1980, JRSS B 42(2), eq. 1.1, with a ridge penalty.
    """
    columns = build_columns(features)
    scaling = Scaling.of(columns)
    scaled = scaling.apply(columns)
    penalty = np.full(scaled.shape[1], strength)
    penalty[0] = WIDTH_PENALTY
    solution = minimize(
        _objective,
        _start(scaled.shape[1], truth),
        args=(scaled, truth.reference, penalty),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": TOLERANCE},
    )
    thresholds, coefficients, _ = _unpack(solution.x)
    return Ordinal(scaling, coefficients, thresholds)


def _start(num_columns: int, truth: ReferenceGrades) -> FloatArray:
    """The thresholds of the grades' frequencies, and the mean score alone."""
    counts = np.bincount(truth.reference, minlength=NUM_GRADES) + 0.5
    below = np.cumsum(counts)[:-1] / counts.sum()
    thresholds = np.log(below / (1 - below))
    start = np.zeros(MAX_GRADE + num_columns)
    start[0], start[1:MAX_GRADE] = thresholds[0], np.log(np.diff(thresholds))
    start[MAX_GRADE] = 1.0
    return start


def _unpack(parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds (4,), coefficients (P,), and the gaps (3,) whose logarithms are fitted."""
    gaps = np.exp(np.clip(parameters[1:MAX_GRADE], -20, 20))
    thresholds = parameters[0] + np.concatenate([[0.0], np.cumsum(gaps)])
    return thresholds, parameters[MAX_GRADE:], gaps


def _objective(
    parameters: FloatArray, scaled: FloatArray, reference: np.ndarray, penalty: FloatArray
) -> tuple[float, FloatArray]:
    """Mean log loss with penalties, and its gradient.

    With a and b the shares below the upper and the lower threshold, the log of a - b changes with the latent value
    by a + b - 1, and with the thresholds by a (1 - a) / (a - b) and -b (1 - b) / (a - b).
    """
    thresholds, coefficients, gaps = _unpack(parameters)
    latent, rows = scaled @ coefficients, np.arange(len(reference))
    below = _below(latent, thresholds)  # (n, 6)
    upper, lower = below[rows, reference + 1], below[rows, reference]
    mass = np.maximum(upper - lower, LEAST_MASS)
    slopes = below * (1 - below)  # (n, 6)
    pulls = np.zeros_like(below)
    pulls[rows, reference + 1] = slopes[rows, reference + 1] / mass
    pulls[rows, reference] -= slopes[rows, reference] / mass
    by_threshold = -pulls.mean(0)[1:-1]  # (4,)
    from_above = np.cumsum(by_threshold[::-1])[::-1]  # a gap moves all thresholds above it
    first = np.concatenate([from_above[:1], from_above[1:] * gaps])
    held = np.concatenate([WIDTH_PENALTY * parameters[:MAX_GRADE], penalty * coefficients])
    by_latent = scaled.T @ (1 - upper - lower) / len(reference)
    value = -np.log(mass).mean() + (held * parameters).sum() / 2
    return float(value), np.concatenate([first, by_latent]) + held


def _below(latent: FloatArray, thresholds: FloatArray) -> FloatArray:
    """(N, 6) share below each threshold, the open ends included."""
    inner = expit(thresholds - latent[:, None])
    ends = np.zeros((len(latent), 1)), np.ones((len(latent), 1))
    return np.hstack([ends[0], inner, ends[1]])
