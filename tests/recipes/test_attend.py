"""Training with attention differs from the baseline only in the blocks, and is compared with it."""

import json
import os
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from drkit.cli.app import app
from drkit.config.predict import PredictConfig
from drkit.config.shared import TableFiles
from drkit.config.training import AttendConfig, TrainingConfig
from drkit.errors import InputError, Interrupted, OutputExistsError, UsageError
from drkit.models.attention import AttentionChain
from drkit.models.restoring import open_run
from drkit.recipes.attend import plan_attend, run_attend
from drkit.recipes.finetune import run_finetune
from drkit.recipes.predict import run_predict
from drkit.records.predictions import read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run
from drkit.reporting import Table
from drkit.training import execution, resume
from drkit.training.execution import RunOptions


@pytest.fixture(scope="session")
def attending(small_config: TrainingConfig) -> AttendConfig:
    """The shared small training, with attention."""
    options = {item.name: getattr(small_config, item.name) for item in fields(TrainingConfig)}
    return AttendConfig(**{**options, "epochs": 2, "choose": "last"}, attention_blocks="se,spatial:kernel=3")


@pytest.fixture(scope="session")
def baseline(attending: AttendConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training without attention."""
    place = RunOptions(tmp_path_factory.mktemp("baseline") / "runs", "plain")
    return run_finetune(attending.without_attention(), place).run


def test_a_run_with_attention_is_compared_and_can_be_opened_again(
    attending: AttendConfig, baseline: Path, tmp_path: Path
) -> None:
    tables = TableFiles(tmp_path / "t.md", tmp_path / "t.csv")
    report = run_attend(attending, RunOptions(tmp_path), baseline, tables=tables)
    run = report.training.run
    assert run.name == "test_efficientnet-image-patient-se-spatial"
    assert report.cost.added_parameters == sum(
        parameter.numel() for parameter in open_run(run).graders[0].attention.parameters()
    )
    comparison = report.comparison
    assert (comparison.run, comparison.against, comparison.photographs) == (run.name, "plain", 8)
    assert comparison.interval[0] <= comparison.difference <= comparison.interval[1]
    assert report.remarks == ()
    record = json.loads((tmp_path / f"{run.name}.comparison.json").read_text())
    assert record["comparison"]["difference"] == comparison.difference
    before = os.path.relpath(Run(baseline).predictions, tmp_path)
    assert record["files"][before] == sha256_file(Run(baseline).predictions)
    told = [str(part) for part in report.render()]
    assert comparison.sentence in told[-3]
    assert "One seed each: the interval does not include the variation between trainings." in told[-3]
    assert "--seeds 3" in told[-2]
    before_row, after_row = pd.read_csv(tables.csv).to_dict("records")
    assert (before_row["run"], after_row["run"]) == ("plain", run.name)
    assert after_row["difference"] == pytest.approx(comparison.difference, abs=1e-6)
    assert np.isnan(before_row["difference"])
    assert f"| {run.name} |" in tables.markdown.read_text()


def test_a_restored_run_grades_as_it_did(attending: AttendConfig, eyes: Path, tmp_path: Path) -> None:
    config = replace(attending, attention_blocks="cbam,self:heads=2", epochs=1)
    run = run_attend(config, RunOptions(tmp_path, "a")).training.run
    opened = open_run(run)
    assert isinstance(opened.graders[0].attention, AttentionChain)
    assert opened.header.architecture.attention == "cbam:reduction=16:kernel=7,self:heads=2:reduction=4"
    again = run_predict(run, PredictConfig(data=[eyes], out=tmp_path / "again.parquet"))
    first, second = read_predictions(run), read_predictions(again.predictions)
    shared = second.rows.set_index("image_id").loc[first.rows["image_id"]]
    assert np.allclose(shared["score"], first.rows["score"], atol=1e-4)


def test_attention_that_learns_nothing_changes_nothing(attending: AttendConfig, baseline: Path, tmp_path: Path) -> None:
    """Head, order, augmentation and dropout equal those of the baseline, so only attention can make a difference."""
    still = {"lr": 0.0, "epochs": 1, "ema": False}
    plain = run_finetune(replace(attending.without_attention(), **still), RunOptions(tmp_path, "plain")).run
    report = run_attend(replace(attending, **still), RunOptions(tmp_path, "attending"), plain)
    first, second = (read_predictions(tmp_path / name).probabilities() for name in ("plain", "attending"))
    assert np.array_equal(first, second)
    assert report.comparison.difference == 0


@pytest.mark.parametrize("freeze", ["1", "backbone"])
def test_attention_learns_on_frozen_stages(attending: AttendConfig, tmp_path: Path, freeze: str) -> None:
    config = replace(attending, freeze=freeze, copies=1, attention_blocks="self:heads=2", lr=1e-2)
    run = run_attend(config, RunOptions(tmp_path, "a")).training.run
    assert open_run(run).graders[0].attention[0].output.weight.abs().max() > 0


def test_a_baseline_of_another_kind_is_refused_before_any_work(
    attending: AttendConfig, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "set_up", lambda plan: pytest.fail("work was begun"))
    with pytest.raises(InputError, match="gives the patient's grade, not the eye's"):
        run_attend(replace(attending, target="eye"), RunOptions(tmp_path, "a"), baseline)
    with pytest.raises(InputError, match="has no folds, not 2"):
        run_attend(replace(attending, folds=2), RunOptions(tmp_path, "a"), baseline)
    with pytest.raises(InputError, match=r"nothing\.parquet does not exist"):
        run_attend(attending, RunOptions(tmp_path, "a"), tmp_path / "nothing")
    (tmp_path / "a.comparison.json").write_text("mine")
    with pytest.raises(OutputExistsError, match="--force"):
        run_attend(attending, RunOptions(tmp_path, "a"), baseline)


def test_photographs_of_val_without_a_grade_are_not_compared(
    attending: AttendConfig, eyes: Path, tmp_path: Path
) -> None:
    data = tmp_path / "eyes"
    shutil.copytree(eyes, data)
    rows = pd.read_csv(data / "val.csv", dtype=str)
    rows.loc[0, ["left_eye_DR_Level", "right_eye_DR_Level", "patient_DR_Level"]] = ""
    rows.to_csv(data / "val.csv", index=False)
    config = replace(attending, data=[data], unit="patient", epochs=1)
    baseline = run_finetune(config.without_attention(), RunOptions(tmp_path, "plain")).run
    assert run_attend(config, RunOptions(tmp_path, "a"), baseline).comparison.photographs == len(rows) - 1


def test_other_differences_are_reported(attending: AttendConfig, baseline: Path, tmp_path: Path) -> None:
    other = replace(attending, epochs=1, choose="val")
    remarks = run_attend(other, RunOptions(tmp_path, "a"), baseline).remarks
    assert "epochs (2, here 1)" in remarks[0]
    assert "the epoch of a was selected on the photographs that are compared" in remarks[1]


def test_a_baseline_is_trained_first_with_the_same_seeds_and_resumed(
    attending: AttendConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(attending, epochs=1, seed=4, seeds=2)

    def stop_at(ending: str) -> None:
        def stop(path: Path, *given: object, **options: object) -> None:
            save(path, *given, **options)
            if path.name == ending:
                raise KeyboardInterrupt

        monkeypatch.setattr(resume, "save_state", stop)

    save = resume.save_state
    stop_at("a-baseline.seed5.resume.pt")
    with pytest.raises(Interrupted) as interrupted:
        run_attend(config, RunOptions(tmp_path, "a"), train_baseline=True)
    assert interrupted.value.resume_options == ("--name", "a", "--resume")
    stop_at("a.seed4.resume.pt")
    with pytest.raises(Interrupted):
        run_attend(config, RunOptions(tmp_path, "a", resume=True), train_baseline=True)
    monkeypatch.undo()
    first = (tmp_path / "a-baseline.json").read_bytes()
    report = run_attend(config, RunOptions(tmp_path, "a", resume=True), train_baseline=True)
    assert (tmp_path / "a-baseline.json").read_bytes() == first
    assert report.baseline is None
    assert report.training.run == tmp_path / "a"
    assert report.remarks == ()
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "a-baseline.seed4.safetensors", "a-baseline.seed5.safetensors", "a.seed4.safetensors", "a.seed5.safetensors",
    ]  # fmt: skip
    assert (len(report.comparison.kappas), len(report.comparison.against_kappas)) == (2, 2)
    assert "2 seeds each" in report.comparison.sentence
    assert json.loads(report.outputs[0].read_text())["comparison"]["kappas"] == list(report.comparison.kappas)
    told = list(report.render())
    assert [part.title for part in told if isinstance(part, Table)] == ["The same 8 photographs of 2 patients"]
    with pytest.raises(InputError, match="is finished: there is nothing to resume"):
        run_attend(config, RunOptions(tmp_path, "a", resume=True), train_baseline=True)
    with pytest.raises(OutputExistsError):
        run_attend(config, RunOptions(tmp_path, "a"), train_baseline=True)
    (tmp_path / "a.json").unlink()
    with pytest.raises(UsageError, match="finished, but with other options: lr"):
        run_attend(replace(config, lr=1e-5), RunOptions(tmp_path, "a", resume=True, force=True), train_baseline=True)


def test_the_plan_describes_the_added_attention(attending: AttendConfig, tmp_path: Path) -> None:
    config = replace(attending, seeds=3)
    told = [str(part) for part in plan_attend(config, RunOptions(tmp_path / "runs", "a"), train_baseline=True).render()]
    assert "2 epochs for each of 3 seeds, 3 networks, in batches" in told[1]
    assert "attention: se,spatial:kernel=3; attention adds " in told[-2]
    assert told[-1].startswith("first trains the same network without attention")
    assert "a-baseline.seed2.safetensors" in told[-1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Missing option '--attention'"),
        (["--attention", "spacial"], "did you mean spatial"),
        (["--attention", "self", "--size", "32"], "use a larger --size"),
        (["--attention", "se", "--train-baseline", "--baseline", "x"], "leave out one of them"),
        (["--attention", "se", "--train-baseline", "--devices", "2"], "one process"),
        (["--attention", "se", "--train-baseline", "--name", "a", "--resume"], "never started"),
        (["--attention", "se", "--seeds", "0"], "--seeds"),
    ],
)
def test_an_error_is_reported(options: list[str], told: str, eyes: Path, tmp_path: Path) -> None:
    common = ["--data", str(eyes), "--backbone", "test_efficientnet", "--weights", "none", "--runs-dir", str(tmp_path)]
    size = [] if "--size" in options else ["--size", "64"]
    result = CliRunner().invoke(app, ["attend", *common, *size, *options], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert told in result.stderr
    assert list(tmp_path.iterdir()) == []
