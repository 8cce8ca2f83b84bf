"""The script that runs all tasks of the course."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from drkit.records.predictions import read_predictions

SETTINGS = {
    "BACKBONES": "test_efficientnet", "WEIGHTS": "none", "START": "none", "AUGMENTS": "", "EPOCHS": "1", "INPUT": "64",
    "FREEZE": "1", "COPIES": "1", "BLOCKS": "cbam", "SIDE": "64", "METHODS": "vote", "PROVED": "gradcam",
    "PER_GRADE": "1", "COLUMNS": "200",
}  # fmt: skip


class Course(NamedTuple):
    """All tasks on synthetic eyes: the output folder, and what was printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def course(script: Any, eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Course:
    folder = tmp_path_factory.mktemp("course")
    return Course(folder, script("course.sh").run(eyes, OUT=str(folder), **SETTINGS))


def test_all_runs_are_in_one_report(course: Course) -> None:
    assert course.printed.splitlines()[-1].startswith(f"wrote {course.folder}/report.html")
    assert "<html" in (course.folder / "report.html").read_text(encoding="utf-8")[:200]


@pytest.mark.parametrize("task", ["task-a", "task-b", "task-c", "task-d"])
def test_each_task_ends_in_a_submission(course: Course, eyes: Path, task: str) -> None:
    sample, submission = eyes / "sample_submission.csv", course.folder / task / "submission.csv"
    ids, expected = ([line.split(",")[0] for line in path.read_text().splitlines()] for path in (submission, sample))
    assert ids == expected


def test_task_a_trains_on_photographs_and_on_eyes(course: Course) -> None:
    assert "Difference in quadratic kappa on the same resampled patients" in course.printed
    for kind, unit in {"single": "image", "eye": "eye", "dual": "eye"}.items():
        run = course.folder / "task-a" / "runs" / f"test-efficientnet-{kind}"
        assert read_predictions(run).meta.unit == unit


def test_task_c_reports_what_attention_adds(course: Course) -> None:
    written = {path.name for path in (course.folder / "task-c").iterdir()}
    assert {"submission.csv", "submission.json", "attention", "photographs", "runs"} <= written
    assert (course.folder / "task-c" / "runs" / "cbam.comparison.json").exists()
    assert "attention adds" in course.printed
    assert "in quadratic kappa (95 % interval" in course.printed


def test_task_d_combines_runs_by_the_given_methods(course: Course) -> None:
    written = {path.name for path in (course.folder / "task-d").iterdir()}
    assert {"submission.csv", "compare.png", "compare.json", "runs", "ensembles"} <= written
    ensembles = course.folder / "task-d" / "ensembles"
    assert {path.name for path in ensembles.iterdir()} == {"vote.parquet", "vote.json"}


def test_task_e_writes_plots_and_explanations(course: Course) -> None:
    written = {path.name for path in (course.folder / "task-e").iterdir()}
    assert {"curves.png", "epochs.png", "errors.png", "worst", "proof", "lesions"} <= written
    assert "Faithfulness" in course.printed
    assert "pointing game" in course.printed


def test_finished_tasks_are_not_run_again(script: Any, recording: Path, tmp_path: Path) -> None:
    course, data = script("course.sh", recording), tmp_path / "data"
    settings = {"OUT": str(tmp_path / "out"), "BACKBONES": "resnet18 vgg16"}
    course.run(data, tmp_path / "IDRiD", tmp_path / "APTOS", **settings)
    lines = course.recorded()
    trained = [line.split("--name ")[1].split()[0] for line in lines if line.startswith("finetune")]
    assert {"resnet18-single", "vgg16-dual", "stage-one", "two-stage", "baseline", "graham"} <= set(trained)
    members = [line.split("--backbone ")[1].split()[0] for line in lines if "task-d" in line and "finetune" in line]
    assert members == ["resnet18", "vgg16", "resnet18"]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "task-a", "task-b-IDRiD", "task-b-APTOS", "task-c", "task-d", "task-e",
    }  # fmt: skip
    assert any(line.startswith(f"explain {tmp_path}/out/task-a/runs/resnet18-single ") for line in lines)
    course.run(data, tmp_path / "IDRiD", tmp_path / "APTOS", **settings)
    assert [line.split()[0] for line in course.recorded()] == ["score", "plot"]
