"""The quickstart script."""

from pathlib import Path
from typing import Any


def test_the_quickstart_runs_on_synthetic_eyes(script: Any, eyes: Path, tmp_path: Path) -> None:
    printed = script("quickstart.sh").run(eyes, tmp_path, EPOCHS="2", COPIES="1", INPUT="64")
    written = {path.name for path in tmp_path.iterdir()}
    assert {"submission.csv", "submission.json", "curves.png", "runs", "explanations", "report.html"} <= written
    assert printed.count("quadratic kappa") >= 3
