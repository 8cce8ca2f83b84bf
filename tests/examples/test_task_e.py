"""Task (e) from data set to curves, scatter plots and explanations."""

from pathlib import Path
from typing import Any


def test_task_e_runs_on_synthetic_eyes(script: Any, eyes: Path, tmp_path: Path) -> None:
    small = {"EPOCHS": "2", "INPUT": "64", "PER_GRADE": "1", "PROVED": "gradcam", "METHODS": "gradcam"}
    printed = script("task_e.sh").run(eyes, tmp_path, COLUMNS="200", **small)
    written = {path.name for path in tmp_path.iterdir()}
    assert {"curves.png", "epochs.png", "errors.png", "worst", "proof", "lesions"} <= written
    assert "Faithfulness" in printed
    assert "pointing game" in printed
