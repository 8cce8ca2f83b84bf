"""The script of task (b), from two data sets to a submission."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from drkit.config.synth import SynthConfig
from drkit.recipes.synth import run_synth
from drkit.records.layouts import read_dataset
from drkit.records.runs import Run, read_run_record


@pytest.fixture
def other_eyes(tmp_path: Path) -> Path:
    """Eyes of other patients in the layout of APTOS 2019."""
    run_synth(SynthConfig(out=tmp_path / "raw", patients=6, size=64, seed=5))
    rows, out = read_dataset(tmp_path / "raw").graded("eye").rows, tmp_path / "aptos"
    (out / "train_images").mkdir(parents=True)
    for path in rows["path"]:
        shutil.copy(path, out / "train_images")
    lines = [f"{image_id},{grade}" for image_id, grade in zip(rows["image_id"], rows["eye_grade"], strict=True)]
    (out / "train.csv").write_text("\n".join(["id_code,diagnosis", *lines]) + "\n")
    return out


def test_task_b_trains_on_another_data_set_first(script: Any, eyes: Path, other_eyes: Path, tmp_path: Path) -> None:
    settings = {"BACKBONE": "test_efficientnet", "START": "none", "EPOCHS": "1", "INPUT": "64"}
    printed = script("task_b.sh").run(eyes, other_eyes, tmp_path / "out", **settings)
    assert "Difference in quadratic kappa on the same resampled patients" in printed
    first, second = (read_run_record(Run(tmp_path / "out" / "runs" / name)) for name in ("stage-one", "two-stage"))
    assert (first["target"], first["unit"]) == ("eye", "image")
    assert (second["target"], second["unit"], second["options"]["oversample"]) == ("patient", "patient", "patient")
    assert set(first["trained_on_photographs"]) < set(second["trained_on_photographs"])
    ids = [line.split(",")[0] for line in (eyes / "sample_submission.csv").read_text().splitlines()]
    submitted = tmp_path / "out" / "submission.csv"
    assert [line.split(",")[0] for line in submitted.read_text().splitlines()] == ids


def _trained(script: Any) -> list[str]:
    return [line for line in script.recorded() if line.startswith("finetune")]


def test_given_weights_replace_the_first_stage(script: Any, recording: Path, tmp_path: Path) -> None:
    task = script("task_b.sh", recording)
    task.run("data", "", tmp_path, WEIGHTS="pretrained_DR_resize", BACKBONE="resnet18", UNIT="eye", BATCH="24")
    alone, two = _trained(task)
    assert "--name imagenet-only " in alone
    assert alone.endswith("--unit eye --oversample patient --batch-size 12 --weights imagenet")
    assert "--name two-stage " in two
    assert two.endswith("--unit eye --oversample patient --batch-size 12 --weights pretrained_DR_resize")
    assert "--backbone resnet18" in alone
    assert "--backbone resnet18" in two


def test_the_second_stage_differs_from_the_comparison_only_in_its_initial_weights(
    script: Any, recording: Path, tmp_path: Path
) -> None:
    task = script("task_b.sh", recording)
    task.run("data", "second", tmp_path, BATCH="2")
    first, alone, two = _trained(task)
    assert "--data second" in first
    stem = tmp_path / "runs" / "stage-one.safetensors"
    assert two.replace("two-stage", "imagenet-only").replace(str(stem), "imagenet") == alone
    assert "--batch-size 1 " in two
    task.run("data", "second", tmp_path)
    assert _trained(task) == []


def test_without_data_two_sets_of_synthetic_eyes_are_drawn_with_different_seeds(
    script: Any, recording: Path, tmp_path: Path
) -> None:
    task = script("task_b.sh", recording)
    task.run("", "", tmp_path)
    made = [line for line in task.recorded() if line.startswith("synth")]
    assert [line.split()[-1] for line in made] == ["0", "1"]
