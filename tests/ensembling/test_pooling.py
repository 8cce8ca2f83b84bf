"""Photographs joined after the networks: one answer an eye or a patient, and none learned from its own grade."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drkit.ensembling.combiner import ReferenceGrades
from drkit.ensembling.members import join_members
from drkit.ensembling.pooling import Pooling, build_pooler, pooling_from_json, pooling_to_json
from drkit.errors import InputError


def _members(*predictions):
    return join_members(predictions, [Path(f"{item.name}.parquet") for item in predictions])


@pytest.fixture
def members(make_member):
    return _members(make_member("a"), make_member("b", seed=1))


def _truth(members) -> tuple[np.ndarray, ReferenceGrades]:
    rows = members.graded_rows()
    return rows, ReferenceGrades(members.reference().iloc[rows].to_numpy(dtype=np.int64), members.patients[rows])


@pytest.mark.parametrize(("over", "size"), [("eye", 2), ("patient", 4)])
@pytest.mark.parametrize("by", ["mean", "max", "learned"])
def test_everybody_in_a_group_gets_the_same_answer(members, over: str, by: str, size: int) -> None:
    pooler = build_pooler(members, Pooling(over, by))
    joined = pooler.fit(*_truth(members), 0).features
    for values in (joined.scores, joined.probabilities, joined.grades):
        grouped = values.reshape(-1, size, *values.shape[1:])
        assert np.array_equal(grouped, np.broadcast_to(grouped[:, :1], grouped.shape))


def test_mean_and_max_are_what_they_say(members) -> None:
    scores = members.features().scores.reshape(-1, 4, 2)
    mean, highest = (build_pooler(members, Pooling("patient", by)).features.scores[::4] for by in ("mean", "max"))
    assert mean == pytest.approx(scores.mean(1))
    assert highest == pytest.approx(scores.max(1))


def test_nothing_joined_is_nothing_changed(members) -> None:
    pooler = build_pooler(members, Pooling("none"))
    assert np.array_equal(pooler.features.scores, members.features().scores)
    assert pooler.members is members


def test_eyes_make_a_patient_by_the_worse_eye(make_member) -> None:
    members = _members(make_member("a", target="eye"))
    pooler = build_pooler(members, Pooling("patient"))
    by_eye = members.features().scores.reshape(-1, 2, 2).mean(2)
    assert pooler.features.scores[::4, 0] == pytest.approx(by_eye.max(1))
    assert pooler.members.target == "patient"
    assert pooler.members.reference().equals(members.rows["patient_grade"])


def test_joined_rows_that_a_fold_held_out_are_decided_by_the_other_folds_cut_points(make_member) -> None:
    rounding, strict = (0.5, 1.5, 2.5, 3.5), (3.96, 3.97, 3.98, 3.99)
    member = make_member(decision="cut_points", cut_points=rounding, fold_cut_points=(rounding, strict))
    fold = pd.Series(np.where(member.rows["split"] == "val", np.arange(96) // 4 % 2, -1))
    member = replace(member, rows=member.rows.assign(fold=fold.astype("Int16").where(fold >= 0)))
    joined = build_pooler(_members(member), Pooling("patient")).features
    expected = np.where(fold == 1, 0, np.floor(joined.scores[:, 0] + 0.5))
    assert joined.scores[fold == 1].max() > 3
    assert np.array_equal(joined.grades[:, 0], expected)


def test_joining_twice_is_joining_once(members) -> None:
    once = build_pooler(members, Pooling("patient")).features
    rows = [
        replace(member, rows=member.rows.assign(score=once.scores[:, place].astype(np.float32)))
        for place, member in enumerate(members.predictions)
    ]
    twice = build_pooler(replace(members, predictions=tuple(rows)), Pooling("patient")).features
    assert twice.scores == pytest.approx(once.scores, abs=1e-6)


def test_what_is_learned_is_not_learned_from_the_row_itself(members) -> None:
    """A patient's grade is turned upside down: what the others' fits say of that patient stays the same."""
    pooler, (rows, truth) = build_pooler(members, Pooling("patient", "learned")), _truth(members)
    honest = pooler.fit(rows, truth, 0)
    turned = truth.reference.copy()
    turned[:4] = 4 - turned[:4] if turned[0] != 2 else 0
    changed = pooler.fit(rows, replace(truth, reference=turned), 0)
    assert not np.allclose(changed.features.scores, honest.features.scores)
    same_folds = ReferenceGrades(truth.reference, truth.patients)
    assert np.array_equal(pooler.fit(rows, same_folds, 0).training.scores, honest.training.scores)
    assert not np.allclose(honest.training.scores, honest.features.take(rows).scores)


def test_learned_joining_is_saved_and_read(members) -> None:
    pooler = build_pooler(members, Pooling("eye", "learned"))
    joined = pooler.fit(*_truth(members), 0)
    pooling, learned = pooling_from_json(pooling_to_json(pooler.pooling, joined.learned))
    assert pooling == pooler.pooling
    assert np.array_equal(pooler.apply(learned).scores, joined.features.scores)


def test_an_unknown_eye_cannot_be_joined(make_member) -> None:
    member = make_member("a")
    rows = member.rows.copy()
    rows.loc[rows["image_id"] == "3_r2", "eye"] = None
    members = _members(replace(member, rows=rows))
    with pytest.raises(InputError, match="1 photographs whose eye is not known cannot be joined to eyes: 3_r2"):
        build_pooler(members, Pooling("eye"))
    assert build_pooler(members, Pooling("patient")).features.scores.shape == (96, 1)
