"""Decisions: predicted grades from probabilities and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.errors import UsageError, did_you_mean
from drkit.grades import MAX_GRADE, NUM_GRADES, REFERABLE_FROM

Decision = Literal["argmax", "median", "rounding", "cut_points"]
DECISIONS: tuple[str, ...] = get_args(Decision)
Grades = NDArray[np.int64]  # from 0 to 4

MIN_SIGMA = 0.1  # grades; keeps the probabilities of a regression from becoming one-hot
HALF = 0.5 - 1e-6  # because float32 probabilities that sum to a half may be slightly lower


@dataclass(frozen=True)
class GradePredictions:
    """Predictions for N photographs or units, before a decision turns them into grades.

    Args:
        probabilities: (N, 5), of the grades 0-4, with row sums of 1.
        score: (N,) in [0, 4].
    """

    probabilities: NDArray[Any]
    score: NDArray[Any]

    @classmethod
    def mean(cls, predictions: Sequence["GradePredictions"]) -> "GradePredictions":
        """Average the probabilities and scores of several models for the same N photographs."""
        return cls(
            np.mean([each.probabilities for each in predictions], 0), np.mean([each.score for each in predictions], 0)
        )

    @classmethod
    def join(cls, parts: Sequence["GradePredictions"]) -> "GradePredictions":
        """Concatenate the predictions of different photographs or units."""
        return cls(
            np.concatenate([part.probabilities for part in parts]), np.concatenate([part.score for part in parts])
        )

    def take(self, rows: NDArray[Any]) -> "GradePredictions":
        """Select rows by indices, which may repeat, or by a mask."""
        return GradePredictions(self.probabilities[rows], self.score[rows])


def decide(
    decision: str,
    probabilities: ArrayLike,
    score: ArrayLike,
    cut_points: Sequence[float] | None = None,
) -> NDArray[np.int8]:
    """Decide the predicted grade of each photograph.

    Args:
        decision: `argmax` of the probabilities, the lower grade of a tie; `median`, the lowest grade with a cumulative
            probability of at least one half; `rounding` of the score, half up, within 0-4; or `cut_points`, the number
            of cut points that the score reaches.
        probabilities: (N, 5), with row sums of 1.
        score: (N,) in [0, 4].
        cut_points: Four ascending thresholds for `cut_points`; (0.5, 1.5, 2.5, 3.5) is the same as rounding.

    Returns:
        (N,) grades 0-4.

    Raises:
        UsageError: an unknown decision, or cut points that are missing, not four or not ascending.
    """
    probability, scores = np.asarray(probabilities), np.asarray(score, dtype=np.float64)
    if decision == "argmax":
        grades = probability.argmax(-1)
    elif decision == "median":
        grades = (np.cumsum(probability, -1, dtype=np.float64) >= HALF).argmax(-1)
    elif decision == "rounding":
        grades = np.clip(np.floor(scores + 0.5), 0, MAX_GRADE)
    elif decision == "cut_points":
        grades = np.searchsorted(_check_cut_points(cut_points), scores, side="right")
    else:
        raise UsageError(f"unknown decision '{decision}': {did_you_mean(decision, DECISIONS)}")
    return np.asarray(grades, dtype=np.int8)


def decide_by_fold(
    score: ArrayLike, fold: ArrayLike, cut_points: Sequence[float] | None, of_folds: Mapping[int, Sequence[float]]
) -> NDArray[np.int8]:
    """Decide by cut points; the rows of a fold by cut points that were fitted on the other folds.

    Args:
        score: (N,) in [0, 4].
        fold: (N,) number of the fold that held a row out; any other number if no fold did.
        cut_points: The cut points for rows that no fold held out.
        of_folds: The cut points for the rows of each fold, by its number.

    Returns:
        (N,) grades 0-4.

    Raises:
        UsageError: cut points that are not four or not ascending.
    """
    scores, folds, unused = np.asarray(score, dtype=np.float64), np.asarray(fold), np.empty((0, NUM_GRADES))
    grades = decide("cut_points", unused, scores, cut_points)
    for number, of_fold in of_folds.items():
        grades[folds == number] = decide("cut_points", unused, scores[folds == number], of_fold)
    return grades


def normal_probabilities(score: ArrayLike, sigma: float) -> NDArray[np.float64]:
    """Probabilities of the grades for a regression: the mass of a normal distribution around the score.

    Grade k has the mass between k - 0.5 and k + 0.5; the intervals of the lowest and highest grade are unbounded.

    Args:
        score: (N,), any range.
        sigma: Standard deviation of residuals on held-out rows, at least 0; values below `MIN_SIGMA` are raised to it.

    Returns:
        (N, 5), with row sums of 1.

    Raises:
        ValueError: sigma is negative or not a number.
    """
    if not sigma >= 0:
        raise ValueError(f"sigma {sigma}: expected a standard deviation of at least 0")
    edges = np.arange(MAX_GRADE) + 0.5
    deviations = (edges - np.asarray(score, dtype=np.float64)[:, None]) / max(sigma, MIN_SIGMA)  # (N, 4)
    below = [erfc(-deviation / sqrt(2)) / 2 for deviation in deviations.ravel().tolist()]  # exact in both tails
    return np.diff(np.array(below, dtype=np.float64).reshape(deviations.shape), prepend=0.0, append=1.0)


def expected_grade(probabilities: ArrayLike) -> NDArray[np.float64]:
    """The mean grade (N,) in [0, 4] of probabilities (N, 5)."""
    return np.clip(np.asarray(probabilities, dtype=np.float64) @ np.arange(NUM_GRADES), 0, MAX_GRADE)


def referable_probability(probabilities: ArrayLike) -> NDArray[np.float64]:
    """The probability (N,) of grade 2 or worse, from probabilities (N, 5)."""
    return np.asarray(probabilities, dtype=np.float64)[:, REFERABLE_FROM:].sum(1)


def _check_cut_points(cut_points: Sequence[float] | None) -> NDArray[np.float64]:
    if cut_points is None or len(cut_points) != MAX_GRADE:
        given = "none" if cut_points is None else f"{len(cut_points)}"
        raise UsageError(f"the decision cut_points needs {MAX_GRADE} cut points, got {given}")
    thresholds = np.asarray(cut_points, dtype=np.float64)
    if not (np.isfinite(thresholds).all() and (np.diff(thresholds) >= 0).all()):
        raise UsageError(f"cut points {', '.join(f'{point:g}' for point in thresholds)}: expected ascending numbers")
    return thresholds
