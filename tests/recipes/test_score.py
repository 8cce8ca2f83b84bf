import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporters import Recorder
from sklearn.metrics import cohen_kappa_score

from drkit import metrics, progress
from drkit.cli.score import score
from drkit.errors import InputError, LeakageError, UsageError
from drkit.recipes.score import RunScore, ScoreConfig, run_score
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import (
    PROBABILITY_COLUMNS,
    Predictions,
    PredictionsMeta,
    build_predictions,
    read_predictions,
    write_predictions,
)
from drkit.reporting import Table, as_json

META = PredictionsMeta(
    target="eye",
    unit="image",
    decision="rounding",
    cut_points=None,
    trained_on=("train",),
    folds=0,
    chosen_on="inner",
    model="resnet18",
    checkpoint_sha256=None,
    labels_sha256=None,
)
QUICK = ScoreConfig(resamples=200)
NUM_PATIENTS = 30


def _predictions(seed: int = 0, noise: float = 0.7, **change: object) -> Predictions:
    """Four photographs each of 30 patients, the first 10 in train, 10 in val, 10 in test."""
    generator = np.random.default_rng(99)
    eyes = generator.integers(0, 5, (NUM_PATIENTS, 2))
    eye_grade = np.repeat(eyes.ravel(), 2)
    rows = build_rows(
        image_id=[f"{p}_{e}{v}" for p in range(NUM_PATIENTS) for e in "lr" for v in (1, 2)],
        path=[""] * 4 * NUM_PATIENTS,
        patient_id=np.repeat(np.arange(NUM_PATIENTS).astype(str), 4),
        eye=["left", "left", "right", "right"] * NUM_PATIENTS,
        view=[1, 2] * 2 * NUM_PATIENTS,
        eye_grade=eye_grade,
        patient_grade=np.repeat(eyes.max(1), 4),
        split=np.repeat(["train", "val", "test"], 40),
    )
    meta = replace(META, **change)
    score = np.clip(eye_grade + np.random.default_rng(seed).normal(0, noise, len(rows)), 0, 4)
    probabilities = np.eye(5)[np.rint(score).astype(int)]
    labels = Labels(rows, Path("/nowhere"), "test", ("eye", "patient"))
    return build_predictions(labels, probabilities=probabilities, score=score, meta=meta, name="run")


def _write(folder: Path, predictions: Predictions, name: str = "run") -> Path:
    write_predictions(predictions, folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


def _one(path: Path, **change: object) -> RunScore:
    return run_score([path], replace(QUICK, **change)).scores[0]


def _kappa(reference: object, predicted: object) -> float:
    return cohen_kappa_score(reference, predicted, labels=range(5), weights="quadratic")


@pytest.fixture
def reported() -> Recorder:
    return Recorder()


def test_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    predictions = _predictions()
    order = np.random.default_rng(0).permutation(len(predictions))
    shuffled = replace(predictions, rows=predictions.rows.iloc[order].reset_index(drop=True))
    for by in ("photograph", "eye", "patient"):
        first = _one(_write(tmp_path / by / "a", predictions), by=by)
        assert first == _one(_write(tmp_path / by / "b", shuffled), by=by)


def test_perfect_grades_are_perfect_in_every_reading(tmp_path: Path) -> None:
    path = _write(tmp_path, _predictions(noise=0))
    for by in ("photograph", "eye", "patient"):
        found = _one(path, by=by, split="val")
        agreement = found.agreement
        assert (agreement.quadratic_weighted_kappa, agreement.plain_kappa, agreement.accuracy) == (1, 1, 1)
        assert found.agreement.quadratic_weighted_kappa_interval == (1, 1)


def test_several_data_sets_are_scored_together_and_each_for_itself(tmp_path: Path) -> None:
    predictions = _predictions()
    names = np.where(predictions.rows["patient_id"].astype(int) % 3 == 0, "third", "others")
    both = replace(predictions, rows=predictions.rows.assign(dataset=pd.array(names, "string")))
    path = _write(tmp_path, both, "both")
    found = _one(path, split="val")
    assert found.agreement == _one(_write(tmp_path, predictions, "plain"), split="val").agreement
    assert list(found.datasets) == ["others", "third"]
    for name, agreement in found.datasets.items():
        alone = both.where(names == name)
        assert agreement == _one(_write(tmp_path, alone, name), split="val").agreement
    assert found.agreement.cases == sum(agreement.cases for agreement in found.datasets.values())
    assert _one(tmp_path / "third.parquet", split="val").datasets == {}
    (table,) = [
        part for part in run_score([path], QUICK).render() if isinstance(part, Table) and "data set" in part.columns
    ]
    assert [row[:2] for row in table.rows] == [("both", "others"), ("both", "third")]


def test_runs_on_several_data_sets_are_compared_on_each_as_on_it_alone(tmp_path: Path) -> None:
    paths, alone = [], []
    for name, noise in (("one", 1.2), ("two", 0.4)):
        predictions = _predictions(noise=noise)
        names = np.where(predictions.rows["patient_id"].astype(int) % 3 == 0, "third", "others")
        both = replace(predictions, rows=predictions.rows.assign(dataset=pd.array(names, "string")))
        paths.append(_write(tmp_path, both, name))
        alone.append(_write(tmp_path / "alone", both.where(names == "third"), name))
    whole, others, third = run_score(paths, QUICK).comparisons
    assert (whole.run, whole.against) == ("two", "one")
    assert (third.run, third.against) == ("two on third", "one on third")
    assert others.photographs + third.photographs == whole.photographs
    (expected,) = run_score(alone, QUICK).comparisons
    assert (third.difference, third.interval) == (expected.difference, expected.interval)


def test_photographs_equal_scikit_learn(tmp_path: Path) -> None:
    predictions = _predictions()
    found = _one(_write(tmp_path, predictions), split="test")
    rows = predictions.of_split("test").rows
    assert found.agreement.quadratic_weighted_kappa == pytest.approx(_kappa(rows["eye_grade"], rows["predicted_grade"]))
    low, high = found.agreement.quadratic_weighted_kappa_interval
    assert low < found.agreement.quadratic_weighted_kappa < high
    assert (found.photographs, found.agreement.cases, found.agreement.patients) == (40, 40, 10)


def test_eyes_are_means_of_their_views(tmp_path: Path) -> None:
    predictions = _predictions()
    found = _one(_write(tmp_path, predictions), split="test", by="eye")
    eyes = predictions.of_split("test").rows.groupby(["patient_id", "eye"], sort=False)
    predicted = np.floor(eyes["score"].mean() + 0.5)
    assert found.agreement.quadratic_weighted_kappa == pytest.approx(_kappa(eyes["eye_grade"].first(), predicted))
    assert (found.photographs, found.agreement.cases, found.agreement.patients) == (40, 20, 10)


def test_a_patient_is_as_ill_as_the_worse_eye(tmp_path: Path) -> None:
    predictions = _predictions()
    found = _one(_write(tmp_path, predictions), split="test", by="patient")
    rows = predictions.of_split("test").rows
    worst = np.floor(rows.groupby(["patient_id", "eye"])["score"].mean() + 0.5).groupby("patient_id").max()
    reference = rows.groupby("patient_id")["patient_grade"].first()
    assert found.agreement.quadratic_weighted_kappa == pytest.approx(_kappa(reference, worst))
    assert found.agreement.cases == 10


def test_patient_grades_are_means_over_the_patient_and_stay_patient_grades_by_eye(tmp_path: Path) -> None:
    predictions = _predictions(target="patient")
    path = _write(tmp_path, predictions)
    rows = predictions.of_split("test").rows
    for by, keys in (("patient", ["patient_id"]), ("eye", ["patient_id", "eye"])):
        groups = rows.groupby(keys)
        expected = _kappa(groups["patient_grade"].first(), np.floor(groups["score"].mean() + 0.5))
        assert _one(path, split="test", by=by).agreement.quadratic_weighted_kappa == pytest.approx(expected)


def test_joining_decides_on_mean_probabilities(tmp_path: Path) -> None:
    predictions = _predictions(decision="argmax").of_split("val")
    shares = np.tile([[0.5, 0.1, 0.4, 0, 0], [0, 0.1, 0.45, 0.45, 0]], (20, 1))
    predictions.rows[[f"prob_{k}" for k in range(5)]] = shares.astype(np.float32)
    found = _one(_write(tmp_path, predictions), by="eye")
    assert np.sum(found.agreement.confusion, 0).tolist() == [0, 0, 20, 0, 0]


def test_photographs_of_nobody_known_are_patients_each(tmp_path: Path) -> None:
    predictions = _predictions().of_split("val")
    unknown = replace(predictions, rows=predictions.rows.assign(patient_id=None, eye=None))
    path = _write(tmp_path, unknown.where(np.ones(40)))
    found = _one(path, by="eye")
    assert (found.agreement.cases, found.agreement.patients) == (40, 40)


def test_an_unknown_eye_cannot_be_joined(tmp_path: Path) -> None:
    predictions = _predictions().of_split("val")
    predictions.rows["eye"] = predictions.rows["eye"].mask(predictions.rows["view"] == 2)
    path = _write(tmp_path, predictions)
    with pytest.raises(InputError, match="20 photographs whose eye is not known cannot be joined to eyes: 10_l2"):
        _one(path, by="eye")
    assert _one(path).agreement.cases == 40


def test_views_that_contradict_each_other_cannot_be_joined(tmp_path: Path) -> None:
    predictions = _predictions().of_split("val")
    predictions.rows.loc[0, "eye_grade"] = 4 - predictions.rows.loc[1, "eye_grade"] // 2
    path = _write(tmp_path, predictions)
    with pytest.raises(InputError, match=r"1 cases cannot be joined, .*: patient 10 left"):
        _one(path, by="eye")


def test_photographs_that_were_trained_on_are_never_scored(tmp_path: Path) -> None:
    predictions = _predictions()
    path = _write(tmp_path, predictions)
    found = _one(path)
    assert (found.splits, found.photographs, found.left_out_trained_on) == (("val", "test"), 80, 40)
    assert "run: 40 photographs it was trained on are left out." in list(found.remarks())
    with pytest.raises(LeakageError, match="split train: the run was trained on all 40 photographs"):
        _one(path, split="train")
    held_out = replace(predictions, rows=predictions.rows.assign(fold=0))
    assert _one(_write(tmp_path, held_out, "folds"), split="train").photographs == 40


def test_what_chose_the_epoch_is_said(tmp_path: Path) -> None:
    path = _write(tmp_path, _predictions(chosen_on="val"))
    assert list(_one(path, split="val").remarks()) == ["run was selected on val, so its scores there are optimistic."]
    assert list(_one(path, split="test").remarks()) == []


def test_the_same_grades_in_a_truth_score_the_same(tmp_path: Path) -> None:
    predictions = _predictions()
    path = _write(tmp_path, predictions)
    bare = _predictions()
    bare.rows[["eye_grade", "patient_grade"]] = None
    truth = _truth(tmp_path, predictions.of_split("test"))
    found = _one(_write(tmp_path, bare, "bare"), truth=truth)
    assert replace(found, run="run") == _one(path, split="test")


def test_a_truth_without_some_grades_leaves_them_out(tmp_path: Path) -> None:
    predictions = _predictions()
    graded = predictions.of_split("test")
    graded.rows.loc[:2, "eye_grade"] = None
    found = _one(_write(tmp_path, predictions), truth=_truth(tmp_path, graded))
    assert (found.photographs, found.left_out_ungraded) == (37, 3)


def test_a_truth_must_fit_in_both_directions(tmp_path: Path) -> None:
    predictions = _predictions()
    path = _write(tmp_path, predictions)
    with pytest.raises(InputError, match=r"6 photographs of run have no row: .* and 1 more"):
        _one(path, truth=_truth(tmp_path, predictions.of_split("test").where(np.arange(40) >= 6)))
    fewer = _write(tmp_path, predictions.of_split("test").where(np.arange(40) >= 6), "fewer")
    with pytest.raises(InputError, match=r"fewer: 6 graded photographs of .* have no prediction: .* and 1 more"):
        _one(fewer, truth=_truth(tmp_path, predictions.of_split("test")))
    other = tmp_path / "other.csv"
    other.write_text("ID,TARGET\nabc.jpg,1\n")
    with pytest.raises(InputError, match="share no photograph: the first has ids such as abc, the second"):
        _one(path, truth=other)


def test_the_courses_truth_scores_a_split_it_names(shared_data: Path, tmp_path: Path) -> None:
    truth = shared_data / "DeepDRiD" / "val.csv"
    ids = [line.split(",")[1] for line in truth.read_text().splitlines()[1:]]
    rows = build_rows(image_id=ids, path=ids, patient_id=[i.split("_")[0] for i in ids], split=["val"] * 400)
    predictions = build_predictions(
        Labels(rows, tmp_path, "test", ()),
        probabilities=np.eye(5)[[1] * 400],
        score=np.ones(400),
        meta=replace(META, target="patient"),
        name="ones",
    )
    found = _one(_write(tmp_path, predictions), truth=truth)
    assert (found.photographs, found.agreement.patients, found.agreement.quadratic_weighted_kappa) == (400, 100, 0)
    assert np.sum(found.agreement.confusion, 1).tolist() == [120, 80, 80, 80, 40]


def test_without_reference_grades_nothing_is_scored(tmp_path: Path) -> None:
    predictions = _predictions()
    predictions.rows["eye_grade"] = None
    path = _write(tmp_path, predictions)
    with pytest.raises(InputError, match=r"no photograph .* has a reference grade of the eye.*--truth"):
        _one(path)
    with pytest.raises(InputError, match="no rows of split train, only of val"):
        _one(_write(tmp_path, _predictions().of_split("val"), "val"), split="train")


def test_a_run_is_not_better_than_itself(tmp_path: Path) -> None:
    paths = [_write(tmp_path, _predictions(), name) for name in ("a", "b")]
    comparison = run_score(paths, QUICK).comparisons[0]
    assert (comparison.difference, comparison.interval, comparison.probability_of_no_gain) == (0, (0, 0), 1)
    assert comparison.sentence.startswith("Which of b and a agrees better cannot be told")


@pytest.mark.parametrize(
    ("noises", "start"), [((1.5, 0.2), "b agrees better than a: +"), ((0.2, 1.5), "b agrees worse than a: -")]
)
def test_a_clear_difference_is_said_in_its_direction(tmp_path: Path, noises: tuple[float, float], start: str) -> None:
    paths = [_write(tmp_path, _predictions(1, noise), name) for name, noise in zip("ab", noises, strict=True)]
    report = run_score(paths, QUICK)
    first, second = (found.agreement.quadratic_weighted_kappa for found in report.scores)
    assert report.comparisons[0].difference == pytest.approx(second - first)
    assert report.comparisons[0].sentence.startswith(start)


def _seeded(noises: tuple[float, ...], first: int = 0, **change: object) -> Predictions:
    """The same photographs, graded by a run of several seeds."""
    parts = [_predictions(first + at, noise) for at, noise in enumerate(noises)]
    shares = np.stack([part.probabilities() for part in parts], 1)
    score = np.stack([part.rows["score"].to_numpy() for part in parts], 1)
    rows = parts[0].rows.assign(path="", gradable=True)
    return build_predictions(
        Labels(rows, Path("/nowhere"), "test", ("eye", "patient")),
        probabilities=shares.mean(1),
        score=score.mean(1),
        meta=replace(META, seeds=tuple(range(7, 7 + len(noises))), **change),
        name="run",
        seed_probabilities=shares,
        seed_score=score,
    )


@pytest.mark.parametrize("by", ["photograph", "patient"])
def test_seeds_are_scored_each_alone_and_their_average_apart(tmp_path: Path, by: str) -> None:
    config = replace(QUICK, split="val", by=by)
    report = run_score([_write(tmp_path, _seeded((0.8, 1.0, 1.4)), "several")], config)
    (found,) = report.scores
    alone = [
        run_score([_write(tmp_path, _predictions(seed, noise), f"s{seed}")], config).scores[0].agreement
        for seed, noise in enumerate((0.8, 1.0, 1.4))
    ]
    kappas = [each.quadratic_weighted_kappa for each in alone]
    assert found.seeds.seeds == (7, 8, 9)
    assert found.seeds.quadratic_weighted_kappas == pytest.approx(kappas)
    assert found.seeds.quadratic_weighted_kappa == pytest.approx(np.mean(kappas))
    assert found.seeds.accuracy == pytest.approx(np.mean([each.accuracy for each in alone]))
    assert found.agreement.quadratic_weighted_kappa > found.seeds.quadratic_weighted_kappa  # errors average out
    table, *_ = report.render()
    assert [row[0].splitlines()[0] for row in table.rows] == [
        "several, mean of 3 seeds alone", "several, the 3 seeds' networks averaged",
    ]  # fmt: skip
    assert table.rows[0][1].startswith(f"{np.mean(kappas):.3f}")
    assert any(str(part).startswith("several: seeds 7, 8 and 9 alone: ") for part in report.render())
    assert json.loads(json.dumps(as_json(report)))["scores"][0]["seeds"]["seeds"] == [7, 8, 9]


def test_seeds_are_scored_in_each_data_set_for_itself(tmp_path: Path) -> None:
    run = _seeded((0.8, 1.2))
    names = np.where(np.arange(len(run)) % 8 < 4, "one", "two")
    both = replace(run, rows=run.rows.assign(dataset=pd.array(names, "string")))
    report = run_score([_write(tmp_path, both, "both")], replace(QUICK, split="val"))
    (found,) = report.scores
    for name in ("one", "two"):
        part = _write(tmp_path, run.where(names == name), name)
        alone = run_score([part], replace(QUICK, split="val")).scores[0]
        assert found.datasets[name] == alone.agreement
        assert found.dataset_seeds[name] == alone.seeds
    table = next(part for part in report.render() if isinstance(part, Table) and "data set" in part.columns)
    assert [row[:2] for row in table.rows] == [
        ("both, mean of 2 seeds alone", "one"), ("both, the 2 seeds' networks averaged", "one"),
        ("both, mean of 2 seeds alone", "two"), ("both, the 2 seeds' networks averaged", "two"),
    ]  # fmt: skip


def test_runs_of_several_seeds_are_compared_by_the_means_of_their_own_kappas(tmp_path: Path) -> None:
    first = _write(tmp_path, _seeded((2.5, 2.6)), "first")
    second = _write(tmp_path, _seeded((0.3, 0.4, 0.5), first=5), "second")
    one = _write(tmp_path, _predictions(3, 1.5), "one")
    report = run_score([first, second, one], replace(QUICK, split="val"))
    scores, (several, single) = report.scores, report.comparisons
    means = [score.seeds.quadratic_weighted_kappa for score in scores[:2]]
    assert several.difference == pytest.approx(means[1] - means[0])
    assert several.sentence.startswith("second agrees better than first: +")
    assert "over patients and seeds" in several.sentence
    assert "noise" not in several.sentence
    assert single.difference == pytest.approx(scores[2].agreement.quadratic_weighted_kappa - means[0])
    assert "one has one seed: its training's own noise is not in the interval" in single.sentence


def test_runs_are_compared_on_the_photographs_they_share(tmp_path: Path) -> None:
    whole, part = _predictions(1), _predictions(2).where(np.arange(120) % 3 > 0).of_split("val")
    report = run_score([_write(tmp_path, whole, "a"), _write(tmp_path, part, "b")], QUICK)
    shared = whole.rows["image_id"].isin(part.rows["image_id"])
    reference = part.rows["eye_grade"]
    expected = _kappa(reference, part.rows["predicted_grade"]) - _kappa(
        reference, whole.rows["predicted_grade"][shared]
    )
    assert report.comparisons[0].photographs == len(part)
    assert report.comparisons[0].difference == pytest.approx(expected)


def _joined(single: Predictions) -> Predictions:
    """The same answers, each patient's photographs joined to one."""
    answers = [*PROBABILITY_COLUMNS, "score"]
    means = single.rows.groupby("patient_id")[answers].transform("mean")
    rows = single.rows.assign(**means, predicted_grade=np.floor(means["score"] + 0.5).astype("int8"))
    return replace(single, rows=rows, meta=replace(single.meta, unit="patient"))


def test_joined_and_single_photographs_are_compared_joined_alike(tmp_path: Path) -> None:
    single = _predictions(noise=1.2, target="patient")
    files = [_write(tmp_path, single, "single"), _write(tmp_path, _joined(single), "joined")]
    report = run_score(files, QUICK)
    kappas = [score.agreement.quadratic_weighted_kappa for score in report.scores]
    assert kappas[1] > kappas[0] + 0.05  # photograph by photograph joining pays, whoever does it
    assert [score.joined_by for score in report.scores] == ["photograph", "patient"]
    (comparison,) = report.comparisons
    assert (comparison.by, comparison.difference) == ("patient", pytest.approx(0, abs=1e-9))
    assert comparison.sentence.startswith("Which of joined and single agrees better cannot be told")
    assert ", photographs joined by patient. " in comparison.sentence
    table = next(iter(report.render()))
    assert "by photograph\n" in table.rows[0][0]
    assert "by photograph (joined by patient)\n" in table.rows[1][0]
    assert run_score(files, replace(QUICK, by="patient")).comparisons[0].difference == pytest.approx(0, abs=1e-9)


def test_runs_joined_alike_are_compared_as_asked(tmp_path: Path) -> None:
    runs = [_joined(_predictions(seed, target="patient")) for seed in (1, 2)]
    report = run_score([_write(tmp_path, run, name) for run, name in zip(runs, "ab", strict=True)], QUICK)
    assert report.comparisons[0].by == "photograph"


def test_what_cannot_be_joined_alike_is_not_compared(tmp_path: Path, reported: Recorder) -> None:
    single = _predictions()
    single = replace(single, rows=single.rows.assign(eye=pd.Series([None] * len(single), dtype="string")))
    by_eye = replace(single, meta=replace(single.meta, unit="eye"))
    with progress.reporting_to(reported):
        report = run_score([_write(tmp_path, single, "single"), _write(tmp_path, by_eye, "joined")], QUICK)
    assert (len(report.scores), report.comparisons) == (2, ())
    assert any(
        "joined is not compared with single: " in told and "eye is not known" in told for told in reported.warnings
    )


def test_runs_that_cannot_be_compared_are_scored_and_said(tmp_path: Path, reported: Recorder) -> None:
    paths = [
        _write(tmp_path, _predictions().of_split("val"), "eyes"),
        _write(tmp_path, _predictions(target="patient").of_split("val"), "patients"),
        _write(tmp_path, _predictions().of_split("test"), "elsewhere"),
    ]
    with progress.reporting_to(reported):
        report = run_score(paths, QUICK)
    assert (len(report.scores), report.comparisons) == (3, ())
    assert any("patients is not compared with eyes: their reference" in warning for warning in reported.warnings)
    assert any("elsewhere is not compared with eyes: they share no" in warning for warning in reported.warnings)


def test_one_single_grade_is_a_zero_with_a_warning(tmp_path: Path, reported: Recorder) -> None:
    predictions = _predictions(noise=0)
    path = _write(tmp_path, predictions.where(predictions.rows["eye_grade"] == 3))
    with progress.reporting_to(reported):
        found = _one(path)
    agreement = found.agreement
    assert (agreement.degenerate, agreement.quadratic_weighted_kappa, agreement.plain_kappa) == (True, 0, 0)
    assert any("kappa is undefined and given as 0" in warning for warning in reported.warnings)
    assert any("too few for an interval" in warning for warning in reported.warnings)
    assert found.agreement.recalls == (None, None, None, 1, None)
    assert found.agreement.referable_specificity is None


def test_the_command_answers_people_and_programs(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        _write(tmp_path, _predictions(seed), name)
    report = score([tmp_path / "*.parquet"], split="val", resamples=200, seed=1)
    tables = [part for part in report.render() if isinstance(part, Table)]
    assert [len(table.rows) for table in tables] == [2, 2, 1]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert tables[0].rows[0][0].startswith("a\neye's grade, val, by photograph\n")
    record = json.loads(json.dumps(as_json(report), allow_nan=False))
    assert record["scores"][0]["agreement"]["quadratic_weighted_kappa_interval"][0] < 1
    assert score([tmp_path / "*.parquet"], split="val", resamples=200, seed=1) == report


def test_joined_out_of_fold_rows_warn_of_cut_points_that_saw_them(tmp_path: Path, reported: Recorder) -> None:
    predictions = _predictions(decision="cut_points", cut_points=(0.4, 1.6, 2.5, 3.5), folds=5)
    path = _write(tmp_path, replace(predictions, rows=predictions.rows.assign(fold=0)))
    with progress.reporting_to(reported):
        _one(path, by="photograph")
    assert reported.warnings == []
    with progress.reporting_to(reported):
        _one(path, by="eye")
    assert any("cut points that were fitted on them too" in warning for warning in reported.warnings)


def test_too_few_resamples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--resamples 10: an interval needs at least 100"):
        score([_write(tmp_path, _predictions())], resamples=10)


def test_predictions_are_not_changed_by_being_scored(tmp_path: Path) -> None:
    predictions = _predictions()
    path = _write(tmp_path, predictions)
    before = path.read_bytes()
    _one(path, by="patient")
    assert path.read_bytes() == before
    found = metrics.confusion(predictions.rows["eye_grade"], read_predictions(path).rows["predicted_grade"])
    assert found.sum() == 120


def _truth(folder: Path, predictions: Predictions) -> Path:
    """A competition's solution, made of the predictions' own eye grades."""
    path = folder / "solution.csv"
    grades = predictions.rows["eye_grade"].astype("string").fillna("")
    lines = [f"{image}.jpg,{grade}" for image, grade in zip(predictions.rows["image_id"], grades, strict=True)]
    path.write_text("\n".join(["ID,TARGET", *lines]) + "\n")
    return path
