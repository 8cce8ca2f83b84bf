"""Logs for experiment trackers contain every epoch once, also after an interruption."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drkit.errors import OutputExistsError, UsageError
from drkit.recipes.finetune import run_finetune
from drkit.records.history import EpochFigures
from drkit.records.runs import ONLY_NETWORK, NetworkId
from drkit.training import trackers
from drkit.training.execution import RunOptions
from drkit.training.trackers import LogFolder

if TYPE_CHECKING:
    from drkit.config.training import TrainingConfig


def figures(epoch: int, loss: float) -> list[EpochFigures]:
    return [
        EpochFigures(
            epoch=epoch,
            split=split,
            fold=None,
            seed=None,
            loss=loss,
            quadratic_weighted_kappa=0.5,
            plain_kappa=0.25,
            accuracy=0.75,
            learning_rate=1e-4,
        )
        for split in ("train", "val")
    ]


def read_csv(path: Path) -> list[tuple[int, float]]:
    with path.open() as file:
        return [(int(row["step"]), float(row["val/loss"])) for row in csv.DictReader(file)]


def read_events(path: Path) -> list[tuple[int, float]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(path)).Reload()
    return [(event.step, round(event.value, 4)) for event in events.Scalars("val/loss")]


def test_a_resumed_csv_log_has_every_epoch_once(tmp_path: Path) -> None:
    folder = LogFolder("csv", tmp_path / "run")
    interrupted = folder.open(ONLY_NETWORK, [])
    for epoch in (1, 2, 3):
        interrupted.add(figures(epoch, 1 / epoch))
    resumed = folder.open(ONLY_NETWORK, [*figures(1, 1.0), *figures(2, 0.5)])  # the third was logged, but not saved
    resumed.add(figures(3, 0.25))
    assert read_csv(tmp_path / "run" / "metrics.csv") == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_a_resumed_tensorboard_log_has_every_epoch_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = LogFolder("tensorboard", tmp_path / "run")
    interrupted = folder.open(NetworkId(fold=0), [])
    for epoch in (1, 2, 3):
        interrupted.add(figures(epoch, 1 / epoch))
    resumed = folder.open(NetworkId(fold=0), [*figures(1, 1.0), *figures(2, 0.5)])
    resumed.add(figures(3, 0.25))
    assert read_events(tmp_path / "run" / "fold0") == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_a_log_changes_no_byte_of_the_run(small_config: "TrainingConfig", tmp_path: Path) -> None:
    small = replace(small_config, epochs=1)
    plain = run_finetune(small, RunOptions(tmp_path / "plain", "a")).run
    logged = replace(small, log="csv", log_dir=tmp_path / "logs")
    again = run_finetune(logged, RunOptions(tmp_path / "logged", "a")).run
    assert again.with_suffix(".safetensors").read_bytes() == plain.with_suffix(".safetensors").read_bytes()
    assert [step for step, _ in read_csv(tmp_path / "logs" / "a" / "metrics.csv")] == [1]
    assert {path.name for path in (tmp_path / "logs" / "a").iterdir()} == {"metrics.csv", "curves.png", "confusion.png"}
    with pytest.raises(OutputExistsError, match="holds an earlier log"):
        run_finetune(logged, RunOptions(tmp_path / "other", "a"))


def test_tensorboard_shows_epochs_and_pictures(small_config: "TrainingConfig", tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = replace(small_config, epochs=1, log="tensorboard", log_dir=tmp_path)
    run_finetune(config, RunOptions(tmp_path / "runs", "a"))
    events = accumulator.EventAccumulator(str(tmp_path / "a")).Reload()
    assert {"train/loss", "val/quadratic_weighted_kappa", "learning_rate"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["curves", "confusion"]


def test_tensorboard_that_is_not_installed_is_refused_in_a_line(
    small_config: "TrainingConfig", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    config = replace(small_config, log="tensorboard", log_dir=tmp_path)
    with pytest.raises(UsageError, match=r"pip install 'drkit\[tensorboard\]'"):
        run_finetune(config, RunOptions(tmp_path / "runs", "a"))
