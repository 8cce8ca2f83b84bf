"""Task (c) from data set to checked submission."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_task_c_runs_on_synthetic_eyes(eyes: Path, tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    settings = {"BACKBONE": "test_efficientnet", "WEIGHTS": "none", "FREEZE": "1", "EPOCHS": "1", "COPIES": "1"}
    settings |= {"INPUT": "64", "BLOCKS": "cbam", "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [ROOT / "examples" / "task_c.sh", eyes, tmp_path],
        env=os.environ | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert {"submission.csv", "submission.json", "attention", "photographs", "runs"} <= written
    assert (tmp_path / "runs" / "cbam.comparison.json").exists()
    assert "attention adds" in done.stdout
    assert "in quadratic kappa (95 % interval" in done.stdout
