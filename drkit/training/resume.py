"""The state of a training between two epochs, saved after each one so that an interrupted training can go on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drkit.config.training import EXCHANGEABLE
from drkit.errors import InputError, UsageError
from drkit.progress import notify
from drkit.records.atomic import writing
from drkit.records.history import EpochFigures
from drkit.training.learner import Learner

SCHEMA_VERSION = 1


@dataclass
class FitState:
    """The state of a network's training after an epoch.

    Args:
        learner: Tensors of grader, optimiser and running average after the last epoch.
        best: Tensors of the evaluated grader after the best epoch so far.
        best_epoch: Number of that epoch, from 1; 0 before the first.
        history: Figures of the finished epochs.
    """

    learner: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[EpochFigures] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return max((figures.epoch for figures in self.history), default=0)


@dataclass(frozen=True)
class StateFile:
    """The file of a network's state.

    Args:
        path: `NAME.resume.pt`; need not exist yet.
        identity: The training's identity.
    """

    path: Path
    identity: Mapping[str, Any]

    def restore(self, learner: Learner) -> FitState:
        """The state to go on from, which the learner is brought to; an empty one where none was saved.

        Raises:
            InputError: the file is not a drkit resume checkpoint.
            UsageError: the state is of another training.
        """
        if not self.path.exists():
            return FitState()
        state = load_state(self.path, self.identity)
        learner.restore(state.learner)
        notify(f"going on after epoch {state.epoch} of {learner.config.epochs}")
        return state

    def save(self, state: FitState) -> None:
        """Write the state over the last one."""
        save_state(self.path, state, identity=self.identity)


def save_state(path: Path, state: FitState, identity: Mapping[str, Any]) -> None:
    """Write the state over the last one.

    Args:
        path: `NAME.resume.pt`.
        state: To save.
        identity: The training's identity; only a training with the same one can be resumed from the file.
    """
    history = [asdict(figures) for figures in state.history]
    content = {
        **vars(state),
        "history": history,
        "identity": dict(identity),
        "schema_version": SCHEMA_VERSION,
    }
    with writing(path, force=True, size=_num_bytes(content)) as draft:
        torch.save(content, draft)


def load_state(path: Path, identity: Mapping[str, Any]) -> FitState:
    """Read a state.

    Args:
        path: `NAME.resume.pt`.
        identity: Identity of the training to be resumed, or the part of it that is known yet.

    Raises:
        InputError: the file is not a drkit resume checkpoint.
        UsageError: the state is of another training; the message says what differs.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        known, version = content.pop("identity"), content.pop("schema_version")
        history = [EpochFigures(**{"seed": None, **figures}) for figures in content.pop("history")]
    except Exception as error:  # torch.load raises many kinds on a broken or foreign file
        raise InputError(
            f"{path} is not a drkit resume checkpoint ({type(error).__name__}): start again with --force"
        ) from None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version {version}, this drkit reads {SCHEMA_VERSION}: start again with --force"
        )
    _check_same(known, dict(identity), path)
    if set(content) != {item.name for item in fields(FitState)} - {"history"}:
        raise InputError(f"{path} is not a drkit resume checkpoint: start again with --force")
    return FitState(**content, history=history)


def load_best(path: Path) -> dict[str, Tensor]:
    """The tensors of the best epoch, from a state that this training has saved."""
    tensors: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu", mmap=True)["best"]
    return tensors


def _num_bytes(content: Any) -> int:
    """Bytes of nested tensors."""
    if isinstance(content, Tensor):
        return content.nbytes
    items = content.values() if isinstance(content, Mapping) else content if isinstance(content, list | tuple) else ()
    return sum(map(_num_bytes, items))


def _check_same(known: dict[str, Any], identity: dict[str, Any], path: Path) -> None:
    differing = [
        f"{name} was {known.get(name)}, is now {identity.get(name)}"
        for name in sorted(identity.keys() - EXCHANGEABLE)
        if known.get(name) != identity.get(name)
    ]
    if differing:
        raise UsageError(f"{path} is of another training: {'; '.join(differing)}. Use the same options, or --force")
