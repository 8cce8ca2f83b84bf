"""Task (d) from data set to checked submission."""

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.timeout(1800)
def test_task_d_runs_on_synthetic_eyes(script: Any, eyes: Path, tmp_path: Path) -> None:
    small = {"SIDE": "64", "INPUT": "64", "EPOCHS": "1", "BACKBONES": "test_efficientnet " * 3, "WEIGHTS": "none"}
    script("task_d.sh").run(eyes, tmp_path, METHODS="stack", SUBMIT="stack", **small)
    written = {path.name for path in tmp_path.iterdir()}
    assert {"submission.csv", "compare.png", "compare.json", "runs", "ensembles"} <= written
    assert {path.name for path in (tmp_path / "ensembles").iterdir()} == {"stack.parquet", "stack.json"}
