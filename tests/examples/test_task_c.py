"""Task (c) from data set to checked submission."""

from pathlib import Path
from typing import Any


def test_task_c_runs_on_synthetic_eyes(script: Any, eyes: Path, tmp_path: Path) -> None:
    settings = {"BACKBONE": "test_efficientnet", "WEIGHTS": "none", "FREEZE": "1", "EPOCHS": "1", "COPIES": "1"}
    printed = script("task_c.sh").run(eyes, tmp_path, INPUT="64", BLOCKS="cbam", **settings)
    written = {path.name for path in tmp_path.iterdir()}
    assert {"submission.csv", "submission.json", "attention", "photographs", "runs"} <= written
    assert (tmp_path / "runs" / "cbam.comparison.json").exists()
    assert "attention adds" in printed
    assert "in quadratic kappa (95 % interval" in printed
