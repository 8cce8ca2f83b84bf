"""Prediction with a finished ensemble: every member grades the photographs, and the ensemble combines them."""

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
    """Grade photographs with every member of an ensemble and combine the predictions.

    Args:
        ensemble: A finished ensemble.
        grade: Grades the photographs with a member, which is a run or another ensemble, given the path of the member's
            predictions file; the predictions include embeddings if that file does.

    Raises:
        InputError: a member has changed since the ensemble was made, or its files are missing.
    """
    tracked = track(ensemble.members, "members", len(ensemble.members))
    predictions = [replace(_grade_member(ensemble, member, grade), name=member.name) for member in tracked]
    members = join_members(predictions, [ensemble.path_of(member) for member in ensemble.members])
    pooler = build_pooler(members, ensemble.pooling)
    combined = ensemble.combiner.predict(pooler.apply(ensemble.learned))
    meta = _build_meta(ensemble, pooler.members, _was_trained_on(ensemble, members))
    return assemble(members, combined, ensemble.rule.decide(combined), meta, ensemble.name)


def assemble(
    members: Members, combined: GradePredictions, grades: NDArray[np.int64], meta: PredictionsMeta, name: str
) -> Predictions:
    """Replace the members' predictions by the ensemble's in the rows of a predictions file, and clear the folds.

    Args:
        members: The members, with N photographs.
        combined: The ensemble's predictions for these photographs.
        grades: (N,) predicted grades 0-4.
        meta: Metadata of the ensemble's predictions.
        name: Name of the ensemble.
    """
    rows = members.rows.drop(columns=list(LISTS), errors="ignore").copy()
    rows[list(PROBABILITY_COLUMNS)] = combined.probabilities.astype(np.float32)
    rows["score"] = combined.score.astype(np.float32)
    rows["predicted_grade"] = grades.astype(np.int8)
    rows["fold"] = pd.array([None] * len(rows), dtype="Int16")
    return Predictions(rows, meta, name)


def _grade_member(ensemble: Ensemble, member: SavedMember, grade: Grade) -> Predictions:
    path = ensemble.path_of(member)
    if not path.is_file():
        raise InputError(f"{path}, a member of {ensemble.path}, does not exist: restore it, or combine again")
    if sha256_file(path) != member.sha256:
        raise InputError(f"{path} has changed since {ensemble.path} was made from it: restore it, or combine again")
    predictions = grade(path)
    if predictions.meta.checkpoint_sha256 != member.checkpoint_sha256:
        raise InputError(
            f"the weights beside {path} have changed since {ensemble.path} was made from it: restore them, or combine"
            " again"
        )
    return predictions


def _was_trained_on(ensemble: Ensemble, members: Members) -> NDArray[np.bool_]:
    """Whether (N,) a member was trained on the photograph, or the ensemble was fitted to its grade."""
    own = read_predictions(ensemble.predictions).rows
    fitted = own["image_id"][own["fold"].notna() & ensemble.record["is_fitted"]]
    is_trained_on = members.rows["image_id"].isin(fitted).to_numpy(dtype=bool)
    for member in members.predictions:
        is_trained_on = is_trained_on | member.leaked_rows()
    if is_trained_on.any():
        warn(f"{ensemble.name} was trained on {is_trained_on.sum()} of these photographs: do not evaluate it on them")
    return is_trained_on


def _build_meta(ensemble: Ensemble, members: Members, is_trained_on: NDArray[np.bool_]) -> PredictionsMeta:
    splits, images = trained_splits(members.rows, is_trained_on)
    record = ensemble.record
    split = record["chosen_on"]
    # A split of the record that no member was selected on is a split of other photographs: members name it elsewhere.
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
