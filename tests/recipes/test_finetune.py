"""Fine-tuning writes a run that lists its files, with the same bytes also after an interruption."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drkit import metrics
from drkit.config.training import TrainingConfig
from drkit.errors import InputError, Interrupted, LeakageError, OutputExistsError, UsageError
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.records.checkpoint import read_checkpoint
from drkit.records.history import read_history
from drkit.records.layouts import read_dataset
from drkit.records.predictions import read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, read_run_record
from drkit.training import execution, resume
from drkit.training.resume import FitState


def _files(run: Run) -> dict[str, bytes]:
    """The files that are the same in equal trainings, which are all except the record."""
    return {path.name: path.read_bytes() for path in run.outputs()[:-1]}


def test_a_run_has_predictions_for_held_out_photographs_and_hashes_of_training_photographs(
    run_stem: Path, eyes: Path
) -> None:
    run, labels = Run(run_stem), read_dataset(eyes)
    predictions, record = read_predictions(run.stem), read_run_record(run)
    held_out = labels.of_split("val", "test")
    assert predictions.rows["image_id"].tolist() == held_out.rows["image_id"].tolist()
    assert predictions.meta.target == "patient"
    assert predictions.meta.trained_on == ("train",)
    assert predictions.meta.checkpoint_sha256 == sha256_file(run.checkpoint())
    trained = {sha256_file(path) for path in labels.of_split("train").paths()}
    assert set(record["trained_on_photographs"]) == trained
    assert not run.resume().exists()


def test_the_best_epoch_of_the_history_is_the_one_that_was_kept(run_stem: Path) -> None:
    run = Run(run_stem)
    history, predictions = read_history(run.history), read_predictions(run.stem).of_split("val")
    val = history[history["split"] == "val"].set_index("epoch")["quadratic_weighted_kappa"]
    counts = metrics.confusion(predictions.reference().to_numpy(int), predictions.rows["predicted_grade"])
    assert read_checkpoint(run.checkpoint())[1].epoch == val.idxmax()
    assert metrics.quadratic_weighted_kappa(counts) == pytest.approx(val.max(), abs=1e-5)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    run_stem: Path, small_config: TrainingConfig, tmp_path: Path
) -> None:
    again = run_finetune(small_config, RunOptions(tmp_path, "small")).run
    assert _files(Run(again)) == _files(Run(run_stem))
    other = run_finetune(replace(small_config, seed=1, epochs=1), RunOptions(tmp_path, "other")).run
    assert not np.array_equal(read_predictions(other).probabilities(), read_predictions(again).probabilities())


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_an_interrupted_training_ends_in_the_same_bytes(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: str
) -> None:
    config = replace(small_config, freeze=freeze, copies=2, augment="strong")
    whole = Run(run_finetune(config, RunOptions(tmp_path / "whole", "a")).run)

    def stop_after_two(path: Path, state: FitState, *, identity: dict[str, object]) -> None:
        save(path, state, identity=identity)
        if state.epoch == 2:
            raise KeyboardInterrupt

    save = resume.save_state
    monkeypatch.setattr(resume, "save_state", stop_after_two)
    with pytest.raises(Interrupted, match="interrupted: the finished epochs") as interrupted:
        run_finetune(config, RunOptions(tmp_path / "parts", "a"))
    assert interrupted.value.resume_options == ("--name", "a", "--resume")
    monkeypatch.undo()
    parts = Run(run_finetune(config, RunOptions(tmp_path / "parts", "a", resume=True)).run)
    assert _files(parts) == _files(whole)


def test_a_killed_process_is_resumed_to_the_same_bytes(
    run_stem: Path, small_config: TrainingConfig, programs: Path, tmp_path: Path
) -> None:
    options = ["--data", str(small_config.data[0]), "--backbone", "test_efficientnet", "--weights", "none"]
    options += ["--size", "64", "--epochs", "3", "--batch-size", "8", "--device", "cpu"]
    options += ["--runs-dir", str(tmp_path), "--name", "small"]
    run = Run(tmp_path / "small")
    process = subprocess.Popen(
        [sys.executable, "-m", "drkit", "finetune", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not run.resume().exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if run.resume().exists():  # otherwise the training ended before it was killed
        resumed = [programs / "drkit", "finetune", *options, "--resume"]
        subprocess.run(resumed, check=True, capture_output=True, env=os.environ | {"NO_COLOR": "1"})
    assert _files(run) == _files(Run(run_stem))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_prints_how_to_resume(
    small_config: TrainingConfig, programs: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    options = ["--data", str(small_config.data[0]), "--backbone", "test_efficientnet", "--weights", "none"]
    options += ["--size", "64", "--epochs", "500", "--device", "cpu", "--runs-dir", str(tmp_path)]
    command = [programs / "drkit", "finetune", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    run = Run(tmp_path / "test_efficientnet-image-patient")
    deadline = time.monotonic() + 300
    while not run.resume().exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    stdout, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "--name test_efficientnet-image-patient --resume" in stderr
    assert "Traceback" not in stderr
    assert run.resume().exists()


def test_cross_entropy_on_eyes_with_an_inner_choice(small_config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(small_config, loss="cross-entropy", target="eye", choose="inner", epochs=2, patience=1)
    report = run_finetune(config, RunOptions(tmp_path))
    assert report.run.name == "test_efficientnet-image-eye"
    assert report.target == "eye"
    predictions = read_predictions(report.run)
    assert (predictions.meta.decision, predictions.meta.chosen_on) == ("argmax", "inner")
    assert set(read_history(Run(report.run).history)["split"]) == {"train", "inner", "val"}


def _copy(data: Path, target: Path) -> Path:
    shutil.copytree(data, target)
    return target


def test_a_val_photograph_that_is_trained_on_is_marked_and_not_scored(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    data = _copy(small_config.data[0], tmp_path / "data")
    trained, judged = (sorted((data / split).rglob("*.jpg"))[0] for split in ("train", "val"))
    judged.write_bytes(trained.read_bytes())
    run = run_finetune(replace(small_config, data=[data], epochs=1), RunOptions(tmp_path / "runs")).run
    predictions = read_predictions(run)
    assert predictions.rows["image_id"][predictions.leaked_rows()].tolist() == [judged.stem]


def test_a_patient_in_two_splits_is_refused(small_config: TrainingConfig, tmp_path: Path) -> None:
    data = _copy(small_config.data[0], tmp_path / "data")
    patient = (data / "train.csv").read_text().splitlines()[1].split(",")[0]
    rows = (data / "val.csv").read_text().splitlines()
    first = rows[1].split(",")
    (data / "val.csv").write_text("\n".join([rows[0], ",".join([patient, *first[1:]]), *rows[2:]]) + "\n")
    with pytest.raises(LeakageError, match=f"1 patients are in train and also in val or test: {patient}"):
        plan_finetune(replace(small_config, data=[data]), RunOptions(tmp_path / "runs"))


def test_a_diverging_training_stops_and_writes_no_run(small_config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lower --lr"):
        run_finetune(replace(small_config, lr=1e30), RunOptions(tmp_path, "a"))
    assert not Run(tmp_path / "a").record.exists()
    assert not Run(tmp_path / "a").checkpoint().exists()


def test_another_trainings_state_is_refused_before_any_work(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, state: FitState, *, identity: dict[str, object]) -> None:
        save(path, state, identity=identity)
        raise KeyboardInterrupt

    save = resume.save_state
    monkeypatch.setattr(resume, "save_state", stop)
    with pytest.raises(Interrupted):
        run_finetune(small_config, RunOptions(tmp_path, "a"))
    monkeypatch.setattr(execution, "set_up", lambda plan: pytest.fail("work was begun"))
    with pytest.raises(UsageError, match="seed was 0, is now 1"):
        run_finetune(replace(small_config, seed=1), RunOptions(tmp_path, "a", resume=True))


def test_the_plan_with_frozen_stages_has_the_size_of_the_cache(small_config: TrainingConfig, tmp_path: Path) -> None:
    report = plan_finetune(replace(small_config, freeze="backbone", copies=2), RunOptions(tmp_path))
    assert report.cache_mebibytes == pytest.approx(40 * 3 * 512 * 2 / 2**20)  # the 8 of test are only graded


def test_early_stopping_waits_for_the_given_number_of_epochs(small_config: TrainingConfig, tmp_path: Path) -> None:
    config = replace(small_config, lr=1e-9, epochs=9, patience=2)  # nothing is learned, so validation does not improve
    report = run_finetune(config, RunOptions(tmp_path))
    ((epoch, trained),) = report.epochs
    assert trained < 9
    assert trained == epoch + 2


def test_a_dry_run_prints_the_plan_and_writes_nothing(small_config: TrainingConfig, tmp_path: Path) -> None:
    report = plan_finetune(small_config, RunOptions(tmp_path / "runs"))
    assert report.photographs["train"]["photographs"] == 32
    assert sum(report.photographs["val"][f"grade_{grade}"] for grade in range(5)) == 8
    assert not (tmp_path / "runs").exists()
    assert "writes" in list(report.render())[-1]


def test_a_taken_name_is_refused_before_any_work(
    run_stem: Path, small_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "set_up", lambda plan: pytest.fail("work was begun"))
    with pytest.raises(OutputExistsError, match="--force"):
        run_finetune(small_config, RunOptions(run_stem.parent, run_stem.name))


def test_unreadable_photographs_are_refused_and_nothing_is_written(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    for path in sorted(small_config.data[0].rglob("*")):
        target = tmp_path / "data" / path.relative_to(small_config.data[0])
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    cut = sorted((tmp_path / "data" / "train").rglob("*.jpg"))[:2]
    for path in cut:
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="2 photographs cannot be used"):
        run_finetune(replace(small_config, data=[tmp_path / "data"]), RunOptions(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_the_record_says_how_it_was_made(run_stem: Path) -> None:
    record = json.loads(Run(run_stem).record.read_text())
    assert record["options"]["backbone"] == "test_efficientnet"
    assert record["made"]["drkit_version"]
    assert set(record["files"]) == {f"small{suffix}" for suffix in (".safetensors", ".history.csv", ".parquet")}
