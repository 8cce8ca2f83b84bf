"""The commands of the script of task (a); test_course.py runs them."""

from pathlib import Path
from typing import Any


def test_every_backbone_is_trained_in_three_forms_and_one_with_every_augmentation(
    script: Any, recording: Path, tmp_path: Path
) -> None:
    task = script("task_a.sh", recording)
    task.run("data", tmp_path / "out", BACKBONES="resnet18 vgg16.tv_in1k", AUGMENTS="none strong", SUBMIT="chosen")
    lines = task.recorded()
    trained = [line.split("--name ")[1] for line in lines if line.startswith("finetune")]
    assert [line.split()[0] for line in trained] == [
        "resnet18-single", "resnet18-eye", "resnet18-dual", "vgg16-tv-in1k-single", "vgg16-tv-in1k-eye",
        "vgg16-tv-in1k-dual", "resnet18-single-none", "resnet18-single-strong",
    ]  # fmt: skip
    assert "--unit eye --unshared --fusion concat" in trained[2]
    assert all("--choose last" in line for line in lines if line.startswith("finetune"))
    scored = next(line for line in lines if line.startswith("score"))
    assert scored.count(".parquet") == 8
    assert any(line.startswith(f"submit {tmp_path}/out/runs/chosen") for line in lines)


def test_finished_runs_are_kept_and_unfinished_ones_resumed(script: Any, recording: Path, tmp_path: Path) -> None:
    task, runs = script("task_a.sh", recording), tmp_path / "out" / "runs"
    task.run("data", tmp_path / "out")
    task.recorded()
    name = "tf-efficientnet-lite0-eye"
    (runs / f"{name}.json").rename(runs / f"{name}.resume.pt")
    task.run("data", tmp_path / "out")
    (trained,) = [line for line in task.recorded() if line.startswith("finetune")]
    assert f"--name {name} " in trained
    assert trained.endswith("--resume")
