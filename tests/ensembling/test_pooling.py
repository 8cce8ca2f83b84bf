"""Pooling: one prediction per eye or patient, never fitted to the patient's own reference grade."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drkit.ensembling.members import join_members
from drkit.ensembling.pooling import Pooling, build_pooler, pooling_from_json, pooling_to_json
from drkit.errors import InputError


def _members(*predictions):
    return join_members(predictions, [Path(f"{item.name}.parquet") for item in predictions])


@pytest.fixture
def members(make_member):
    return _members(make_member("a"), make_member("b", seed=1))


@pytest.mark.parametrize(("over", "size"), [("eye", 2), ("patient", 4)])
@pytest.mark.parametrize("by", ["mean", "max", "learned"])
def test_all_photographs_of_a_group_get_the_same_prediction(members, over: str, by: str, size: int) -> None:
    pooler = build_pooler(members, Pooling(over, by))
    pooled = pooler.fit(*members.graded(), 0).features
    for values in (pooled.scores, pooled.probabilities, pooled.grades):
        grouped = values.reshape(-1, size, *values.shape[1:])
        assert np.array_equal(grouped, np.broadcast_to(grouped[:, :1], grouped.shape))


def test_mean_and_max_of_a_patient(members) -> None:
    scores = members.features().scores.reshape(-1, 4, 2)
    mean, highest = (build_pooler(members, Pooling("patient", by)).features.scores[::4] for by in ("mean", "max"))
    assert mean == pytest.approx(scores.mean(1))
    assert highest == pytest.approx(scores.max(1))


def test_without_pooling_predictions_are_unchanged(members) -> None:
    pooler = build_pooler(members, Pooling("none"))
    assert np.array_equal(pooler.features.scores, members.features().scores)
    assert pooler.members is members


def test_a_patient_is_graded_by_the_worse_eye(make_member) -> None:
    members = _members(make_member("a", target="eye"))
    pooler = build_pooler(members, Pooling("patient"))
    by_eye = members.features().scores.reshape(-1, 2, 2).mean(2)
    assert pooler.features.scores[::4, 0] == pytest.approx(by_eye.max(1))
    assert pooler.members.target == "patient"
    assert pooler.members.reference().equals(members.rows["patient_grade"])


def test_out_of_fold_rows_are_graded_by_the_cut_points_of_their_fold(make_member) -> None:
    rounding, strict = (0.5, 1.5, 2.5, 3.5), (3.96, 3.97, 3.98, 3.99)
    member = make_member(decision="cut_points", cut_points=rounding, fold_cut_points=(rounding, strict))
    fold = pd.Series(np.where(member.rows["split"] == "val", np.arange(96) // 4 % 2, -1))
    member = replace(member, rows=member.rows.assign(fold=fold.astype("Int16").where(fold >= 0)))
    pooled = build_pooler(_members(member), Pooling("patient")).features
    expected = np.where(fold == 1, 0, np.floor(pooled.scores[:, 0] + 0.5))
    assert pooled.scores[fold == 1].max() > 3
    assert np.array_equal(pooled.grades[:, 0], expected)


def test_pooling_twice_is_pooling_once(members) -> None:
    once = build_pooler(members, Pooling("patient")).features
    rows = [
        replace(member, rows=member.rows.assign(score=once.scores[:, number].astype(np.float32)))
        for number, member in enumerate(members.predictions)
    ]
    twice = build_pooler(replace(members, predictions=tuple(rows)), Pooling("patient")).features
    assert twice.scores == pytest.approx(once.scores, abs=1e-6)


def test_a_reference_grade_affects_the_training_rows_of_other_patients_only(members, monkeypatch) -> None:
    pooler, (rows, truth) = build_pooler(members, Pooling("patient", "learned")), members.graded()
    folds = np.arange(len(rows)) // 4 % 5  # independent of the grades, as stratified folds are not
    monkeypatch.setattr("drkit.ensembling.pooling.assign_folds", lambda *_, **__: folds)
    held_out = folds == 0
    changed = np.where(held_out, 4 - truth.reference, truth.reference)
    before, after = (pooler.fit(rows, replace(truth, reference=each), 0) for each in (truth.reference, changed))
    assert np.array_equal(after.training.scores[held_out], before.training.scores[held_out])
    assert not np.allclose(after.training.scores[~held_out], before.training.scores[~held_out])
    assert not np.allclose(after.features.scores, before.features.scores)
    assert not np.allclose(before.training.scores, before.features.take(rows).scores)


def test_learned_pooling_survives_json(members) -> None:
    pooler = build_pooler(members, Pooling("eye", "learned"))
    pooled = pooler.fit(*members.graded(), 0)
    pooling, learned = pooling_from_json(pooling_to_json(pooler.pooling, pooled.learned))
    assert pooling == pooler.pooling
    assert np.array_equal(pooler.apply(learned).scores, pooled.features.scores)


def test_a_photograph_of_an_unknown_eye_cannot_be_pooled(make_member) -> None:
    member = make_member("a")
    rows = member.rows.copy()
    rows.loc[rows["image_id"] == "3_r2", "eye"] = None
    members = _members(replace(member, rows=rows))
    with pytest.raises(InputError, match="1 photographs whose eye is not known cannot be joined to eyes: 3_r2"):
        build_pooler(members, Pooling("eye"))
    assert build_pooler(members, Pooling("patient")).features.scores.shape == (96, 1)
