"""The commands of the script of task (e); test_course.py runs them."""

from pathlib import Path
from typing import Any


def test_a_run_is_trained_unless_one_is_given(script: Any, recording: Path, tmp_path: Path) -> None:
    task = script("task_e.sh", recording)
    task.run("data", tmp_path / "out")
    trained = [line for line in task.recorded() if line.startswith("finetune")]
    assert len(trained) == 1
    task.run("data", tmp_path / "other", RUN="runs/one")
    lines = task.recorded()
    assert not any(line.startswith("finetune") for line in lines)
    assert any(line.startswith("explain runs/one ") for line in lines)
