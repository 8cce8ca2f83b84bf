"""Training in two stages: check that the photographs of both were preprocessed alike."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drkit.errors import InputError
from drkit.records.labels import Labels
from drkit.records.preprocessed import read_shared_steps
from drkit.records.runs import read_run_record
from drkit.training.initial_weights import InitialWeights

REPLACED = ("--data", "--name")  # options of the first stage's command that its successor types anew
DROPPED = ("--force", "--resume", "--dry-run")


def check_stages(labels: Labels, initial_weights: InitialWeights) -> None:
    """Check that weights from raw photographs are not fine-tuned on preprocessed ones.

    Weights from preprocessed photographs need no check: their steps are applied to the new photographs.

    Raises:
        InputError: they are; the message has the commands that preprocess and train the first stage like the second.
    """
    if initial_weights.parent is None or initial_weights.parent.steps or not (steps := read_shared_steps(labels.roots)):
        return
    run = initial_weights.foreign.run if initial_weights.foreign else None
    record = read_run_record(run) if run else {}
    commands = _prepare_and_train(record, steps)
    raise InputError(
        f"{labels.title} went through {','.join(steps)}, but {initial_weights} learned from photographs as they were"
        f" taken: prepare and train both stages alike, {' and '.join(f'`{command}`' for command in commands)}, then"
        " start from that run; or give the second stage its photographs as they were taken"
    )


def _prepare_and_train(record: dict[str, Any], steps: Sequence[str]) -> list[str]:
    folders = record.get("data", ["FIRST"])
    sources = [folders] if isinstance(folders, str) else folders  # older runs record a single data set
    prepared = [f"{Path(source).name}-prepared" for source in sources]
    prepare = [
        shlex.join(["drkit", "preprocess", out, "--data", source, "--steps", ",".join(steps)])
        for source, out in zip(sources, prepared, strict=True)
    ]
    name = f"{record.get('name', 'first')}-prepared"
    return [*prepare, shlex.join([*_retyped(record), *(f"--data={out}" for out in prepared), "--name", name])]


def _retyped(record: dict[str, Any]) -> list[str]:
    """The first stage's command without its data and name; `drkit finetune` where it was not recorded."""
    typed = shlex.split(record.get("made", {}).get("command", ""))
    if typed[:2] not in (["drkit", "finetune"], ["drkit", "attend"]):
        return ["drkit", "finetune"]
    kept: list[str] = []
    words = iter(typed)
    for word in words:
        if word in REPLACED:
            next(words, None)
        elif word.partition("=")[0] not in (*REPLACED, *DROPPED):
            kept.append(word)
    return kept
