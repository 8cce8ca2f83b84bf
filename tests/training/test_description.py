"""The report of a dry run describes what a training does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drkit.config.training import TrainingConfig
from drkit.records.layouts import read_datasets
from drkit.records.runs import Run
from drkit.reporting import Table
from drkit.training import description
from drkit.training.description import PlanReport, describe_plan
from drkit.training.planning import plan_training


def _describe(config: TrainingConfig) -> PlanReport:
    return describe_plan(plan_training(read_datasets(config.data), config), Run(Path("runs/a")))


@pytest.mark.parametrize(
    ("options", "copies", "expected"),
    [
        ({"freeze": "backbone", "copies": 0}, 0, "augmentation none (medium has no effect with --copies 0)"),
        ({"freeze": "backbone", "copies": 3}, 3, "augmentation medium"),
        ({"freeze": "backbone", "copies": 3, "augment": "none"}, 0, "augmentation none"),
        ({"copies": 0}, 0, "augmentation medium"),
    ],
)
def test_the_plan_names_only_augmentation_that_has_an_effect(
    small_config: TrainingConfig, options: dict[str, object], copies: int, expected: str
) -> None:
    report = _describe(replace(small_config, **options))
    sentences = [part for part in report.render() if isinstance(part, str)]
    assert report.copies == copies
    assert sentences[0].endswith(expected)
    assert any("augmented copies" in sentence for sentence in sentences) == (copies > 0)


def test_the_plan_says_what_is_kept_and_where(
    small_config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _describe(small_config)
    assert (report.bank.photographs, report.bank.streamed) == (40, 8)
    assert report.bank.mebibytes == 40 * 74 * 74 * 3 / 2**20
    assert report.bank.decoding_minutes is not None
    assert 0 < report.bank.decoding_minutes < 1
    sentence = str(report.bank)
    assert sentence.startswith("keeps 40 photographs decoded in memory, 1 MiB; the 8 that are only graded are decoded")
    assert sentence in [part for part in report.render() if isinstance(part, str)]
    monkeypatch.setattr(description, "fits_in_memory", lambda _: False)
    monkeypatch.setattr(description, "free_bytes", lambda _: 2**19)
    sentence = str(_describe(replace(small_config, cache_dir=tmp_path / "none yet")).bank)
    assert f"decoded in a memory-mapped file in {tmp_path / 'none yet'}, 1 MiB; only 0 MiB are free there" in sentence
    assert not (tmp_path / "none yet").exists()


def test_repeated_photographs_are_counted_in_the_first_epoch(small_config: TrainingConfig) -> None:
    plain = _describe(small_config)
    assert set(plain.photographs) == {"train", "val", "test"}
    report = _describe(replace(small_config, oversample="patient"))
    train, epoch = report.photographs["train"], report.photographs["epoch 1"]
    assert train == plain.photographs["train"]
    assert epoch["patients"] == train["patients"]
    grades = np.array([[counts[f"grade_{grade}"] for grade in range(5)] for counts in (train, epoch)])
    assert (grades[1][grades[0] > 0] == grades[0].max()).all()
    (table,) = [part for part in report.render() if isinstance(part, Table)]
    assert table.rows[-1][0] == "epoch 1"


def test_with_folds_the_first_epoch_of_fold_0_is_counted(small_config: TrainingConfig) -> None:
    report = _describe(replace(small_config, oversample="patient", folds=2, choose="last"))
    assert list(report.photographs)[-1] == "epoch 1 of fold 0"
    assert report.photographs["epoch 1 of fold 0"]["patients"] < report.photographs["train"]["patients"]
