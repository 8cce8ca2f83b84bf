"""Photographs that data sets share have one grade, one patient and one split."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporters import Recorder

from drkit import progress
from drkit.data.copies import (
    check_grades_agree,
    keep_copies_together,
    keep_near_copies_together,
    number_shared,
    unite_patients,
)
from drkit.errors import InputError
from drkit.records.labels import Labels, build_rows
from drkit.records.layouts.joining import join_labels


def _labels(
    folder: Path,
    contents: Sequence[bytes],
    patients: Sequence[str],
    splits: Sequence[str],
    grades: Sequence[int | None],
) -> Labels:
    names = [f"{folder.name}{number}" for number in range(len(contents))]
    folder.mkdir()
    for name, content in zip(names, contents, strict=True):
        (folder / f"{name}.jpg").write_bytes(content)
    rows = build_rows(
        image_id=names,
        path=[str(folder / f"{name}.jpg") for name in names],
        patient_id=patients,
        eye_grade=grades,
        split=splits,
    )
    return Labels(rows, folder, "test", ("eye",))


def test_copies_count_as_shared_only_across_data_sets(tmp_path: Path) -> None:
    first = _labels(tmp_path / "a", [b"1", b"2", b"2"], ["p", "q", "r"], ["train"] * 3, [0, 1, 1])
    assert len(set(number_shared(first).tolist())) == 3
    other = _labels(tmp_path / "b", [b"1", b"3"], ["s", "t"], ["train"] * 2, [0, 1])
    shared = number_shared(join_labels({"a": first, "b": other}))
    assert shared[0] == shared[3]
    assert len(set(shared.tolist())) == 4


def test_patients_who_share_a_photograph_are_one(tmp_path: Path) -> None:
    first = _labels(tmp_path / "a", [b"1", b"2", b"3"], ["p", "p", "q"], ["train"] * 3, [0, 1, 1])
    other = _labels(tmp_path / "b", [b"2", b"4", b"3"], ["s", "s", "t"], ["train"] * 3, [1, 1, 1])
    warned = Recorder()
    with progress.reporting_to(warned):
        united = keep_copies_together(join_labels({"a": first, "b": other}))
    assert united.rows["patient_id"].tolist() == ["p", "p", "q", "p", "p", "q"]
    assert warned.warnings == []


def test_a_patient_whom_data_sets_part_stays_where_least_is_learned(tmp_path: Path) -> None:
    first = _labels(tmp_path / "a", [b"1", b"2", b"3"], ["p", "p", "q"], ["train"] * 3, [0, 1, 1])
    other = _labels(tmp_path / "b", [b"2", b"4"], ["s", "t"], ["test", "val"], [None, 1])
    warned = Recorder()
    with progress.reporting_to(warned):
        united = keep_copies_together(join_labels({"a": first, "b": other})).rows
    assert united["image_id"].tolist() == ["a2", "b0", "b1"]
    assert united["patient_id"].tolist() == ["q", "s", "t"]
    assert warned.warnings[0].startswith("left out 2 photographs of train")


def test_chains_of_copies_are_one_patient() -> None:
    rows = build_rows(
        image_id=list("abcd"), path=list("abcd"), patient_id=list("pqrs"), split=["train"] * 4, eye_grade=[0] * 4
    )
    labels = Labels(rows, Path(), "test", ("eye",))
    assert unite_patients(labels, np.array([0, 0, 1, 1])).rows["patient_id"].tolist() == ["p", "p", "r", "r"]
    chained = Labels(pd.concat([rows, rows.assign(image_id=list("efgh"))]), Path(), "test", ("eye",))
    together = unite_patients(chained, np.array([0, 1, 2, 3, 1, 2, 9, 8])).rows["patient_id"]  # p-q-r by copies
    assert together.tolist() == ["p", "p", "p", "s", "p", "p", "p", "s"]


def test_data_sets_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    first = _labels(tmp_path / "a", [b"1", b"2", b"2"], ["p", "q", "r"], ["train"] * 3, [0, 1, 2])
    keep_copies_together(first)  # within a data set the author's grades are used; drkit check reports them
    for grade, fits in ((0, True), (None, True), (3, False)):
        other = _labels(tmp_path / f"b{grade}", [b"1"], ["s"], ["val"], [grade])
        labels = join_labels({"a": first, "b": other})
        if fits:
            check_grades_agree(labels, number_shared(labels))
            continue
        with pytest.raises(InputError, match=r"grades for 1 photographs that they share, e\.g\. a0 in a has 0 but b30"):
            check_grades_agree(labels, number_shared(labels))
        labels.rows.loc[3, "gradable"] = False
        check_grades_agree(labels, number_shared(labels))


def test_near_copies_are_of_one_patient_and_their_contradictions_are_counted(
    tmp_path: Path, fundus: Callable[[int], np.ndarray], save: Callable[..., Path]
) -> None:
    photographs = tmp_path / "photographs"
    for name, seed, quality in (("a", 0, 95), ("b", 1, 95), ("c", 0, 60), ("d", 1, 70), ("e", 2, 95)):
        save(fundus(seed), photographs / f"{name}.jpg", quality)
    rows = build_rows(
        image_id=list("abcde"),
        path=[str(photographs / f"{name}.jpg") for name in "abcde"],
        patient_id=list("pqrst"),
        split=["train", "train", "train", "val", "train"],
        eye_grade=[0, 1, 2, 1, 3],
    )
    labels, reported = Labels(rows, photographs, "test", ("eye",)), Recorder()
    with progress.reporting_to(reported):
        united = keep_near_copies_together(labels, "eye", tmp_path / "cache").rows
    assert dict(zip(united["image_id"], united["patient_id"], strict=True)) == {"a": "p", "c": "p", "d": "s", "e": "t"}
    contradicting, left_out = reported.warnings
    assert contradicting.startswith("1 photographs occur more than once with different eye grades")
    assert left_out.startswith("left out 1 photographs of train")
    known = {path.name for path in (tmp_path / "cache").iterdir()}
    assert keep_near_copies_together(labels, "eye", tmp_path / "cache").rows.equals(united)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == known
