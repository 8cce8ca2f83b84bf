"""Nested cross-validation: methods are tuned and fitted without the patients they are scored on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drkit.cut_points import ENOUGH_PHOTOGRAPHS, fit_steady_cut_points
from drkit.data.folds import assign_folds
from drkit.decisions import GradePredictions, decide
from drkit.ensembling.combiner import Combiner, Features, Method, ReferenceGrades, Rows, hold_out
from drkit.ensembling.pooling import PhotographPooler, Pooled
from drkit.errors import InputError

INNER_FOLDS = 5  # within what is fitted on, for settings and cut points; 2 where half is enough to fit to


@dataclass(frozen=True)
class DecisionRule:
    """How answers become grades.

    Args:
        decision: One of `drkit.decisions.DECISIONS`.
        cut_points: For `cut_points`.
    """

    decision: str
    cut_points: tuple[float, ...] | None = None

    def decide(self, answers: GradePredictions) -> NDArray[np.int64]:
        """(N,) grades, of the very numbers that a predictions file keeps."""
        probabilities, score = answers.probabilities.astype(np.float32), answers.score.astype(np.float32)
        return decide(self.decision, probabilities, score, self.cut_points).astype(np.int64)


@dataclass(frozen=True)
class Combination:
    """A fitted method with its decision rule.

    Args:
        method: With the settings that were chosen.
        combiner: The fitted method.
        rule: How it decides.
    """

    method: Method
    combiner: Combiner
    rule: DecisionRule


@dataclass(frozen=True)
class NestedCV:
    """Graded photographs in outer folds.

    Args:
        pooler: Of all N photographs.
        rows: (n,) the graded ones that are fitted on.
        truth: Of the same.
        fold: (n,) outer fold of each.
        whole: All graded photographs, pooled with what was learned from all of them.
        seed: Of all draws.
    """

    pooler: PhotographPooler
    rows: Rows
    truth: ReferenceGrades
    fold: Rows
    whole: Pooled
    seed: int

    def part(self, number: int) -> tuple[Features, ReferenceGrades, Features]:
        """What outer fold `number` is fitted on, its truth, and what it is to answer."""
        held, others = self.rows[self.fold == number], self.rows[self.fold != number]
        truth = self.truth.take(self.fold != number)
        joined = self.pooler.fit(others, truth, self.seed)
        return joined.training, truth, joined.features.take(held)


@dataclass(frozen=True)
class NestedPredictions:
    """Predictions of a method by nested cross-validation.

    Args:
        answers: To the n graded photographs, each by a fit without its patient.
        grades: (n,) decided by the rule of the same fit.
        final: Combiner on all graded photographs.
        all_answers: By the final fit, to all N photographs.
        all_grades: (N,) decided by the final rule.
    """

    answers: GradePredictions
    grades: Rows
    final: Combination
    all_answers: GradePredictions
    all_grades: Rows


def build_nested_cv(pooler: PhotographPooler, num_folds: int, seed: int) -> NestedCV:
    """Deal the graded patients into outer folds.

    Raises:
        InputError: no reference grade to fit on, or those of one patient only.
    """
    members = pooler.members
    rows = members.graded_rows()
    reference = members.reference().iloc[rows].to_numpy(dtype=np.int64)
    names, patients = np.unique(members.patients[rows], return_inverse=True)
    truth, num_patients = ReferenceGrades(reference, patients), len(names)
    if num_patients < 2:
        raise InputError(
            f"{' and '.join(members.names)}: {num_patients} patients of train and val have a reference grade of the"
            f" {members.target}, at least 2 are needed to combine and to score: vote needs none"
        )
    fold = assign_folds(reference, truth.patients, num_folds, seed, too_few="fewer folds")
    return NestedCV(pooler, rows, truth, fold, pooler.fit(rows, truth, seed), seed)


def cross_val_predict(cv: NestedCV, method: Method, decision: str) -> NestedPredictions:
    """Fit a method without each outer fold in turn and answer that fold; then fit it on all.

    Args:
        cv: The graded photographs.
        method: Not yet tuned.
        decision: As `combine`.
    """
    probabilities, score = np.empty((len(cv.truth), 5)), np.empty(len(cv.truth))
    grades = np.empty(len(cv.truth), dtype=np.int64)
    for number in range(int(cv.fold.max()) + 1):
        training, truth, held_features = cv.part(number)
        combination = combine(method, training, truth, decision, cv.seed)
        answers = combination.combiner.predict(held_features)
        held = cv.fold == number
        probabilities[held], score[held] = answers.probabilities, answers.score
        grades[held] = combination.rule.decide(answers)
    final = combine(method, cv.whole.training, cv.truth, decision, cv.seed)
    everything = final.combiner.predict(cv.whole.features)
    return NestedPredictions(
        GradePredictions(probabilities, score), grades, final, everything, final.rule.decide(everything)
    )


def combine(method: Method, features: Features, truth: ReferenceGrades, decision: str, seed: int) -> Combination:
    """Tune, fit, and find the rule, all on the same photographs by folds within them.

    Args:
        method: Not yet tuned.
        features: n photographs.
        truth: Of the same.
        decision: One of `drkit.decisions.DECISIONS`; a method that votes decides in its own way.
        seed: Of folds and fits.
    """
    num_folds = INNER_FOLDS if len(truth) < ENOUGH_PHOTOGRAPHS else 2
    folds = assign_folds(truth.reference, truth.patients, num_folds, seed, too_few="fewer folds")
    tuned = method.tune(features, truth, folds, seed)
    rule = _find_rule(tuned, features, truth, folds, decision, seed)
    return Combination(tuned, tuned.fit(features, truth, seed), rule)


def _find_rule(
    method: Method, features: Features, truth: ReferenceGrades, folds: Rows, decision: str, seed: int
) -> DecisionRule:
    if method.decision is not None:
        return DecisionRule(method.decision)
    if decision != "cut_points" or len(np.unique(folds)) < 2:
        return DecisionRule("rounding" if decision == "cut_points" else decision)
    score = hold_out(method, features, truth, folds, seed).score.astype(np.float32)
    return DecisionRule("cut_points", fit_steady_cut_points(score, truth.reference, truth.patients, seed))


def common_decision(decisions: Sequence[str]) -> str:
    """The members' own decision where they share one that needs no cut points, else rounding."""
    shared = set(decisions)
    return shared.pop() if len(shared) == 1 and shared <= {"argmax", "median", "rounding"} else "rounding"
