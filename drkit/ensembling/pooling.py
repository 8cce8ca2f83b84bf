"""Pooling of predictions over the photographs of an eye or a patient, so that they share one prediction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.config.ensemble import NestedCVOptions, PoolBy, PoolOver
from drkit.data.folds import assign_folds
from drkit.decisions import decide
from drkit.ensembling.combiner import Features, FloatArray, ReferenceGrades, Rows
from drkit.ensembling.members import Members
from drkit.ensembling.ridge import Linear, fit_linear
from drkit.errors import UsageError
from drkit.evaluation.aggregation import eye_keys
from drkit.grades import Target
from drkit.records.predictions import Predictions, decide_as

STRENGTH = 0.1  # penalty on the coefficients of the highest and the lowest score
INNER_FOLDS = 5


@dataclass(frozen=True)
class Pooling:
    """What predictions are pooled over, and how.

    Args:
        over: `none`, `eye` or `patient`.
        by: `mean`, the mean of probabilities and scores; `max`, the prediction with the highest score; `learned`, a
            small regression on the mean, highest and lowest score. If members predict the grade of an eye and
            predictions are pooled over patients, `mean` takes the mean of each eye and then the worse eye.
    """

    over: PoolOver = "none"
    by: PoolBy = "mean"

    @property
    def is_learned(self) -> bool:
        """Whether pooling is fitted to reference grades."""
        return self.over != "none" and self.by == "learned"


@dataclass(frozen=True)
class Pooled:
    """The members' predictions after pooling.

    Args:
        features: Predictions for all N photographs.
        training: Predictions for the n photographs that pooling was fitted to, each by a fit without its patient.
        learned: Regression of each member; empty unless pooling is learned.
    """

    features: Features
    training: Features
    learned: tuple[Linear, ...] = ()


@dataclass(frozen=True)
class PhotographPooler:
    """Pools the members' predictions.

    Args:
        members: The members, with the target of the pooled predictions.
        pooling: What predictions are pooled over, and how.
        features: Predictions for all N photographs; pooled already unless pooling is learned.
        summaries: (N, M, 3) mean score of the photograph's group, and the deviations of its highest and lowest score
            from the mean.
    """

    members: Members
    pooling: Pooling
    features: Features
    summaries: FloatArray

    def fit(self, rows: Rows, truth: ReferenceGrades, seed: int) -> Pooled:
        """Pool the predictions, by a fit to some rows if pooling is learned.

        Args:
            rows: (n,) row numbers to fit to.
            truth: Reference grades of these rows.
            seed: Random seed of the inner folds.
        """
        if not self.pooling.is_learned:
            return Pooled(self.features, self.features.take(rows))
        learned = self._fit_regressions(rows, truth)
        features = self.apply(learned)
        folds = assign_folds(truth.reference, truth.patients, INNER_FOLDS, seed, too_few="fewer folds")
        if len(np.unique(folds)) < 2:
            return Pooled(features, features.take(rows), learned)
        by_others = [
            self.apply(self._fit_regressions(rows[folds != number], truth.take(folds != number)))
            for number in range(folds.max() + 1)
        ]
        scores, probabilities, grades = (
            np.stack([getattr(each, name) for each in by_others])[folds, rows]
            for name in ("scores", "probabilities", "grades")
        )
        training = replace(features.take(rows), scores=scores, probabilities=probabilities, grades=grades)
        return Pooled(features, training, learned)

    def apply(self, learned: tuple[Linear, ...]) -> Features:
        """Apply the fitted regressions to the predictions of all N photographs; unchanged if there are none."""
        if not learned:
            return self.features
        predictions = [linear.predict(self.summaries[:, member]) for member, linear in enumerate(learned)]
        scores = np.stack([each.score for each in predictions], 1)
        probabilities = np.stack([each.probabilities for each in predictions], 1)
        grades = decide("rounding", probabilities, scores).astype(np.int64)
        return Features(scores, probabilities, grades, self.features.embeddings)

    def _fit_regressions(self, rows: Rows, truth: ReferenceGrades) -> tuple[Linear, ...]:
        num_members = self.summaries.shape[1]
        return tuple(
            fit_linear(self.summaries[rows, member], truth.reference, STRENGTH) for member in range(num_members)
        )


def pooling_from_options(options: NestedCVOptions) -> Pooling:
    """Read the pooling from the options of a command.

    Raises:
        UsageError: --fuse-by is given without --fuse.
    """
    if options.fuse == "none" and options.fuse_by != "mean":
        raise UsageError(f"--fuse-by {options.fuse_by} needs --fuse eye or --fuse patient")
    return Pooling(options.fuse, options.fuse_by)


def build_pooler(members: Members, pooling: Pooling) -> PhotographPooler:
    """Build the pooler of members, with everything that needs no reference grades.

    Raises:
        InputError: predictions are pooled over eyes, and the eye of a photograph is unknown.
    """
    features = members.features()
    if pooling.over == "none":
        return PhotographPooler(members, pooling, features, np.empty((len(members), 0, 3)))
    first = members.predictions[0]
    groups = _groups(first, pooling.over)
    target: Target = "patient" if pooling.over == "patient" else members.target
    summaries = _summarise(features.scores, groups)
    features = replace(features, embeddings=tuple(_mean(embedding, groups) for embedding in features.embeddings))
    if not pooling.is_learned:
        takes_worse_eye = pooling.by == "mean" and target != members.target
        eyes = _groups(first, "eye") if takes_worse_eye else groups
        features = _pool(features, pooling.by, eyes, groups)
        features = replace(features, grades=_decide_by_member(features, members))
    return PhotographPooler(replace(members, target=target), pooling, features, summaries)


def pooling_from_json(record: Mapping[str, Any]) -> tuple[Pooling, tuple[Linear, ...]]:
    """Restore from the output of `pooling_to_json`."""
    return Pooling(record["over"], record["by"]), tuple(map(Linear.from_json, record["learned"]))


def pooling_to_json(pooling: Pooling, learned: tuple[Linear, ...]) -> dict[str, Any]:
    """Convert the pooling and its regressions to JSON."""
    return {"over": pooling.over, "by": pooling.by, "learned": [linear.to_json() for linear in learned]}


def _groups(member: Predictions, over: PoolOver) -> NDArray[np.int64]:
    """Number (N,) of the eye or patient of each photograph, counted separately in each split."""
    advice = "use --fuse none, or --fuse patient --fuse-by max"
    keys = eye_keys(member, advice) if over == "eye" else member.patients()
    with_split = pd.Series(keys) + " " + member.rows["split"].astype(str)
    return np.unique(with_split.to_numpy(dtype=str), return_inverse=True)[1]


def _pool(features: Features, by: PoolBy, eyes: NDArray[np.int64], groups: NDArray[np.int64]) -> Features:
    """Pool over `groups` by `max`, or by `mean` over `eyes`, of which the worse counts in each group."""
    scores, probabilities = features.scores, features.probabilities
    if by == "mean":
        scores, probabilities = _mean(scores, eyes), _mean(probabilities, eyes)
    if by == "max" or eyes is not groups:
        highest, members = _highest(scores, groups), np.arange(scores.shape[1])
        scores, probabilities = scores[highest, members], probabilities[highest, members]
    return replace(features, scores=scores, probabilities=probabilities)


def _mean(values: NDArray, groups: NDArray[np.int64]) -> NDArray:
    """Mean (N, ...) over each row's group."""
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(groups, column) for column in flat.T], 1)
    means = sums / np.bincount(groups)[:, None]
    return means[groups].reshape(values.shape).astype(values.dtype)


def _highest(scores: FloatArray, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row number (N, M) of the highest score in each row's group; a tie goes to the first row."""
    highest = np.empty(scores.shape, dtype=np.int64)
    for member, column in enumerate(scores.T):
        order = np.lexsort((-column, groups))  # stable, so that the first of tied rows stays first
        starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
        highest[:, member] = order[starts][groups]
    return highest


def _summarise(scores: FloatArray, groups: NDArray[np.int64]) -> FloatArray:
    """Mean score of each row's group, and the deviations of its highest and lowest score, (N, M, 3)."""
    members = np.arange(scores.shape[1])
    mean = _mean(scores, groups)
    highest, lowest = (sign * (sign * scores)[_highest(sign * scores, groups), members] for sign in (1, -1))
    return np.stack([mean, highest - mean, lowest - mean], 2)


def _decide_by_member(features: Features, members: Members) -> NDArray[np.int64]:
    """Grades (N, M) of pooled predictions, by each member's own decision."""
    grades = [
        decide_as(member.meta, features.probabilities[:, number], features.scores[:, number], member.rows["fold"])
        for number, member in enumerate(members.predictions)
    ]
    return np.stack(grades, 1).astype(np.int64)
