"""Patients are never split, and unknown patients are recognised by identical files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.data.patients import hold_out_patients, hold_out_splits, name_unknown_patients
from drkit.errors import InputError
from drkit.records.labels import Labels, build_rows
from drkit.records.layouts.joining import join_labels


def _labels(patients: list[str | None], grades: list[int], split: str = "train", root: Path = Path()) -> Labels:
    names = [f"{number}" for number in range(len(grades))]
    rows = build_rows(
        image_id=names,
        path=[str(root / f"{name}.jpg") for name in names],
        patient_id=patients,
        eye_grade=grades,
        patient_grade=grades,
        split=[split] * len(grades),
    )
    return Labels(rows=rows, root=root, layout="test", targets=("patient", "eye"))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.floats(0.05, 0.9), st.integers(0, 9))
def test_holding_out_never_cuts_a_patient_and_leaves_some(worst: list[int], share: float, seed: int) -> None:
    patients = [str(number) for number in range(len(worst)) for _ in range(4)]
    labels = _labels(list(patients), [grade for grade in worst for _ in range(4)])
    held_out = hold_out_patients(labels, "patient", share, seed)
    chosen, kept = ({p for p, out in zip(patients, held_out, strict=True) if out == side} for side in (True, False))
    assert chosen
    assert kept
    assert not chosen & kept


@pytest.mark.parametrize(
    ("worst", "share", "expected"),
    [
        ([0] * 30 + [1] * 20 + [2] * 20 + [4] * 10, 0.2, [6, 4, 4, 0, 2]),
        ([0] * 18 + [4] * 2, 0.5, [9, 0, 0, 0, 1]),  # as few patients of a grade as there are sides
        ([0] * 10 + [4] * 10, 0.1, [1, 0, 0, 0, 1]),  # as few patients held out as there are grades
        ([0] * 10 + [4] * 10, 0.9, [9, 0, 0, 0, 9]),  # as few patients left as there are grades
    ],
)
def test_holding_out_keeps_the_grades_in_proportion(worst: list[int], share: float, expected: list[int]) -> None:
    labels = _labels([str(number) for number in range(len(worst))], worst)
    for seed in range(8):
        held_out = hold_out_patients(labels, "patient", share, seed)
        assert np.bincount(np.array(worst)[held_out]).tolist() == expected


def test_a_patient_is_held_out_and_one_is_left_whatever_the_share() -> None:
    labels = _labels(list("abcd"), [0, 1, 2, 3])
    assert hold_out_patients(labels, "patient", 0.01, 0).sum() == 1
    assert hold_out_patients(labels, "patient", 0.99, 0).sum() == 3


def test_held_out_patients_depend_only_on_the_seed() -> None:
    labels = _labels([str(number) for number in range(40)], [0, 1] * 20)
    first, again, other = (hold_out_patients(labels, "patient", 0.5, seed).tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(InputError, match="1 graded patient"):
        hold_out_patients(_labels(["a", "a"], [0, 1]), "patient", 0.2, 0)


def test_identical_photographs_of_unknown_patients_share_a_patient(tmp_path: Path) -> None:
    for number, content in enumerate((b"x", b"x", b"y", b"x")):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    named = name_unknown_patients(_labels(["a", None, None, None], [0, 0, 1, 2], root=tmp_path))
    assert named.rows["patient_id"].tolist() == ["a", "photograph 1", "photograph 2", "photograph 1"]


def test_the_authors_validation_split_is_kept() -> None:
    labels = _labels([str(number) for number in range(10)], [0, 1] * 5)
    labels.rows.loc[:1, "split"] = "val"
    kept, gave = hold_out_splits(labels, "eye", {"val": 0.5}, 0)
    assert kept.rows.equals(labels.rows)
    assert gave == {"val": ()}
    without = _labels([str(number) for number in range(10)], [0, 1] * 5)
    parted, gave = hold_out_splits(without, "eye", {"val": 0.5}, 0)
    assert (parted.rows["split"] == "val").sum() == 5
    assert gave == {"val": (without.root.name,)}


def test_only_patients_of_train_are_moved() -> None:
    labels = _labels([str(number) for number in range(10)], [0, 1] * 5)
    labels.rows.loc[4:, "split"] = "test"
    parted, _ = hold_out_splits(labels, "eye", {"val": 0.5}, 0)
    assert parted.rows["split"].tolist()[4:] == ["test"] * 6
    assert (parted.rows["split"] == "val").sum() == 2


def _two_data_sets(first: int, second: int) -> Labels:
    """Two data sets with the given numbers of patients and two photographs per patient."""
    parts = {}
    for name, num in (("a", first), ("b", second)):
        part = _labels(
            [f"{name}{number // 2}" for number in range(2 * num)], [number // 2 % 3 for number in range(2 * num)]
        )
        parts[name] = replace(part, rows=part.rows.assign(image_id=name + part.rows["image_id"]))
    return join_labels(parts)


def test_each_data_set_gives_its_share_and_one_with_a_split_of_its_own_none() -> None:
    labels = _two_data_sets(20, 10)
    labels.rows.loc[40:41, "split"] = "val"
    parted, gave = hold_out_splits(labels, "eye", {"val": 0.4, "test": 0.4}, 0)
    counts = parted.rows.groupby(["dataset", "split"])["patient_id"].nunique()
    assert counts.to_dict() == {
        ("a", "train"): 4, ("a", "val"): 8, ("a", "test"): 8, ("b", "train"): 5, ("b", "val"): 1, ("b", "test"): 4,
    }  # fmt: skip
    assert gave == {"val": ("a",), "test": ("a", "b")}
    assert (parted.rows.groupby("patient_id")["split"].nunique() == 1).all()


def test_the_split_of_a_data_set_depends_neither_on_other_data_sets_nor_on_the_share_of_test() -> None:
    both, shares = _two_data_sets(20, 10), {"val": 0.1, "test": 0.1}
    alone = replace(both.by_dataset()["a"], datasets={})

    def of_val(labels: Labels) -> set[str]:
        return set(
            labels.rows["image_id"][(labels.rows["split"] == "val") & labels.rows["image_id"].str.startswith("a")]
        )

    together = of_val(hold_out_splits(both, "eye", shares, 3)[0])
    assert together == of_val(hold_out_splits(alone, "eye", shares, 3)[0])
    assert together == of_val(hold_out_splits(alone, "eye", {"val": 0.1}, 3)[0])


def test_a_data_set_of_one_patient_gives_none_unless_nothing_else_does() -> None:
    _, gave = hold_out_splits(_two_data_sets(10, 1), "eye", {"val": 0.2}, 0)
    assert gave == {"val": ("a",)}
    with pytest.raises(InputError, match="cannot be held out for split val"):
        hold_out_splits(_two_data_sets(1, 1), "eye", {"val": 0.2}, 0)
