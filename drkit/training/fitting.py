"""Fitting: epochs until the last or until nothing gets better, and the choice of one of them."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.optim import Optimizer

from drkit.records.history import EpochFigures
from drkit.talk import say
from drkit.training.epochs import Pace, Task, evaluate, train_epoch
from drkit.training.resume import FitState


@dataclass(frozen=True)
class Parts:
    """Who plays which part, as row numbers of graded photographs.

    Args:
        train: Trained on.
        inner: Training patients held out to pick the epoch; empty unless they do.
        val: The validation split.
    """

    train: np.ndarray
    inner: np.ndarray
    val: np.ndarray

    def watched(self) -> dict[str, np.ndarray]:
        """The parts that are judged after every epoch."""
        return {name: rows for name, rows in (("inner", self.inner), ("val", self.val)) if len(rows)}


def fit(
    task: Task,
    parts: Parts,
    pace: Pace,
    optimizer: Optimizer,
    state: FitState,
    *,
    choose: str,
    patience: int | None,
    keep: Callable[[FitState], None],
) -> FitState:
    """Train on from `state`.

    Args:
        task: What is learned.
        parts: On which photographs.
        pace: How fast, how long.
        optimizer: Of the module's parameters, in the state's state.
        state: Where to go on; changed in place.
        choose: What picks the epoch: `val`, `inner` or `last`.
        patience: Stop after so many epochs that were not the best; None: never.
        keep: Called with the state after every epoch.

    Returns:
        The state after the last epoch; the module holds the chosen epoch's tensors.
    """
    while state.epoch < pace.epochs and not _is_stuck(state, patience):
        epoch = state.epoch + 1
        figures = [train_epoch(task, parts.train, optimizer, pace, epoch)]
        rate = figures[0].learning_rate
        figures += [evaluate(task, rows, split, epoch, rate) for split, rows in parts.watched().items()]
        _advance(state, task, optimizer, figures, choose)
        say(_describe(figures, pace, is_best=state.best_epoch == epoch and choose != "last"))
        keep(state)
    task.source.module.load_state_dict(state.best or state.module)
    return state


def _advance(state: FitState, task: Task, optimizer: Optimizer, figures: list[EpochFigures], choose: str) -> None:
    """Note an epoch's figures and tensors, and whether it is the best so far."""
    watched = [item for item in state.history + figures if item.split == choose]
    state.history += figures
    state.module = _copy(task.source.module.state_dict())
    state.optimizer = optimizer.state_dict()
    if choose == "last":
        state.best_epoch = figures[0].epoch
        return
    best = max(watched, key=lambda item: item.quadratic_weighted_kappa)  # the first of equals
    if best.epoch == figures[0].epoch:
        state.best_epoch, state.best = best.epoch, state.module


def _is_stuck(state: FitState, patience: int | None) -> bool:
    return patience is not None and state.epoch - state.best_epoch >= patience


def _copy(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: deepcopy(tensor.detach().cpu()) for name, tensor in tensors.items()}


def _describe(figures: list[EpochFigures], pace: Pace, *, is_best: bool) -> str:
    told = [
        f"{item.split}: loss {item.loss:.4f}, quadratic kappa {item.quadratic_weighted_kappa:.3f},"
        f" plain {item.plain_kappa:.3f}, accuracy {item.accuracy:.3f}"
        for item in figures
    ]
    mark = "  (best so far)" if is_best else ""
    return f"epoch {figures[0].epoch}/{pace.epochs}  " + "  |  ".join(told) + mark
