"""A finished ensemble grades photographs: every member first, then their combination."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import drkit
from drkit.decisions import GradePredictions
from drkit.ensembling.members import Members, join_members
from drkit.ensembling.pooling import build_pooler
from drkit.ensembling.serialization import Ensemble, SavedMember
from drkit.errors import InputError
from drkit.grades import SPLITS
from drkit.progress import track, warn
from drkit.records.prediction_lists import LISTS
from drkit.records.predictions import (
    PROBABILITY_COLUMNS,
    Predictions,
    PredictionsMeta,
    read_predictions,
    trained_splits,
)
from drkit.records.provenance import sha256_file

Grade = Callable[[Path], Predictions]


def predict_ensemble(ensemble: Ensemble, grade: Grade) -> Predictions:
    """Grade photographs with every member of an ensemble and combine their answers.

    Args:
        ensemble: As `read_ensemble` gives.
        grade: Grades the photographs with the run, or the ensemble, that a path belongs to (the predictions file
            beside it); with embeddings, if the run's own predictions have them.

    Raises:
        InputError: a member that is no longer the one that was combined.
    """
    tracked = track(ensemble.members, "members", len(ensemble.members))
    graded = [replace(_grade_member(ensemble, member, grade), name=member.name) for member in tracked]
    members = join_members(graded, [ensemble.path_of(member) for member in ensemble.members])
    pooler = build_pooler(members, ensemble.pooling)
    answers = ensemble.combiner.predict(pooler.apply(ensemble.learned))
    seen = _was_seen(ensemble, members)
    meta = _build_meta(ensemble, pooler.members, seen)
    return assemble(members, answers, ensemble.rule.decide(answers), meta, ensemble.name)


def assemble(
    members: Members, answers: GradePredictions, grades: NDArray[np.int64], meta: PredictionsMeta, name: str
) -> Predictions:
    """The members' rows with the ensemble's answers, and nobody's fold.

    Args:
        members: N photographs.
        answers: To the same.
        grades: (N,) decided.
        meta: Of the ensemble.
        name: The ensemble's.
    """
    rows = members.rows.drop(columns=list(LISTS), errors="ignore").copy()
    rows[list(PROBABILITY_COLUMNS)] = answers.probabilities.astype(np.float32)
    rows["score"] = answers.score.astype(np.float32)
    rows["predicted_grade"] = grades.astype(np.int8)
    rows["fold"] = pd.array([None] * len(rows), dtype="Int16")
    return Predictions(rows, meta, name)


def _grade_member(ensemble: Ensemble, member: SavedMember, grade: Grade) -> Predictions:
    path = ensemble.path_of(member)
    if not path.is_file():
        raise InputError(f"{path}, a member of {ensemble.path}, does not exist: restore it, or combine again")
    if sha256_file(path) != member.sha256:
        raise InputError(f"{path} was changed since {ensemble.path} was made of it: restore it, or combine again")
    predictions = grade(path)
    if predictions.meta.checkpoint_sha256 != member.checkpoint_sha256:
        raise InputError(
            f"the weights beside {path} are not those that {ensemble.path} was made with: restore them, or"
            " combine again"
        )
    return predictions


def _was_seen(ensemble: Ensemble, members: Members) -> NDArray[np.bool_]:
    """(N,) whether a member was trained on the photograph, or the ensemble fitted to its grade."""
    own = read_predictions(ensemble.predictions).rows
    fitted = set(own["image_id"][own["fold"].notna()]) if ensemble.record["is_fitted"] else set()
    seen = members.rows["image_id"].isin(fitted).to_numpy(dtype=bool)
    for member in members.predictions:
        seen = seen | member.leaked_rows()
    if seen.any():
        warn(f"{ensemble.name} was trained on {seen.sum()} of these photographs: do not evaluate it on them")
    return seen


def _build_meta(ensemble: Ensemble, members: Members, seen: NDArray[np.bool_]) -> PredictionsMeta:
    splits, images = trained_splits(members.rows, seen)
    record = ensemble.record
    split = record["chosen_on"]  # if the split is not one of those predicted here, the members say what it was
    by_members = [member.meta.chosen_on for member in members.predictions]
    unreadable = members.predictions[0].meta.provenance.get("unreadable")
    return PredictionsMeta(
        target=members.target,
        unit=record["unit"],
        decision=ensemble.rule.decision,
        cut_points=ensemble.rule.cut_points,
        trained_on=splits,
        trained_on_images=images,
        folds=0,
        chosen_on=by_members[0] if split in SPLITS and split not in by_members else split,
        model=record["model"],
        checkpoint_sha256=None,
        labels_sha256=members.predictions[0].meta.labels_sha256,
        provenance={
            "drkit_version": drkit.__version__,
            "ensemble_sha256": sha256_file(ensemble.path),
            "parents": [member.meta.provenance for member in members.predictions],
            **({"unreadable": unreadable} if unreadable else {}),
        },
    )
