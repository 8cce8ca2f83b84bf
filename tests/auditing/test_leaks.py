"""What a run must not have seen."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from predictions_meta import EYE_META

from drkit.auditing.leaks import (
    find_contradicting_files,
    find_trained_photographs,
    find_trained_rows,
    hash_originals,
    read_graded,
)
from drkit.auditing.rows import concat_surveys
from drkit.duplicates.stats import measure_photographs
from drkit.errors import InputError
from drkit.records.labels import Labels, build_rows
from drkit.records.layouts import read_datasets
from drkit.records.layouts.survey import survey_dataset
from drkit.records.predictions import build_predictions, write_predictions
from drkit.records.provenance import sha256_file

IDS = ["1_l1", "2_l1", "3_l1", "4_l1"]
SPLITS = ["train", "val", "val", "test"]


def predict(path, *, trained_on=("train",), fold=None, splits=SPLITS, grades=(0, 1, 2, None)):
    meta = replace(EYE_META, trained_on=trained_on)
    rows = build_rows(image_id=IDS, path=IDS, patient_id=list("1234"), eye_grade=list(grades), split=list(splits))
    predictions = build_predictions(
        Labels(rows, path.parent, "test", ("eye",)),
        probabilities=np.eye(5)[[0, 1, 2, 3]],
        score=[0, 1, 2, 3],
        meta=meta,
        name=path.stem,
        fold=fold,
    )
    write_predictions(predictions, path)
    return path


def record(path, hashes):
    path.with_suffix(".json").write_text(json.dumps({"schema_version": 1, "trained_on_photographs": hashes}))
    return path


@pytest.fixture
def roll(tmp_path, fundus, save):
    data = tmp_path / "data"
    for seed, name in enumerate(IDS):
        save(fundus(seed), data / f"{name}.jpg")
    lines = [f"{name},{grade},{split}" for name, grade, split in zip(IDS, (0, 1, 2, ""), SPLITS, strict=True)]
    (data / "labels.csv").write_text("\n".join(["image,grade,split", *lines]))
    return concat_surveys([(data, survey_dataset(data))])


def seen(roll, parquet):
    originals = hash_originals(roll, measure_photographs(roll["path"].tolist()))
    return [finding.ids for finding in find_trained_photographs(roll, originals, read_graded(parquet))]


def test_rows_of_a_trained_split_leak_unless_a_fold_held_them_out(tmp_path):
    plain = read_graded(predict(tmp_path / "plain.parquet"))
    held_out = read_graded(predict(tmp_path / "folds.parquet", fold=[0, None, None, None]))
    assert [finding.ids for finding in find_trained_rows(plain)] == [("1_l1",)]
    assert list(find_trained_rows(held_out)) == []


def test_photographs_are_known_by_their_content_not_by_their_split(tmp_path, roll):
    hashes = [sha256_file(tmp_path / "data" / f"{name}.jpg") for name in ("1_l1", "3_l1")]
    parquet = record(predict(tmp_path / "run.parquet"), hashes)
    assert seen(roll, parquet) == [("3_l1",)]


def test_a_photograph_that_a_fold_held_out_was_not_seen(tmp_path, roll):
    hashes = [sha256_file(tmp_path / "data" / "3_l1.jpg")]
    parquet = record(predict(tmp_path / "run.parquet", fold=[None, 0, 1, None]), hashes)
    assert seen(roll, parquet) == []


def test_a_preprocessed_photograph_is_known_by_its_original(tmp_path, roll, monkeypatch):
    path = tmp_path / "data" / "4_l1.jpg"
    monkeypatch.setattr("drkit.auditing.leaks.read_source_hashes", lambda root: {path: "original"})
    assert seen(roll, record(predict(tmp_path / "run.parquet"), ["original"])) == [("4_l1",)]


def test_predictions_without_a_run_say_nothing_of_photographs(tmp_path, roll):
    assert seen(roll, predict(tmp_path / "alone.parquet")) == []


def test_files_that_state_other_grades_or_splits(tmp_path):
    one = read_graded(predict(tmp_path / "one.parquet"))
    two = read_graded(predict(tmp_path / "two.parquet", grades=(0, 1, 4, 2), splits=["train", "train", "val", "test"]))
    found = [(finding.kind, finding.ids) for finding in find_contradicting_files([one, two], None)]
    assert found == [("contradicting-references", ("3_l1",)), ("contradicting-splits", ("2_l1",))]
    assert list(find_contradicting_files([one, one], None)) == []
    assert list(find_contradicting_files([], None)) == []


def test_a_data_set_that_has_most_of_the_ids_is_compared_and_another_is_not(tmp_path, roll, monkeypatch):
    odd = read_graded(predict(tmp_path / "odd.parquet", grades=(3, 1, 2, None)))
    assert [finding.ids for finding in find_contradicting_files([odd], roll)] == [("1_l1",)]
    three_of_four = roll.assign(image_id=[*IDS[:3], "z"])
    assert list(find_contradicting_files([odd], three_of_four)) == []
    monkeypatch.setattr("drkit.auditing.leaks._SAME_DATA", 0.75)
    assert [finding.ids for finding in find_contradicting_files([odd], three_of_four)] == [("1_l1",)]


def test_a_contradiction_names_the_files_in_the_order_given(tmp_path, roll):
    odd = read_graded(predict(tmp_path / "odd.parquet", grades=(3, 1, 2, None)))
    rolls = pd.concat([roll.assign(source=source) for source in "zab"], ignore_index=True)
    (finding,) = find_contradicting_files([odd], rolls)
    assert finding.sources == (str(odd.path), "z", "a", "b")
    assert finding.sentence == f"1_l1: eye grade 3 in {odd.path}, 0 in z, 0 in a, 0 in b"


def test_a_split_that_a_run_has_held_out_of_train_is_no_contradiction(tmp_path, roll):
    own = read_graded(predict(tmp_path / "own.parquet", splits=["val", "val", "train", "test"]))
    found = list(find_contradicting_files([own], roll))
    assert [(finding.kind, finding.ids) for finding in found] == [("contradicting-splits", ("3_l1",))]


def test_several_data_sets_are_held_against_a_run_on_them_whatever_their_ids_are_there(tmp_path, fundus, save):
    for name, seed in (("a", 0), ("b", 9)):
        for number in range(3):
            save(fundus(seed + number), tmp_path / name / f"{number}.jpg")
        lines = [
            f"{number},{grade},{split}" for number, (grade, split) in enumerate(((0, "train"), (1, "val"), (2, "test")))
        ]
        (tmp_path / name / "labels.csv").write_text("\n".join(["image,grade,split", *lines]))
    both = [tmp_path / "a", tmp_path / "b"]
    roll = concat_surveys([(path, survey_dataset(path)) for path in both])
    labels = read_datasets(both)
    assert labels.rows["image_id"].tolist() == ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]
    meta = replace(EYE_META, folds=2)
    answers = {"probabilities": np.eye(5)[[0] * 6], "score": [0.0] * 6, "meta": meta, "name": "run"}
    predictions = build_predictions(labels, **answers, fold=[0, 1, None, 0, 1, None])
    write_predictions(predictions, tmp_path / "run.parquet")
    hashes = [sha256_file(path) for path in labels.paths()]
    graded = read_graded(record(tmp_path / "run.parquet", hashes))
    assert list(find_contradicting_files([graded], roll)) == []
    originals = hash_originals(roll, measure_photographs(roll["path"].tolist()))
    assert [finding.ids for finding in find_trained_photographs(roll, originals, graded)] == [("2",), ("2",)]

    for name, unpredicted in (("a", 1), ("b", 2)):
        save(fundus(20), tmp_path / name / "new.jpg")
        changed = f"image,grade,split\n0,0,train\n1,3,val\n2,2,test\nnew,{unpredicted},val\n"
        (tmp_path / name / "labels.csv").write_text(changed)
    for paths in (both, both[1:]):
        changed = concat_surveys([(path, survey_dataset(path)) for path in paths])
        findings = list(find_contradicting_files([graded], changed))
        assert [finding.ids for finding in findings] == [(f"{path.name}-1",) for path in paths]
        for finding, path in zip(findings, paths, strict=True):
            assert finding.kind == "contradicting-references"
            assert f"3 in {path}" in finding.sentence


def test_a_broken_record_is_refused(tmp_path):
    parquet = predict(tmp_path / "run.parquet")
    parquet.with_suffix(".json").write_text("{}")
    with pytest.raises(InputError, match="is not a run's record"):
        read_graded(parquet)
