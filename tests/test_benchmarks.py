"""Benchmarks still run; what they measure is not looked at here."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"
ROOT = BENCHMARKS.parents[1]


@pytest.mark.parametrize(
    "name",
    [
        "augmentation",
        "disc",
        "duplicates",
        "ensemble",
        "inference",
        "kappa",
        "preprocess",
        "scale",
        "seeds",
        "startup",
        "training",
    ],
)
def test_it_runs(name: str) -> None:
    if name == "disc" and not (ROOT / ".git").exists():
        pytest.skip("compares with an earlier commit, and this is no checkout")
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
