"""`drkit score`: agreement, aggregation, and which photographs count."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predictions_meta import EYE_META
from reporters import Recorder
from scored_eyes import QUICK, kappa, predict_eyes, score_one, write_run

from drkit import metrics, progress
from drkit.cli.score import score
from drkit.config.shared import TableFiles
from drkit.errors import InputError, LeakageError, OutputExistsError, UsageError
from drkit.recipes.score import run_score
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import (
    Predictions,
    build_predictions,
    read_predictions,
)
from drkit.reporting import Table, as_json


@pytest.fixture
def reported() -> Recorder:
    return Recorder()


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    predictions = predict_eyes()
    order = np.random.default_rng(0).permutation(len(predictions))
    shuffled = replace(predictions, rows=predictions.rows.iloc[order].reset_index(drop=True))
    for by in ("photograph", "eye", "patient"):
        first = score_one(write_run(tmp_path / by / "a", predictions), by=by)
        assert first == score_one(write_run(tmp_path / by / "b", shuffled), by=by)


def test_perfect_grades_are_perfect_in_every_reading(tmp_path: Path) -> None:
    path = write_run(tmp_path, predict_eyes(noise=0))
    for by in ("photograph", "eye", "patient"):
        found = score_one(path, by=by, split="val")
        agreement = found.agreement
        assert (agreement.quadratic_weighted_kappa, agreement.plain_kappa, agreement.accuracy) == (1, 1, 1)
        assert found.agreement.quadratic_weighted_kappa_interval == (1, 1)


def test_several_data_sets_are_scored_together_and_separately(tmp_path: Path) -> None:
    predictions = predict_eyes()
    names = np.where(predictions.rows["patient_id"].astype(int) % 3 == 0, "third", "others")
    both = replace(predictions, rows=predictions.rows.assign(dataset=pd.array(names, "string")))
    path = write_run(tmp_path, both, "both")
    found = score_one(path, split="val")
    assert found.agreement == score_one(write_run(tmp_path, predictions, "plain"), split="val").agreement
    assert list(found.datasets) == ["others", "third"]
    for name, agreement in found.datasets.items():
        alone = both.where(names == name)
        assert agreement == score_one(write_run(tmp_path, alone, name), split="val").agreement
    assert found.agreement.cases == sum(agreement.cases for agreement in found.datasets.values())
    assert score_one(tmp_path / "third.parquet", split="val").datasets == {}
    (table,) = [
        part for part in run_score([path], QUICK).render() if isinstance(part, Table) and "data set" in part.columns
    ]
    assert [row[:2] for row in table.rows] == [("both", "others"), ("both", "third")]


def test_photographs_equal_scikit_learn(tmp_path: Path) -> None:
    predictions = predict_eyes()
    found = score_one(write_run(tmp_path, predictions), split="test")
    rows = predictions.of_split("test").rows
    assert found.agreement.quadratic_weighted_kappa == pytest.approx(kappa(rows["eye_grade"], rows["predicted_grade"]))
    low, high = found.agreement.quadratic_weighted_kappa_interval
    assert low < found.agreement.quadratic_weighted_kappa < high
    assert (found.photographs, found.agreement.cases, found.agreement.patients) == (40, 40, 10)


def test_eyes_are_means_of_their_views(tmp_path: Path) -> None:
    predictions = predict_eyes()
    found = score_one(write_run(tmp_path, predictions), split="test", by="eye")
    eyes = predictions.of_split("test").rows.groupby(["patient_id", "eye"], sort=False)
    predicted = np.floor(eyes["score"].mean() + 0.5)
    assert found.agreement.quadratic_weighted_kappa == pytest.approx(kappa(eyes["eye_grade"].first(), predicted))
    assert (found.photographs, found.agreement.cases, found.agreement.patients) == (40, 20, 10)


def test_a_patient_is_as_ill_as_the_worse_eye(tmp_path: Path) -> None:
    predictions = predict_eyes()
    found = score_one(write_run(tmp_path, predictions), split="test", by="patient")
    rows = predictions.of_split("test").rows
    worst = np.floor(rows.groupby(["patient_id", "eye"])["score"].mean() + 0.5).groupby("patient_id").max()
    reference = rows.groupby("patient_id")["patient_grade"].first()
    assert found.agreement.quadratic_weighted_kappa == pytest.approx(kappa(reference, worst))
    assert found.agreement.cases == 10


def test_patient_grades_are_means_over_the_patient_and_stay_patient_grades_by_eye(tmp_path: Path) -> None:
    predictions = predict_eyes(target="patient")
    path = write_run(tmp_path, predictions)
    rows = predictions.of_split("test").rows
    for by, keys in (("patient", ["patient_id"]), ("eye", ["patient_id", "eye"])):
        groups = rows.groupby(keys)
        expected = kappa(groups["patient_grade"].first(), np.floor(groups["score"].mean() + 0.5))
        assert score_one(path, split="test", by=by).agreement.quadratic_weighted_kappa == pytest.approx(expected)


def test_combined_photographs_are_decided_on_mean_probabilities(tmp_path: Path) -> None:
    predictions = predict_eyes(decision="argmax").of_split("val")
    shares = np.tile([[0.5, 0.1, 0.4, 0, 0], [0, 0.1, 0.45, 0.45, 0]], (20, 1))
    predictions.rows[[f"prob_{k}" for k in range(5)]] = shares.astype(np.float32)
    found = score_one(write_run(tmp_path, predictions), by="eye")
    assert np.sum(found.agreement.confusion, 0).tolist() == [0, 0, 20, 0, 0]


def test_photographs_of_unknown_patients_are_a_patient_each(tmp_path: Path) -> None:
    predictions = predict_eyes().of_split("val")
    unknown = replace(predictions, rows=predictions.rows.assign(patient_id=None, eye=None))
    path = write_run(tmp_path, unknown.where(np.ones(40)))
    found = score_one(path, by="eye")
    assert (found.agreement.cases, found.agreement.patients) == (40, 40)


def test_photographs_of_an_unknown_eye_cannot_be_combined(tmp_path: Path) -> None:
    predictions = predict_eyes().of_split("val")
    predictions.rows["eye"] = predictions.rows["eye"].mask(predictions.rows["view"] == 2)
    path = write_run(tmp_path, predictions)
    with pytest.raises(InputError, match="20 photographs whose eye is not known cannot be joined to eyes: 10_l2"):
        score_one(path, by="eye")
    assert score_one(path).agreement.cases == 40


def test_contradicting_views_cannot_be_combined(tmp_path: Path) -> None:
    predictions = predict_eyes().of_split("val")
    predictions.rows.loc[0, "eye_grade"] = 4 - predictions.rows.loc[1, "eye_grade"] // 2
    path = write_run(tmp_path, predictions)
    with pytest.raises(InputError, match=r"1 cases cannot be joined, .*: patient 10 left"):
        score_one(path, by="eye")


def test_photographs_that_were_trained_on_are_never_scored(tmp_path: Path) -> None:
    predictions = predict_eyes()
    path = write_run(tmp_path, predictions)
    found = score_one(path)
    assert (found.splits, found.photographs, found.left_out_trained_on) == (("val", "test"), 80, 40)
    assert "run: left out 40 photographs that it was trained on." in list(found.remarks())
    with pytest.raises(LeakageError, match="split train: the run was trained on all 40 photographs"):
        score_one(path, split="train")
    held_out = replace(predictions, rows=predictions.rows.assign(fold=0))
    assert score_one(write_run(tmp_path, held_out, "folds"), split="train").photographs == 40


def test_the_split_that_selected_the_epoch_is_reported(tmp_path: Path) -> None:
    path = write_run(tmp_path, predict_eyes(chosen_on="val"))
    assert list(score_one(path, split="val").remarks()) == [
        "run was selected on val, so its scores there are optimistic."
    ]
    assert list(score_one(path, split="test").remarks()) == []


def test_the_same_grades_in_a_truth_score_the_same(tmp_path: Path) -> None:
    predictions = predict_eyes()
    path = write_run(tmp_path, predictions)
    bare = predict_eyes()
    bare.rows[["eye_grade", "patient_grade"]] = None
    truth = write_truth(tmp_path, predictions.of_split("test"))
    found = score_one(write_run(tmp_path, bare, "bare"), truth=truth)
    assert replace(found, run="run") == score_one(path, split="test")


def test_a_truth_without_some_grades_leaves_them_out(tmp_path: Path) -> None:
    predictions = predict_eyes()
    graded = predictions.of_split("test")
    graded.rows.loc[:2, "eye_grade"] = None
    found = score_one(write_run(tmp_path, predictions), truth=write_truth(tmp_path, graded))
    assert (found.photographs, found.left_out_ungraded) == (37, 3)


def test_a_truth_must_fit_in_both_directions(tmp_path: Path) -> None:
    predictions = predict_eyes()
    path = write_run(tmp_path, predictions)
    with pytest.raises(InputError, match=r"6 photographs of run have no row: .* and 1 more"):
        score_one(path, truth=write_truth(tmp_path, predictions.of_split("test").where(np.arange(40) >= 6)))
    fewer = write_run(tmp_path, predictions.of_split("test").where(np.arange(40) >= 6), "fewer")
    with pytest.raises(InputError, match=r"fewer: 6 graded photographs of .* have no prediction: .* and 1 more"):
        score_one(fewer, truth=write_truth(tmp_path, predictions.of_split("test")))
    other = tmp_path / "other.csv"
    other.write_text("ID,TARGET\nabc.jpg,1\n")
    with pytest.raises(InputError, match="share no photograph: the first has ids like abc, the second"):
        score_one(path, truth=other)


def test_the_courses_truth_scores_a_split_it_names(shared_data: Path, tmp_path: Path) -> None:
    truth = shared_data / "DeepDRiD" / "val.csv"
    ids = [line.split(",")[1] for line in truth.read_text().splitlines()[1:]]
    rows = build_rows(image_id=ids, path=ids, patient_id=[i.split("_")[0] for i in ids], split=["val"] * 400)
    predictions = build_predictions(
        Labels(rows, tmp_path, "test", ()),
        probabilities=np.eye(5)[[1] * 400],
        score=np.ones(400),
        meta=replace(EYE_META, target="patient"),
        name="ones",
    )
    found = score_one(write_run(tmp_path, predictions), truth=truth)
    assert (found.photographs, found.agreement.patients, found.agreement.quadratic_weighted_kappa) == (400, 100, 0)
    assert np.sum(found.agreement.confusion, 1).tolist() == [120, 80, 80, 80, 40]


def test_without_reference_grades_nothing_is_scored(tmp_path: Path) -> None:
    predictions = predict_eyes()
    predictions.rows["eye_grade"] = None
    path = write_run(tmp_path, predictions)
    with pytest.raises(InputError, match=r"no photograph .* has the eye's grade.*--truth"):
        score_one(path)
    with pytest.raises(InputError, match="no rows of split train, only of val"):
        score_one(write_run(tmp_path, predict_eyes().of_split("val"), "val"), split="train")


def test_one_single_grade_is_a_zero_with_a_warning(tmp_path: Path, reported: Recorder) -> None:
    predictions = predict_eyes(noise=0)
    path = write_run(tmp_path, predictions.where(predictions.rows["eye_grade"] == 3))
    with progress.reporting_to(reported):
        found = score_one(path)
    agreement = found.agreement
    assert (agreement.degenerate, agreement.quadratic_weighted_kappa, agreement.plain_kappa) == (True, 0, 0)
    assert any("kappa is undefined and reported as 0" in warning for warning in reported.warnings)
    assert any("are unreliable" in warning for warning in reported.warnings)
    assert found.agreement.recalls == (None, None, None, 1, None)
    assert found.agreement.referable_specificity is None


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        write_run(tmp_path, predict_eyes(seed), name)
    report = score(files=[tmp_path / "*.parquet"], split="val", resamples=200, seed=1)
    tables = [part for part in report.render() if isinstance(part, Table)]
    assert [len(table.rows) for table in tables] == [2, 2, 1]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert tables[0].rows[0][0].startswith("a\neye's grade, val, by photograph\n")
    record = json.loads(json.dumps(as_json(report), allow_nan=False))
    assert record["scores"][0]["agreement"]["quadratic_weighted_kappa_interval"][0] < 1
    assert score(files=[tmp_path / "*.parquet"], split="val", resamples=200, seed=1) == report


def test_joined_out_of_fold_rows_warn_of_cut_points_that_saw_them(tmp_path: Path, reported: Recorder) -> None:
    predictions = predict_eyes(decision="cut_points", cut_points=(0.4, 1.6, 2.5, 3.5), folds=5)
    path = write_run(tmp_path, replace(predictions, rows=predictions.rows.assign(fold=0)))
    with progress.reporting_to(reported):
        score_one(path, by="photograph")
    assert reported.warnings == []
    with progress.reporting_to(reported):
        score_one(path, by="eye")
    assert any("were also fitted on them" in warning for warning in reported.warnings)


def test_too_few_resamples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resamples 10: an interval needs at least 100"):
        score(files=[write_run(tmp_path, predict_eyes())], resamples=10)


def test_predictions_are_not_changed_by_being_scored(tmp_path: Path) -> None:
    predictions = predict_eyes()
    path = write_run(tmp_path, predictions)
    before = path.read_bytes()
    score_one(path, by="patient")
    assert path.read_bytes() == before
    found = metrics.confusion(predictions.rows["eye_grade"], read_predictions(path).rows["predicted_grade"])
    assert found.sum() == 120


def write_truth(folder: Path, predictions: Predictions) -> Path:
    """The solution file of a competition, made from the reference grades of the predictions."""
    path = folder / "solution.csv"
    grades = predictions.rows["eye_grade"].astype("string").fillna("")
    lines = [f"{image}.jpg,{grade}" for image, grade in zip(predictions.rows["image_id"], grades, strict=True)]
    path.write_text("\n".join(["ID,TARGET", *lines]) + "\n")
    return path


def test_tables_are_written_for_papers_and_programs(tmp_path: Path) -> None:
    paths = [write_run(tmp_path, predict_eyes(seed), name) for seed, name in enumerate(("a", "b_|_c"))]
    tables = TableFiles(tmp_path / "t.md", tmp_path / "t.csv")
    report = run_score(paths, replace(QUICK, split="val"), tables)
    rows = pd.read_csv(tables.csv).set_index("run")
    for found in report.scores:
        row, agreement = rows.loc[found.run], found.agreement
        low, high = agreement.quadratic_weighted_kappa_interval
        shown = row[["quadratic_kappa", "quadratic_kappa_low", "quadratic_kappa_high"]].tolist()
        assert shown == pytest.approx([agreement.quadratic_weighted_kappa, low, high], abs=1e-6)
        assert (row["cases"], row["patients"], row["split"]) == (agreement.cases, agreement.patients, "val")
    markdown = tables.markdown.read_text()
    for table in (part for part in report.render() if isinstance(part, Table)):
        assert table.title in markdown
    lines = [line for line in markdown.splitlines() if line.startswith("|") and "a<br>" not in line]
    assert any(line.startswith(r"| b\_\|\_c<br>eye's grade, val, by photograph<br>") for line in lines)
    with pytest.raises(OutputExistsError):
        run_score(paths, QUICK, tables)
    run_score(paths, replace(QUICK, force=True), tables)
