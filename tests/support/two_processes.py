"""Trainings of a tiny network in two processes, for tests."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

OPTIONS = (
    "--backbone", "test_convnext", "--weights", "none", "--size", "64", "--epochs", "2", "--device", "cpu",
    "--devices", "2", "--strategy", "ddp", "--batch-size", "4", "--choose", "last", "--augment", "none",
)  # fmt: skip
Finetune = Callable[..., subprocess.CompletedProcess[str]]


def run_finetune_command(
    programs: Path, data: Path, runs_dir: Path, *options: str, program: Sequence[str] = ("-m", "drkit")
) -> subprocess.CompletedProcess[str]:
    """Run `drkit finetune`, or a script that does, with `OPTIONS` and others.

    Args:
        programs: Folder of the program `python`, as of `forked_drkit`.
        data: Data set.
        runs_dir: Folder of the run.
        options: Further options.
        program: What Python runs.
    """
    command = [programs / "python", *program, "finetune", "--data", data, *OPTIONS, "--runs-dir", runs_dir, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, env=environment)
