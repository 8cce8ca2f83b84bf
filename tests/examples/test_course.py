"""All tasks of the course in one go."""

from pathlib import Path
from typing import Any

import pytest

SETTINGS = {
    "BACKBONES": "test_efficientnet", "WEIGHTS": "none", "START": "none", "AUGMENTS": "", "EPOCHS": "1", "INPUT": "64",
    "FREEZE": "1", "COPIES": "1", "BLOCKS": "cbam", "SIDE": "64", "METHODS": "vote", "PROVED": "gradcam",
    "PER_GRADE": "1",
}  # fmt: skip


@pytest.mark.timeout(3000)
def test_the_course_runs_on_synthetic_eyes(script: Any, eyes: Path, tmp_path: Path) -> None:
    course = script("course.sh")
    told = course.run(eyes, OUT=str(tmp_path), **SETTINGS)
    assert told.splitlines()[-1].startswith(f"wrote {tmp_path}/report.html")
    for task in "abcd":
        assert (tmp_path / f"task-{task}" / "submission.csv").is_file()
    assert (tmp_path / "task-e" / "curves.png").is_file()
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")[:200]


def test_what_is_finished_is_not_run_again(script: Any, noting: Path, tmp_path: Path) -> None:
    course, data = script("course.sh", noting), tmp_path / "data"
    settings = {"OUT": str(tmp_path / "out"), "BACKBONES": "resnet18 vgg16"}
    course.run(data, tmp_path / "IDRiD", tmp_path / "APTOS", **settings)
    lines = course.noted()
    trained = [line.split("--name ")[1].split()[0] for line in lines if line.startswith("finetune")]
    assert {"resnet18-single", "vgg16-dual", "stage-one", "two-stage", "baseline", "graham"} <= set(trained)
    members = [line.split("--backbone ")[1].split()[0] for line in lines if "task-d" in line and "finetune" in line]
    assert members == ["resnet18", "vgg16", "resnet18"]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "task-a", "task-b-IDRiD", "task-b-APTOS", "task-c", "task-d", "task-e",
    }  # fmt: skip
    assert any(line.startswith(f"explain {tmp_path}/out/task-a/runs/resnet18-single ") for line in lines)
    course.run(data, tmp_path / "IDRiD", tmp_path / "APTOS", **settings)
    assert [line.split()[0] for line in course.noted()] == ["score", "plot"]
