"""Training in two stages, whose photographs must be preprocessed in the same way."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drkit.errors import InputError
from drkit.records.labels import Labels
from drkit.records.preprocessed import read_shared_steps
from drkit.records.runs import read_run_record
from drkit.training.initial_weights import InitialWeights

REPLACED = ("--data", "--name")  # options of the first stage's command that get new values
DROPPED = ("--force", "--resume", "--dry-run")


def check_preprocessing(labels: Labels, initial_weights: InitialWeights) -> None:
    """Check that weights trained on original photographs are not fine-tuned on preprocessed photographs.

    Weights trained on preprocessed photographs need no check, because their steps are applied to the new photographs.

    Raises:
        InputError: the photographs are preprocessed, and those of the weights were not; the message has the commands
            that preprocess the first stage's photographs in the same way and train the first stage again.
    """
    if initial_weights.parent is None or initial_weights.parent.steps or not (steps := read_shared_steps(labels.roots)):
        return
    run = initial_weights.foreign.run if initial_weights.foreign else None
    commands = _preprocess_and_train(read_run_record(run) if run else {}, steps)
    raise InputError(
        f"{labels.title} was preprocessed by {','.join(steps)}, but {initial_weights} was trained on original"
        f" photographs: repeat the first stage with {' and '.join(f'`{command}`' for command in commands)}, then start"
        " from that run; or give the original photographs to the second stage"
    )


def _preprocess_and_train(record: dict[str, Any], steps: Sequence[str]) -> list[str]:
    """Commands that preprocess the data sets of a run and train it again on the results."""
    folders = record.get("data", ["FIRST"])
    sources = [folders] if isinstance(folders, str) else folders  # older runs record a single data set
    outputs = [f"{Path(source).name}-prepared" for source in sources]
    preprocess = [
        shlex.join(["drkit", "preprocess", out, "--data", source, "--steps", ",".join(steps)])
        for source, out in zip(sources, outputs, strict=True)
    ]
    name = f"{record.get('name', 'first')}-prepared"
    train = [*_recorded_command(record), *(f"--data={out}" for out in outputs), "--name", name]
    return [*preprocess, shlex.join(train)]


def _recorded_command(record: dict[str, Any]) -> list[str]:
    """The first stage's command without its data and name; `drkit finetune` if none was recorded."""
    command = shlex.split(record.get("made", {}).get("command", ""))
    if command[:2] not in (["drkit", "finetune"], ["drkit", "attend"]):
        return ["drkit", "finetune"]
    arguments: list[str] = []
    remaining = iter(command)
    for argument in remaining:
        if argument in REPLACED:
            next(remaining, None)
        elif argument.partition("=")[0] not in (*REPLACED, *DROPPED):
            arguments.append(argument)
    return arguments
