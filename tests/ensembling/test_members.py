"""Only predictions of the same photographs, on none of which a member was trained, are joined."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drkit.ensembling.members import join_members, read_members
from drkit.errors import InputError, LeakageError
from drkit.records.predictions import write_predictions


def _join(*predictions):
    return join_members(predictions, [Path(f"{item.name}.parquet") for item in predictions])


def test_rows_are_joined_by_id_and_not_by_position(make_member) -> None:
    first, second = make_member("a"), make_member("b", seed=1)
    shuffled = replace(second, rows=second.rows.sample(frac=1, random_state=0).reset_index(drop=True))
    joined = _join(first, shuffled)
    assert joined.predictions[1].rows["image_id"].tolist() == first.rows["image_id"].tolist()
    assert np.array_equal(joined.features().scores[:, 1], second.rows["score"].to_numpy(dtype=float))


def test_the_order_of_the_files_does_not_matter(make_member, tmp_path: Path) -> None:
    for number, name in enumerate("cab"):
        write_predictions(make_member(name, seed=number), tmp_path / f"{name}.parquet")
    paths = [tmp_path / f"{name}.parquet" for name in "cab"]
    forwards, backwards = read_members(paths), read_members(paths[::-1])
    assert forwards.names == backwards.names == ("a", "b", "c")
    assert np.array_equal(forwards.features().scores, backwards.features().scores)


def test_nothing_is_fitted_to_reference_grades_of_test(make_member) -> None:
    member = make_member()
    rows = member.rows.copy()
    rows["patient_grade"] = rows["patient_grade"].fillna(3).astype("Int8")
    joined = _join(replace(member, rows=rows))
    assert set(joined.rows["split"].iloc[joined.graded()[0]]) == {"val"}


def _without_rows(member):
    return member.where(~member.rows["image_id"].isin(["0_l1", "3_r2"]))


def _with_cell(column: str, value: object):
    def change(member):
        rows = member.rows.copy()
        rows.loc[rows["image_id"] == "0_l1", column] = value
        return replace(member, rows=rows)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_rows, r"a and b do not grade the same photographs: 2 only in a \(0_l1, 3_r2\)"),
        (_with_cell("split", "test"), r"in split of 1 photographs: 0_l1 \(val, test\): predict the same data set"),
        (_with_cell("patient_grade", 1), r"contradict each other in patient_grade of 1 photographs: 0_l1 \(\d, 1\)"),
        (_with_cell("patient_grade", pd.NA), r"0_l1 \(\d, unknown\)"),
        (_with_cell("patient_id", "7"), r"contradict each other in patient_id of 1 photographs: 0_l1 \(0, 7\)"),
        (_with_cell("eye", "right"), r"contradict each other in eye of 1 photographs: 0_l1 \(left, right\)"),
    ],
)
def test_members_that_do_not_match_are_refused_with_the_difference(make_member, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _join(make_member("a"), change(make_member("b")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "eye"}, "a grades the patient, b the eye"),
        ({"labels_sha256": "12" * 32}, "different labels .SHA-256 cdcdcdcd and 12121212"),
    ],
)
def test_members_with_another_target_or_other_labels_are_refused(make_member, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _join(make_member("a"), make_member("b", **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trained_on": ("train", "val")}, r"b was trained on 64 of its 96 photographs \(split val: 0_l1"),
        ({"trained_on": ("val",)}, "b was trained on 64"),
        ({"trained_on": ("test",)}, r"b was trained on 32 of its 96 photographs \(split test"),
        (
            {"trained_on_images": ("3_l1", "3_l2")},
            r"b was trained on 2 of its 96 photographs \(split val: 3_l1, 3_l2\)",
        ),
    ],
)
def test_training_photographs_of_a_member_are_a_leak(make_member, tmp_path: Path, change: dict, message: str) -> None:
    for name, options in (("a", {}), ("b", change)):
        write_predictions(make_member(name, **options), tmp_path / f"{name}.parquet")
    with pytest.raises(LeakageError, match=message):
        read_members([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_out_of_fold_rows_are_no_leak(make_member, tmp_path: Path) -> None:
    member = make_member(trained_on=("train", "val"))
    rows = member.rows.assign(fold=member.rows["split"].eq("val").map({True: 1, False: None}).astype("Int16"))
    write_predictions(replace(member, rows=rows), tmp_path / "a.parquet")
    assert len(read_members([tmp_path / "a.parquet"]).graded()[0]) == 64
