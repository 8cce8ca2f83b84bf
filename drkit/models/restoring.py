"""A finished run's networks, as they were when it was written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drkit.errors import UsageError
from drkit.models.grader import Grader, build_grader, restore_grader
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint
from drkit.records.runs import Run, check_vouched, find_run, fold_numbers, read_run_record


@dataclass(frozen=True)
class OpenedRun:
    """A finished run, ready to grade.

    Args:
        run: Where its files lie.
        record: Its JSON.
        headers: Of its checkpoints, one a fold.
        graders: Its networks, one a fold, on the CPU, in evaluation mode.
    """

    run: Run
    record: dict[str, Any]
    headers: tuple[CheckpointHeader, ...]
    graders: tuple[Grader, ...]

    @property
    def header(self) -> CheckpointHeader:
        """The first, whose word on inputs, target and unit holds for all."""
        return self.headers[0]


def open_run(path: Path, fold: int | None = None) -> OpenedRun:
    """Rebuild a finished run's networks without a network connection.

    Args:
        path: The run's stem or any of its files.
        fold: Only this fold's; None: all.

    Raises:
        InputError: no such run, or a checkpoint that its record does not vouch for.
        UsageError: no such fold.
    """
    run = find_run(path)
    record = read_run_record(run)
    numbers = fold_numbers(record["folds"])
    if fold is not None and fold not in numbers:
        raise UsageError(f"--fold {fold}: {run.stem} has {record['folds'] or 'no'} folds")
    opened = [_open_checkpoint(run, record, number) for number in numbers if fold in (None, number)]
    headers, graders = zip(*opened, strict=True)
    return OpenedRun(run, record, headers, graders)


def _open_checkpoint(run: Run, record: dict[str, Any], fold: int | None) -> tuple[CheckpointHeader, Grader]:
    path = run.checkpoint(fold)
    tensors, header = read_checkpoint(path)
    check_vouched(run, record, path)
    grader = build_grader(header.architecture)
    return header, restore_grader(grader, tensors, str(path)).eval()
