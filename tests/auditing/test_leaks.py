"""Photographs that a run must not have been trained on."""

import json
from dataclasses import replace
from types import SimpleNamespace

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
from drkit.duplicates.seen import hash_all
from drkit.duplicates.stats import measure_photographs
from drkit.errors import InputError
from drkit.records.labels import Labels, build_rows
from drkit.records.layouts import read_datasets
from drkit.records.layouts.survey import survey_dataset
from drkit.records.predictions import build_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.records.seen import SeenPhotographs

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


def record(path, hashes, **keys):
    content = {"schema_version": 1, "trained_on_photographs": hashes, **keys}
    path.with_suffix(".json").write_text(json.dumps(content))
    return path


@pytest.fixture
def roll(tmp_path, fundus, save):
    data = tmp_path / "data"
    for seed, name in enumerate(IDS):
        save(fundus(seed), data / f"{name}.jpg")
    lines = [f"{name},{grade},{split}" for name, grade, split in zip(IDS, (0, 1, 2, ""), SPLITS, strict=True)]
    (data / "labels.csv").write_text("\n".join(["image,grade,split", *lines]))
    return concat_surveys([(data, survey_dataset(data))])


def find_seen_photographs(roll, parquet):
    originals = hash_originals(roll, measure_photographs(roll["path"].tolist()))
    return list(find_trained_photographs(roll, originals, read_graded(parquet)))


def seen(roll, parquet):
    return [finding.ids for finding in find_seen_photographs(roll, parquet)]


@pytest.mark.parametrize("name", ["run", "run.parquet", "run.json"])
def test_predictions_are_read_with_the_record_beside_them(tmp_path, name):
    parquet = record(predict(tmp_path / "run.parquet"), ["abc"], descends_from=["fundus"])
    graded = read_graded(tmp_path / name)
    assert (graded.path, graded.record) == (parquet, tmp_path / "run.json")
    assert (graded.trained_on, graded.descends_from) == ({"abc"}, ("fundus",))
    alone = read_graded(predict(tmp_path / "alone.parquet"))
    assert (alone.record, alone.trained_on, alone.descends_from) == (None, frozenset(), ())


def test_rows_of_a_trained_split_leak_unless_a_fold_held_them_out(tmp_path):
    plain = read_graded(predict(tmp_path / "plain.parquet"))
    held_out = read_graded(predict(tmp_path / "folds.parquet", fold=[0, None, None, None]))
    (finding,) = find_trained_rows(plain)
    assert (finding.kind, finding.ids, finding.paths) == ("trained-on-row", ("1_l1",), ())
    assert finding.sources == (str(plain.path),)
    assert finding.sentence.startswith(f"{plain.path}: 1_l1 is of split train")
    assert list(find_trained_rows(held_out)) == []


def test_photographs_are_recognised_by_content_and_not_by_split(tmp_path, roll):
    hashes = [sha256_file(tmp_path / "data" / f"{name}.jpg") for name in ("1_l1", "3_l1")]
    parquet = record(predict(tmp_path / "run.parquet"), hashes)
    (finding,) = find_seen_photographs(roll, parquet)
    assert (finding.kind, finding.ids) == ("trained-on-photograph", ("3_l1",))
    assert finding.paths == (str(tmp_path / "data" / "3_l1.jpg"),)
    assert finding.sources == (str(tmp_path / "data"), str(parquet))
    assert finding.sentence == f"{parquet} was trained on 3_l1, of split val in {tmp_path / 'data'}"


def test_copies_of_photographs_of_a_packaged_run_are_recognised_by_appearance(
    tmp_path, roll, fundus, save, monkeypatch
):
    original = save(fundus(2), tmp_path / "original.png")
    trained_on = SeenPhotographs(("a",), ("x",), ("abc",), np.stack(hash_all([original])), np.array([True]))
    monkeypatch.setattr("drkit.duplicates.seen.find_packaged_run", lambda name: SimpleNamespace(seen_photographs=name))
    monkeypatch.setattr("drkit.duplicates.seen.read_seen", {"fundus": trained_on}.__getitem__)
    parquet = predict(tmp_path / "run.parquet")
    assert seen(roll, record(parquet, ["abc"])) == []
    assert seen(roll, record(parquet, ["abc"], descends_from=["fundus"])) == [("3_l1",)]


def test_a_photograph_that_a_fold_held_out_was_not_seen(tmp_path, roll):
    hashes = [sha256_file(tmp_path / "data" / "3_l1.jpg")]
    parquet = record(predict(tmp_path / "run.parquet", fold=[None, 0, 1, None]), hashes)
    assert seen(roll, parquet) == []


def test_a_preprocessed_photograph_is_recognised_by_its_original(tmp_path, roll, monkeypatch):
    path = tmp_path / "data" / "4_l1.jpg"
    monkeypatch.setattr("drkit.auditing.leaks.read_source_hashes", lambda root: {path: "original"})
    assert seen(roll, record(predict(tmp_path / "run.parquet"), ["original"])) == [("4_l1",)]


def test_predictions_without_a_run_cannot_be_checked_for_leaks(tmp_path, roll):
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


def test_an_id_that_a_data_set_has_twice_does_not_contradict_itself(tmp_path, roll):
    graded = read_graded(predict(tmp_path / "run.parquet"))
    twice = pd.concat([roll, roll[:1].assign(eye_grade=4)], ignore_index=True)
    assert list(find_contradicting_files([graded], twice)) == []


def test_a_split_that_a_run_has_held_out_of_train_is_no_contradiction(tmp_path, roll):
    own = read_graded(predict(tmp_path / "own.parquet", splits=["val", "val", "train", "test"]))
    found = list(find_contradicting_files([own], roll))
    assert [(finding.kind, finding.ids) for finding in found] == [("contradicting-splits", ("3_l1",))]


def test_several_data_sets_are_compared_with_a_run_on_them_under_any_ids(tmp_path, fundus, save):
    both = [tmp_path / "a", tmp_path / "b"]
    own_id = {"a": "x", "b": "y"}  # the other ids are in both data sets

    def write(path, lines):
        (path / "labels.csv").write_text("\n".join(["image,grade,split", *lines]))

    for seed, path in enumerate(both):
        names = ["0", "1", "2", own_id[path.name]]
        for number, name in enumerate(names):
            save(fundus(10 * seed + number), path / f"{name}.jpg")
        cells = ("0,train", "1,val", "2,test", "2,test")
        write(path, [f"{name},{rest}" for name, rest in zip(names, cells, strict=True)])
    roll = concat_surveys([(path, survey_dataset(path)) for path in both])
    labels = read_datasets(both)
    assert labels.rows["image_id"].tolist() == ["a-0", "a-1", "a-2", "x", "b-0", "b-1", "b-2", "y"]
    meta = replace(EYE_META, folds=2)
    answers = {"probabilities": np.eye(5)[[0] * 8], "score": [0.0] * 8, "meta": meta, "name": "run"}
    predictions = build_predictions(labels, **answers, fold=[0, 1, None, None, 0, 1, None, None])
    write_predictions(predictions, tmp_path / "run.parquet")
    parquet = record(tmp_path / "run.parquet", [sha256_file(path) for path in labels.paths()])
    graded = read_graded(parquet)
    assert list(find_contradicting_files([graded], roll)) == []
    assert seen(roll, parquet) == [("2",), ("x",), ("2",), ("y",)]

    for unpredicted, path in enumerate(both):
        save(fundus(20), path / "new.jpg")
        write(path, ["0,0,train", "1,3,val", "2,2,test", f"{own_id[path.name]},4,test", f"new,{unpredicted},val"])
    for paths in (both, both[1:]):
        changed = concat_surveys([(path, survey_dataset(path)) for path in paths])
        expected = [
            (name, f"{grade} in {path}")
            for path in paths
            for name, grade in ((f"{path.name}-1", 3), (own_id[path.name], 4))
        ]
        findings = list(find_contradicting_files([graded], changed))
        assert [(*finding.ids, finding.sentence.rpartition(", ")[2]) for finding in findings] == expected
        assert {finding.kind for finding in findings} == {"contradicting-references"}


def test_a_broken_record_is_refused(tmp_path):
    parquet = predict(tmp_path / "run.parquet")
    parquet.with_suffix(".json").write_text("{}")
    with pytest.raises(InputError, match="is not a run's record"):
        read_graded(parquet)
