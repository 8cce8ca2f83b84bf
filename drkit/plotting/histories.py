"""Reading of training histories."""

from collections.abc import Sequence
from pathlib import Path

from drkit.errors import InputError
from drkit.plotting.curves import TrainingHistory, read_kept
from drkit.plotting.selection import name_data
from drkit.records.history import read_history
from drkit.records.patterns import expand_patterns
from drkit.records.runs import Run, find_run, networks_in, read_run_record


def read_training_histories(files: Sequence[Path]) -> dict[str, TrainingHistory]:
    """Read the training histories of runs, with patterns expanded and each run once.

    Returns:
        The histories by run name; runs that share a name are called by their paths.

    Raises:
        InputError: a run does not exist, or has no history.
    """
    runs = list(dict.fromkeys(map(find_run, expand_patterns(files))))
    names = [run.name for run in runs]
    return {run.name if names.count(run.name) == 1 else run.stem.as_posix(): read_training_history(run) for run in runs}


def read_training_history(run: Run) -> TrainingHistory:
    """Read the training history of a finished run.

    Raises:
        InputError: the run has no history, or no record.
    """
    if run.is_packaged:
        raise InputError(f"{run.name} comes with drkit without the history of its training")
    record = read_run_record(run)
    kept = read_kept(record.get("epoch"), networks_in(record))
    return TrainingHistory(read_history(run.history), kept, name_data(record))
