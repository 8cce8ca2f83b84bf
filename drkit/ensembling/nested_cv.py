"""Nested cross-validation: methods are tuned and fitted without the patients that they are scored on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drkit.cut_points import ENOUGH_PHOTOGRAPHS, fit_steady_cut_points
from drkit.data.folds import assign_folds
from drkit.decisions import GradePredictions, Grades, decide
from drkit.ensembling.combiner import Combiner, Features, Method, ReferenceGrades, Rows, predict_out_of_fold
from drkit.ensembling.pooling import PhotographPooler, Pooled
from drkit.errors import InputError
from drkit.grades import NUM_GRADES

INNER_FOLDS = 5  # for settings and cut points; 2 if there are enough photographs to fit to half of them


@dataclass(frozen=True)
class DecisionRule:
    """How predictions become grades.

    Args:
        decision: One of `drkit.decisions.DECISIONS`.
        cut_points: Four rising thresholds of the score for the decision `cut_points`; None for the others.
    """

    decision: str
    cut_points: tuple[float, ...] | None = None

    def decide(self, predictions: GradePredictions) -> NDArray[np.int64]:
        """Grades (N,) of predictions rounded to float32, as predictions files store them."""
        probabilities, score = predictions.probabilities.astype(np.float32), predictions.score.astype(np.float32)
        return decide(self.decision, probabilities, score, self.cut_points).astype(np.int64)


@dataclass(frozen=True)
class Combination:
    """A fitted method with its decision rule.

    Args:
        method: The method with its chosen settings.
        combiner: The fitted method.
        rule: How its predictions become grades.
    """

    method: Method
    combiner: Combiner
    rule: DecisionRule


@dataclass(frozen=True, kw_only=True)
class NestedCV:
    """Graded photographs in outer folds.

    Args:
        pooler: Pooler of all N photographs.
        rows: (n,) row numbers of the graded photographs.
        truth: Reference grades of these n photographs.
        fold: (n,) outer fold of each.
        pooled: The photographs pooled by a fit to all graded photographs.
        seed: Random seed of the folds and fits.
    """

    pooler: PhotographPooler
    rows: Rows
    truth: ReferenceGrades
    fold: Rows
    pooled: Pooled
    seed: int

    def outer_fold(self, number: int) -> tuple[Features, ReferenceGrades, Features]:
        """Features and reference grades that outer fold `number` is fitted to, and the features that it predicts."""
        held_out, others = self.rows[self.fold == number], self.rows[self.fold != number]
        truth = self.truth.take(self.fold != number)
        pooled = self.pooler.fit(others, truth, self.seed)
        return pooled.training, truth, pooled.features.take(held_out)


@dataclass(frozen=True)
class NestedPredictions:
    """Predictions of a method by nested cross-validation.

    Args:
        out_of_fold: Predictions for the n graded photographs, each by a fit without its patient.
        grades: (n,) grades by the decision rules of these fits.
        final: The method fitted to all graded photographs.
        final_predictions: Predictions of the final fit for all N photographs.
        final_grades: (N,) grades of the final fit.
    """

    out_of_fold: GradePredictions
    grades: Grades
    final: Combination
    final_predictions: GradePredictions
    final_grades: Grades


def build_nested_cv(pooler: PhotographPooler, num_folds: int, seed: int) -> NestedCV:
    """Assign the graded patients to outer folds.

    Args:
        pooler: Pooler of all photographs.
        num_folds: Number of outer folds; fewer are made of fewer patients.
        seed: Random seed of the folds and fits.

    Raises:
        InputError: fewer than two patients of train and val have a reference grade.
    """
    members = pooler.members
    rows, truth = members.graded()
    num_patients = len(np.unique(truth.patients))
    if num_patients < 2:
        raise InputError(
            f"{' and '.join(members.names)}: {num_patients} patients of train and val have a reference grade of the"
            f" {members.target}, but fitting and scoring need at least 2: use vote, which needs no reference grades"
        )
    fold = assign_folds(truth.reference, truth.patients, num_folds, seed, too_few="fewer folds")
    pooled = pooler.fit(rows, truth, seed)
    return NestedCV(pooler=pooler, rows=rows, truth=truth, fold=fold, pooled=pooled, seed=seed)


def cross_val_predict(cv: NestedCV, method: Method, decision: str) -> NestedPredictions:
    """Predict each outer fold by a fit to the other folds, and all photographs by a fit to all graded ones.

    Args:
        cv: The outer folds.
        method: An untuned method.
        decision: As in `fit_combination`.
    """
    probabilities, score = np.empty((len(cv.truth), NUM_GRADES)), np.empty(len(cv.truth))
    grades = np.empty(len(cv.truth), dtype=np.int64)
    for number in range(int(cv.fold.max()) + 1):
        training, truth, held_out_features = cv.outer_fold(number)
        combination = fit_combination(method, training, truth, decision, cv.seed)
        predictions = combination.combiner.predict(held_out_features)
        held_out = cv.fold == number
        probabilities[held_out], score[held_out] = predictions.probabilities, predictions.score
        grades[held_out] = combination.rule.decide(predictions)
    final = fit_combination(method, cv.pooled.training, cv.truth, decision, cv.seed)
    final_predictions = final.combiner.predict(cv.pooled.features)
    return NestedPredictions(
        out_of_fold=GradePredictions(probabilities, score),
        grades=grades,
        final=final,
        final_predictions=final_predictions,
        final_grades=final.rule.decide(final_predictions),
    )


def fit_combination(
    method: Method, features: Features, truth: ReferenceGrades, decision: str, seed: int
) -> Combination:
    """Tune and fit a method, and fit its decision rule to predictions from inner folds.

    Args:
        method: An untuned method.
        features: Predictions of the members for n photographs.
        truth: Reference grades of the same photographs.
        decision: One of `drkit.decisions.DECISIONS`; ignored by methods that decide by vote.
        seed: Random seed of the inner folds and the fits.
    """
    num_folds = INNER_FOLDS if len(truth) < ENOUGH_PHOTOGRAPHS else 2
    folds = assign_folds(truth.reference, truth.patients, num_folds, seed, too_few="fewer folds")
    tuned = method.tune(features, truth, folds, seed)
    rule = _fit_decision_rule(tuned, features, truth, folds, decision, seed)
    return Combination(tuned, tuned.fit(features, truth, seed), rule)


def _fit_decision_rule(
    method: Method, features: Features, truth: ReferenceGrades, folds: Rows, decision: str, seed: int
) -> DecisionRule:
    if method.decision is not None:
        return DecisionRule(method.decision)
    if decision != "cut_points" or len(np.unique(folds)) < 2:
        return DecisionRule("rounding" if decision == "cut_points" else decision)
    score = predict_out_of_fold(method, features, truth, folds, seed).score.astype(np.float32)
    return DecisionRule("cut_points", fit_steady_cut_points(score, truth.reference, truth.patients, seed))


def common_decision(decisions: Sequence[str]) -> str:
    """The decision that all members share if it needs no cut points, otherwise rounding."""
    shared = set(decisions)
    return shared.pop() if len(shared) == 1 and shared <= {"argmax", "median", "rounding"} else "rounding"
