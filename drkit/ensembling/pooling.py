"""Photographs of an eye or a patient joined after the networks: each gets the answer of all."""

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

STRENGTH = 0.1  # of the penalty on what the highest and the lowest score add to the mean
INNER_FOLDS = 5


@dataclass(frozen=True)
class Pooling:
    """What is joined, and how.

    Args:
        over: Nothing, the photographs of an eye, or all of a patient.
        by: `mean` of probabilities and scores; `max`, the photograph with the highest score; `learned`, a small
            regression on mean, highest and lowest score. Eyes that are graded each for itself make a patient's grade
            by the worse eye, where `by` is mean.
    """

    over: PoolOver = "none"
    by: PoolBy = "mean"

    @property
    def is_learned(self) -> bool:
        """Whether reference grades are needed."""
        return self.over != "none" and self.by == "learned"


@dataclass(frozen=True)
class Pooled:
    """What the members say once their photographs are joined.

    Args:
        features: Of all N photographs.
        training: Of the n that were fitted on, each joined without the help of its own grade.
        learned: One regression a member, or none.
    """

    features: Features
    training: Features
    learned: tuple[Linear, ...] = ()


@dataclass(frozen=True)
class PhotographPooler:
    """Joins the photographs of members.

    Args:
        members: Their target already that of what is joined.
        pooling: What and how.
        features: Of all photographs; joined unless that is to be learned.
        summaries: (N, M, 3) mean score of what is joined, and how far the highest and the lowest lie from it.
    """

    members: Members
    pooling: Pooling
    features: Features
    summaries: FloatArray

    def fit(self, rows: Rows, truth: ReferenceGrades, seed: int) -> Pooled:
        """Join, after learning it from some rows where it is to be learned.

        Args:
            rows: (n,) to learn from.
            truth: Of the same.
            seed: Of the folds within them.
        """
        if not self.pooling.is_learned:
            return Pooled(self.features, self.features.take(rows))
        learned = self._learn(rows, truth)
        folds = assign_folds(truth.reference, truth.patients, INNER_FOLDS, seed, too_few="fewer folds")
        features = self.apply(learned)
        if len(np.unique(folds)) < 2:
            return Pooled(features, features.take(rows), learned)
        held = [rows[folds == number] for number in np.unique(folds)]
        parts = [
            self.apply(self._learn(rows[folds != number], truth.take(folds != number))).take(part)
            for number, part in enumerate(held)
        ]
        place = np.argsort(np.concatenate([np.flatnonzero(folds == number) for number in range(len(held))]))
        return Pooled(features, _concatenate(parts).take(place), learned)

    def apply(self, learned: tuple[Linear, ...]) -> Features:
        """What the members say (N) by regressions that were learned; as it is where there are none."""
        if not learned:
            return self.features
        predictions = [linear.predict(self.summaries[:, member]) for member, linear in enumerate(learned)]
        scores = np.stack([answers.score for answers in predictions], 1)
        probabilities = np.stack([answers.probabilities for answers in predictions], 1)
        grades = decide("rounding", probabilities, scores).astype(np.int64)
        return Features(scores, probabilities, grades, self.features.embeddings)

    def _learn(self, rows: Rows, truth: ReferenceGrades) -> tuple[Linear, ...]:
        count = self.summaries.shape[1]
        return tuple(fit_linear(self.summaries[rows, member], truth.reference, STRENGTH) for member in range(count))


def pooling_from_options(options: NestedCVOptions) -> Pooling:
    """What options ask for.

    Raises:
        UsageError: a way to join, and nothing to be joined.
    """
    if options.fuse == "none" and options.fuse_by != "mean":
        raise UsageError(f"--fuse-by {options.fuse_by} needs --fuse eye or --fuse patient")
    return Pooling(options.fuse, options.fuse_by)


def build_pooler(members: Members, pooling: Pooling) -> PhotographPooler:
    """Make ready to join.

    Raises:
        InputError: photographs whose eye is not known, where eyes are to be joined.
    """
    features = members.features()
    if pooling.over == "none":
        return PhotographPooler(members, pooling, features, np.empty((len(members), 0, 3)))
    first = members.predictions[0]
    groups = _groups(first, pooling.over)
    target: Target = "patient" if pooling.over == "patient" else members.target
    summaries = _summarise(features.scores, groups)
    if not pooling.is_learned:
        eyes = groups
        if pooling.by == "mean" and target != members.target:
            eyes = _groups(first, "eye")
        features = _pool_fixed(features, pooling.by, eyes, groups)
        features = replace(features, grades=_decide_each(features, members))
    else:
        embeddings = tuple(_mean(embedding, groups) for embedding in features.embeddings)
        features = replace(features, embeddings=embeddings)
    return PhotographPooler(replace(members, target=target), pooling, features, summaries)


def pooling_from_json(record: Mapping[str, Any]) -> tuple[Pooling, tuple[Linear, ...]]:
    """What `pooling_to_json` gave."""
    return Pooling(record["over"], record["by"]), tuple(map(Linear.from_json, record["learned"]))


def pooling_to_json(pooling: Pooling, learned: tuple[Linear, ...]) -> dict[str, Any]:
    """What is joined, how, and what was learned for it."""
    return {"over": pooling.over, "by": pooling.by, "learned": [linear.to_json() for linear in learned]}


def _groups(member: Predictions, over: PoolOver) -> NDArray[np.int64]:
    """(N,) the number of what each photograph is joined to; never across splits."""
    advice = "use --fuse none, or --fuse patient --fuse-by max"
    keys = eye_keys(member, advice) if over == "eye" else member.patients()
    with_split = pd.Series(keys) + " " + member.rows["split"].astype(str)
    return np.unique(with_split.to_numpy(dtype=str), return_inverse=True)[1]


def _pool_fixed(features: Features, by: PoolBy, eyes: NDArray[np.int64], groups: NDArray[np.int64]) -> Features:
    """Join to `groups`; by the highest score straight away, else the means of `eyes`, of which the worse counts."""
    embeddings = tuple(_mean(embedding, groups) for embedding in features.embeddings)
    scores, shares = features.scores, features.probabilities
    if by == "mean":
        scores, shares = _mean(scores, eyes), _mean(shares, eyes)
    if by == "max" or eyes is not groups:
        highest = _highest(scores, groups)  # (N, M) rows
        members = np.arange(scores.shape[1])
        scores, shares = scores[highest, members], shares[highest, members]
    return Features(scores, shares, features.grades, embeddings)


def _mean(values: NDArray, groups: NDArray[np.int64]) -> NDArray:
    """The mean (N, ...) over each row's group."""
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(groups, column) for column in flat.T], 1)
    means = sums / np.bincount(groups)[:, None]
    return means[groups].reshape(values.shape).astype(values.dtype)


def _highest(scores: FloatArray, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, M) the row with the highest score of each row's group; the first of equal ones."""
    highest = np.empty(scores.shape, dtype=np.int64)
    for member, column in enumerate(scores.T):
        order = np.lexsort((-column, groups))  # stable: the first row of equal ones stays first
        starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
        highest[:, member] = order[starts][groups]
    return highest


def _summarise(scores: FloatArray, groups: NDArray[np.int64]) -> FloatArray:
    members = np.arange(scores.shape[1])
    mean = _mean(scores, groups)
    highest, lowest = (sign * (sign * scores)[_highest(sign * scores, groups), members] for sign in (1, -1))
    return np.stack([mean, highest - mean, lowest - mean], 2)


def _decide_each(features: Features, members: Members) -> NDArray[np.int64]:
    """(N, M) grades of what is joined, each by the member's own decision."""
    decided = [
        decide_as(member.meta, features.probabilities[:, place], features.scores[:, place], member.rows["fold"])
        for place, member in enumerate(members.predictions)
    ]
    return np.stack(decided, 1).astype(np.int64)


def _concatenate(parts: list[Features]) -> Features:
    embeddings = tuple(np.concatenate(kept) for kept in zip(*(part.embeddings for part in parts), strict=True))
    scores, shares, grades = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "probabilities", "grades")
    )
    return Features(scores, shares, grades, embeddings)
