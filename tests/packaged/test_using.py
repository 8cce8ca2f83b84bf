"""Every command accepts `fundus` like any other run, and recognises the photographs that it was trained on."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.config.training import TrainingConfig
from drkit.errors import LeakageError
from drkit.recipes.finetune import RunOptions, run_finetune
from drkit.records import runs
from drkit.records.predictions import read_predictions
from drkit.records.runs import Run, read_run_record


def invoke(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "500"})
    assert done.exit_code == code, done.output
    return done.output


def going_on(data: Path, **options: object) -> TrainingConfig:
    """A small training that starts from the stand-in."""
    settings = {"size": 64, "epochs": 1, "choose": "last", "target": "eye", "device": "cpu"} | options
    return TrainingConfig(data=[data], weights="fundus", **settings)


def test_predict_grades_with_it_and_marks_copies_of_what_it_has_seen(at_home: Run, copies: Path) -> None:
    output = invoke("predict", "fundus", "--data", copies)
    assert "the run was trained on 28 of these photographs" in output
    assert "fundus graded 28 photographs" in output
    predictions = read_predictions(Path("predictions/fundus.parquet"))
    assert predictions.leaked_rows().all()


def test_predict_marks_no_photograph_of_other_eyes(at_home: Run, other_eyes: Path) -> None:
    assert "was trained on" not in invoke("predict", "fundus", "--data", other_eyes)
    assert not read_predictions(Path("predictions/fundus.parquet")).leaked_rows().any()


def test_copies_to_be_scored_are_refused(at_home: Run, copies: Path) -> None:
    with pytest.raises(LeakageError, match="the weights were trained on 28 photographs"):
        run_finetune(going_on(copies, folds=2, folds_over="train+val"), RunOptions(Path("runs"), "a"))


def test_a_run_that_started_from_it_recognises_copies(at_home: Run, other_eyes: Path, copies: Path) -> None:
    run_finetune(going_on(other_eyes), RunOptions(Path("runs"), "child"))
    record = read_run_record(Run(Path("runs/child")))
    assert record["descends_from"] == ["fundus"]
    assert set(read_run_record(at_home)["trained_on_photographs"]) < set(record["trained_on_photographs"])
    assert not read_predictions(Path("runs/child")).leaked_rows().any()
    output = invoke("check", "runs/child", copies, code=1)
    assert "runs/child.parquet was trained on n0, of split val" in output
    output = invoke("predict", "runs/child", "--data", copies)
    assert "the run was trained on 28 of these photographs" in output
    invoke("ensemble", "vote", "runs/child", "--out", "vote.parquet")
    assert read_run_record(Run(Path("vote")))["descends_from"] == ["fundus"]


def test_allowed_copies_are_marked_and_not_scored(at_home: Run, copies: Path) -> None:
    config = going_on(copies, folds=2, folds_over="train+val", allow_seen=True)
    report = run_finetune(config, RunOptions(Path("runs"), "allowed"))
    assert read_predictions(report.run).leaked_rows().all()
    assert report.agreements == {}


def test_explain_grades_photographs_without_predictions_first(at_home: Run, other_eyes: Path) -> None:
    output = invoke("explain", "fundus", "--data", other_eyes, "--split", "val", "--workers", "1")
    assert "grading 8 photographs that fundus has not graded" in output
    assert (Path("explanations") / "fundus-gradcam" / "manifest.json").is_file()


def test_attend_starts_from_it(at_home: Run, other_eyes: Path) -> None:
    options = ["--attention", "se", "--size", 64, "--epochs", 1, "--target", "eye", "--name", "se", "--workers", 1]
    invoke("attend", "--data", other_eyes, "--weights", "fundus", *options)
    assert read_run_record(Run(Path("runs/se")))["weights"] == "fundus"


@pytest.mark.parametrize(
    "command", [["score"], ["plot", "confusion"], ["check"], ["submit"], ["ensemble", "vote"]], ids=" ".join
)
def test_its_predictions_do_not_come_with_it(at_home: Run, command: list[str]) -> None:
    assert "fundus comes with drkit without predictions: make them with drkit predict fundus" in invoke(
        *command, "fundus", code=2
    )


def test_its_history_does_not_come_with_it(at_home: Run) -> None:
    output = invoke("plot", "curves", "fundus", code=2)
    assert "fundus comes with drkit without the history of its training" in output


def test_a_users_own_run_of_that_name_is_given_by_its_path(at_home: Run, other_eyes: Path) -> None:
    Path("runs").mkdir()
    Path("runs/fundus.json").write_text("{}")
    output = invoke("predict", "fundus", "--data", other_eyes, code=2)
    assert "fundus.json does not exist: expected a finished run" in output
    assert "such as runs/fundus" in output
    output = invoke("finetune", "--data", other_eyes, "--weights", "fundus", code=2)
    assert "write runs/fundus to start from that run" in output


def test_an_installation_without_the_packaged_run_is_reported(
    at_home: Run, other_eyes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(runs.PACKAGED_RUNS, "fundus", tmp_path / "nowhere" / "fundus")
    for command in (["predict", "fundus"], ["explain", "fundus"], ["finetune", "--weights", "fundus"]):
        output = invoke(*command, "--data", other_eyes, code=2)
        assert "this installation of drkit lacks the packaged run fundus: install a release" in output
