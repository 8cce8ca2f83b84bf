"""The state of a training, saved after every epoch so that an interrupted training can be resumed."""

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
        best_epoch: Number of the best epoch, from 1; 0 before the first epoch.
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
    """The file with the state of a network's training.

    Args:
        path: Path of `NAME.resume.pt`, which need not exist yet.
        identity: Identity of the training.
    """

    path: Path
    identity: Mapping[str, Any]

    def restore(self, learner: Learner) -> FitState:
        """Read the saved state, restore the learner from it and return it; an empty state if none was saved.

        Raises:
            InputError: the file is not a drkit resume checkpoint.
            UsageError: the state is that of another training.
        """
        if not self.path.exists():
            return FitState()
        state = load_state(self.path, self.identity)
        learner.restore(state.learner)
        notify(f"resuming after epoch {state.epoch} of {learner.config.epochs}")
        return state

    def save(self, state: FitState) -> None:
        """Replace the saved state."""
        save_state(self.path, state, identity=self.identity)


def save_state(path: Path, state: FitState, identity: Mapping[str, Any]) -> None:
    """Replace the state in a file.

    Args:
        path: Path of `NAME.resume.pt`.
        state: The new state.
        identity: Identity of the training; only a training with the same identity can be resumed from the file.
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
        path: Path of `NAME.resume.pt`.
        identity: Identity of the training to be resumed, or the part of it that is known so far.

    Raises:
        InputError: the file is not a drkit resume checkpoint.
        UsageError: the state is that of another training; the message lists the differences.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        saved_identity, version = content.pop("identity"), content.pop("schema_version")
        history = [EpochFigures(**{"seed": None, **figures}) for figures in content.pop("history")]
    except Exception as error:  # torch.load raises many kinds of errors for a broken or foreign file
        raise InputError(
            f"{path} is not a drkit resume checkpoint ({type(error).__name__}): start again with --force"
        ) from None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version {version}, but this drkit reads {SCHEMA_VERSION}: start again with --force"
        )
    _check_same(saved_identity, dict(identity), path)
    if set(content) != {item.name for item in fields(FitState)} - {"history"}:
        raise InputError(f"{path} is not a drkit resume checkpoint: start again with --force")
    return FitState(**content, history=history)


def load_best(path: Path) -> dict[str, Tensor]:
    """Read the tensors of the best epoch from a state that this training has saved."""
    tensors: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu", mmap=True)["best"]
    return tensors


def _num_bytes(content: Any) -> int:
    """Number of bytes of nested tensors."""
    if isinstance(content, Tensor):
        return content.nbytes
    items = content.values() if isinstance(content, Mapping) else content if isinstance(content, list | tuple) else ()
    return sum(map(_num_bytes, items))


def _check_same(saved: dict[str, Any], identity: dict[str, Any], path: Path) -> None:
    differences = [
        f"{name} was {saved.get(name)}, is now {identity.get(name)}"
        for name in sorted(identity.keys() - EXCHANGEABLE)
        if saved.get(name) != identity.get(name)
    ]
    if differences:
        raise UsageError(
            f"{path} belongs to another training: {'; '.join(differences)}: use the same options, or --force"
        )
