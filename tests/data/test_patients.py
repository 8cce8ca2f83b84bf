"""Patients are never cut, and whoever is unknown is recognised by identical files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.data.patients import ensure_validation, hold_out_patients, name_unknown_patients
from drkit.errors import InputError
from drkit.records.labels import Labels, build_rows


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


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.floats(0.05, 0.9), st.integers(0, 9))
def test_holding_out_never_cuts_a_patient_and_leaves_some(worst: list[int], share: float, seed: int) -> None:
    patients = [str(number) for number in range(len(worst)) for _ in range(4)]
    labels = _labels(list(patients), [grade for grade in worst for _ in range(4)])
    held_out = hold_out_patients(labels, "patient", share, seed)
    chosen, kept = ({p for p, out in zip(patients, held_out, strict=True) if out == side} for side in (True, False))
    assert chosen
    assert kept
    assert not chosen & kept


def test_holding_out_keeps_the_grades_in_proportion() -> None:
    worst = [0] * 30 + [1] * 20 + [2] * 20 + [3] * 20 + [4] * 10
    labels = _labels([str(number) for number in range(100)], worst)
    held_out = hold_out_patients(labels, "patient", 0.2, seed=1)
    assert np.bincount(np.array(worst)[held_out]).tolist() == [6, 4, 4, 4, 2]


def test_one_patient_cannot_be_split() -> None:
    with pytest.raises(InputError, match="1 graded patient"):
        hold_out_patients(_labels(["a", "a"], [0, 1]), "patient", 0.2, 0)


def test_identical_photographs_of_nobody_share_a_patient(tmp_path: Path) -> None:
    for name, content in (("0", b"x"), ("1", b"y"), ("2", b"x")):
        (tmp_path / f"{name}.jpg").write_bytes(content)
    named = name_unknown_patients(_labels([None, None, None], [0, 1, 2], root=tmp_path))
    assert named.rows["patient_id"].tolist() == ["photograph 0", "photograph 1", "photograph 0"]


def test_the_authors_validation_split_is_kept() -> None:
    labels = _labels([str(number) for number in range(10)], [0, 1] * 5)
    labels.rows.loc[:1, "split"] = "val"
    assert ensure_validation(labels, "eye", 0.5, 0) is labels
    without = _labels([str(number) for number in range(10)], [0, 1] * 5)
    assert (ensure_validation(without, "eye", 0.5, 0).rows["split"] == "val").sum() == 5
