"""`drkit score`: several runs compared, and runs of several seeds."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from predictions_meta import EYE_META
from reporters import Recorder
from scored_eyes import QUICK, kappa, predict_eyes, write_run

from drkit import progress
from drkit.recipes.score import run_score
from drkit.records.labels import Labels
from drkit.records.predictions import (
    PROBABILITY_COLUMNS,
    Predictions,
    build_predictions,
)
from drkit.reporting import Table, as_json


@pytest.fixture
def reported() -> Recorder:
    return Recorder()


def test_runs_on_several_data_sets_are_compared_on_each_as_if_scored_separately(tmp_path: Path) -> None:
    paths, alone = [], []
    for name, noise in (("one", 1.2), ("two", 0.4)):
        predictions = predict_eyes(noise=noise)
        names = np.where(predictions.rows["patient_id"].astype(int) % 3 == 0, "third", "others")
        both = replace(predictions, rows=predictions.rows.assign(dataset=pd.array(names, "string")))
        paths.append(write_run(tmp_path, both, name))
        alone.append(write_run(tmp_path / "alone", both.where(names == "third"), name))
    whole, others, third = run_score(paths, QUICK).comparisons
    assert (whole.run, whole.against) == ("two", "one")
    assert (third.run, third.against) == ("two on third", "one on third")
    assert others.photographs + third.photographs == whole.photographs
    (expected,) = run_score(alone, QUICK).comparisons
    assert (third.difference, third.interval) == (expected.difference, expected.interval)


def test_a_run_is_not_better_than_itself(tmp_path: Path) -> None:
    paths = [write_run(tmp_path, predict_eyes(), name) for name in ("a", "b")]
    comparison = run_score(paths, QUICK).comparisons[0]
    assert (comparison.difference, comparison.interval, comparison.probability_of_no_gain) == (0, (0, 0), 1)
    assert comparison.sentence.startswith("It is unclear which of b and a agrees better")


@pytest.mark.parametrize(
    ("noises", "start"), [((1.5, 0.2), "b agrees better than a: +"), ((0.2, 1.5), "b agrees worse than a: -")]
)
def test_a_clear_difference_is_reported_with_its_direction(
    tmp_path: Path, noises: tuple[float, float], start: str
) -> None:
    paths = [write_run(tmp_path, predict_eyes(1, noise), name) for name, noise in zip("ab", noises, strict=True)]
    report = run_score(paths, QUICK)
    first, second = (found.agreement.quadratic_weighted_kappa for found in report.scores)
    assert report.comparisons[0].difference == pytest.approx(second - first)
    assert report.comparisons[0].sentence.startswith(start)


def _seeded(noises: tuple[float, ...], first: int = 0, **change: object) -> Predictions:
    """The same photographs, graded by a run of several seeds."""
    parts = [predict_eyes(first + at, noise) for at, noise in enumerate(noises)]
    shares = np.stack([part.probabilities() for part in parts], 1)
    score = np.stack([part.rows["score"].to_numpy() for part in parts], 1)
    rows = parts[0].rows.assign(path="", gradable=True)
    return build_predictions(
        Labels(rows, Path("/nowhere"), "test", ("eye", "patient")),
        probabilities=shares.mean(1),
        score=score.mean(1),
        meta=replace(EYE_META, seeds=tuple(range(7, 7 + len(noises))), **change),
        name="run",
        seed_probabilities=shares,
        seed_score=score,
    )


@pytest.mark.parametrize("by", ["photograph", "patient"])
def test_each_seed_and_the_average_of_seeds_are_scored_separately(tmp_path: Path, by: str) -> None:
    config = replace(QUICK, split="val", by=by)
    report = run_score([write_run(tmp_path, _seeded((0.8, 1.0, 1.4)), "several")], config)
    (found,) = report.scores
    alone = [
        run_score([write_run(tmp_path, predict_eyes(seed, noise), f"s{seed}")], config).scores[0].agreement
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
        "several, mean of 3 single seeds", "several, networks of 3 seeds averaged",
    ]  # fmt: skip
    assert table.rows[0][1].startswith(f"{np.mean(kappas):.3f}")
    assert any(str(part).startswith("several: seeds 7, 8 and 9 alone: ") for part in report.render())
    assert json.loads(json.dumps(as_json(report)))["scores"][0]["seeds"]["seeds"] == [7, 8, 9]


def test_seeds_are_scored_separately_on_each_data_set(tmp_path: Path) -> None:
    run = _seeded((0.8, 1.2))
    names = np.where(np.arange(len(run)) % 8 < 4, "one", "two")
    both = replace(run, rows=run.rows.assign(dataset=pd.array(names, "string")))
    report = run_score([write_run(tmp_path, both, "both")], replace(QUICK, split="val"))
    (found,) = report.scores
    for name in ("one", "two"):
        part = write_run(tmp_path, run.where(names == name), name)
        alone = run_score([part], replace(QUICK, split="val")).scores[0]
        assert found.datasets[name] == alone.agreement
        assert found.dataset_seeds[name] == alone.seeds
    table = next(part for part in report.render() if isinstance(part, Table) and "data set" in part.columns)
    assert [row[:2] for row in table.rows] == [
        ("both, mean of 2 single seeds", "one"), ("both, networks of 2 seeds averaged", "one"),
        ("both, mean of 2 single seeds", "two"), ("both, networks of 2 seeds averaged", "two"),
    ]  # fmt: skip


def test_runs_of_several_seeds_are_compared_by_the_means_of_their_own_kappas(tmp_path: Path) -> None:
    first = write_run(tmp_path, _seeded((2.5, 2.6)), "first")
    second = write_run(tmp_path, _seeded((0.3, 0.4, 0.5), first=5), "second")
    one = write_run(tmp_path, predict_eyes(3, 1.5), "one")
    report = run_score([first, second, one], replace(QUICK, split="val"))
    scores, (several, single) = report.scores, report.comparisons
    means = [score.seeds.quadratic_weighted_kappa for score in scores[:2]]
    assert several.difference == pytest.approx(means[1] - means[0])
    assert several.sentence.startswith("second agrees better than first: +")
    assert "over patients and seeds" in several.sentence
    assert "noise" not in several.sentence
    assert single.difference == pytest.approx(scores[2].agreement.quadratic_weighted_kappa - means[0])
    assert "one has one seed: the interval does not include the variation between its trainings" in single.sentence


def test_runs_are_compared_on_the_photographs_they_share(tmp_path: Path) -> None:
    whole, part = predict_eyes(1), predict_eyes(2).where(np.arange(120) % 3 > 0).of_split("val")
    report = run_score([write_run(tmp_path, whole, "a"), write_run(tmp_path, part, "b")], QUICK)
    shared = whole.rows["image_id"].isin(part.rows["image_id"])
    reference = part.rows["eye_grade"]
    expected = kappa(reference, part.rows["predicted_grade"]) - kappa(reference, whole.rows["predicted_grade"][shared])
    assert report.comparisons[0].photographs == len(part)
    assert report.comparisons[0].difference == pytest.approx(expected)


def _joined(single: Predictions) -> Predictions:
    """The same predictions with the photographs of each patient combined."""
    answers = [*PROBABILITY_COLUMNS, "score"]
    means = single.rows.groupby("patient_id")[answers].transform("mean")
    rows = single.rows.assign(**means, predicted_grade=np.floor(means["score"] + 0.5).astype("int8"))
    return replace(single, rows=rows, meta=replace(single.meta, unit="patient"))


def test_runs_of_different_levels_are_compared_at_the_coarser_one(tmp_path: Path) -> None:
    single = predict_eyes(noise=1.2, target="patient")
    files = [write_run(tmp_path, single, "single"), write_run(tmp_path, _joined(single), "joined")]
    report = run_score(files, QUICK)
    kappas = [score.agreement.quadratic_weighted_kappa for score in report.scores]
    assert kappas[1] > kappas[0] + 0.05  # by photograph, combined predictions have a higher kappa
    assert [score.joined_by for score in report.scores] == ["photograph", "patient"]
    (comparison,) = report.comparisons
    assert (comparison.by, comparison.difference) == ("patient", pytest.approx(0, abs=1e-9))
    assert comparison.sentence.startswith("It is unclear which of joined and single agrees better")
    assert ", photographs joined by patient. " in comparison.sentence
    table = next(iter(report.render()))
    assert "by photograph\n" in table.rows[0][0]
    assert "by photograph (joined by patient)\n" in table.rows[1][0]
    assert run_score(files, replace(QUICK, by="patient")).comparisons[0].difference == pytest.approx(0, abs=1e-9)


def test_runs_of_the_same_level_are_compared_at_the_requested_level(tmp_path: Path) -> None:
    runs = [_joined(predict_eyes(seed, target="patient")) for seed in (1, 2)]
    report = run_score([write_run(tmp_path, run, name) for run, name in zip(runs, "ab", strict=True)], QUICK)
    assert report.comparisons[0].by == "photograph"


def test_runs_without_a_common_level_are_not_compared(tmp_path: Path, reported: Recorder) -> None:
    single = predict_eyes()
    single = replace(single, rows=single.rows.assign(eye=pd.Series([None] * len(single), dtype="string")))
    by_eye = replace(single, meta=replace(single.meta, unit="eye"))
    with progress.reporting_to(reported):
        report = run_score([write_run(tmp_path, single, "single"), write_run(tmp_path, by_eye, "joined")], QUICK)
    assert (len(report.scores), report.comparisons) == (2, ())
    assert any(
        "joined is not compared with single: " in warning and "eye is not known" in warning
        for warning in reported.warnings
    )


def test_runs_that_cannot_be_compared_are_scored_and_reported(tmp_path: Path, reported: Recorder) -> None:
    paths = [
        write_run(tmp_path, predict_eyes().of_split("val"), "eyes"),
        write_run(tmp_path, predict_eyes(target="patient").of_split("val"), "patients"),
        write_run(tmp_path, predict_eyes().of_split("test"), "elsewhere"),
    ]
    with progress.reporting_to(reported):
        report = run_score(paths, QUICK)
    assert (len(report.scores), report.comparisons) == (3, ())
    assert any("patients is not compared with eyes: their reference" in warning for warning in reported.warnings)
    assert any("elsewhere is not compared with eyes: they have no" in warning for warning in reported.warnings)
