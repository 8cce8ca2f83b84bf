"""Fitting: epochs until the last or until nothing gets better, and the choice of one of them."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch

from drkit.progress import notify
from drkit.records.history import EpochFigures
from drkit.training.epochs import TrainSampler, evaluate, train_epoch
from drkit.training.learner import Learner
from drkit.training.resume import FitState


def fit(
    learner: Learner,
    sampler: TrainSampler,
    watched: dict[str, np.ndarray],
    state: FitState,
    *,
    choose: str,
    patience: int | None,
    keep: Callable[[FitState], None] | None,
) -> FitState:
    """Train on from `state`.

    Args:
        learner: Who learns, in the state's state.
        sampler: On which units.
        watched: Numbers of the units that are judged after every epoch, by split.
        state: Where to go on; changed in place.
        choose: What picks the epoch: `val`, `inner` or `last`.
        patience: Stop after so many epochs that were not the best; None: never.
        keep: Called with the state after every epoch; None in processes that only help.

    Returns:
        The state after the last epoch; the grader holds the chosen epoch's tensors.
    """
    num_epochs = learner.config.epochs
    while state.epoch < num_epochs and not _is_stuck(state, patience):
        epoch = state.epoch + 1
        figures = [train_epoch(learner, sampler, epoch)]
        figures += [evaluate(learner, units, split, sampler.network, epoch) for split, units in watched.items()]
        figures = learner.fabric.broadcast(figures)  # each process judges by its own batch norms: one must decide
        _advance(state, learner, figures, choose)
        notify(_describe(sampler, figures, num_epochs, is_best=state.best_epoch == epoch and choose != "last"))
        if keep:
            keep(state)
    learner.grader.load_state_dict(state.best)
    return state


def _advance(state: FitState, learner: Learner, figures: list[EpochFigures], choose: str) -> None:
    """Note an epoch's figures and tensors, and whether it is the best so far."""
    watched = [item for item in state.history + figures if item.split == choose]
    state.history += figures
    state.learner = _copy(learner.state())
    epoch = figures[0].epoch
    best = epoch if choose == "last" else max(watched, key=_quality).epoch  # the first of equals
    if best == epoch:
        state.best_epoch, state.best = best, _copy(learner.eval_model.state_dict())


def _quality(figures: EpochFigures) -> float:
    return figures.quadratic_weighted_kappa


def _is_stuck(state: FitState, patience: int | None) -> bool:
    return patience is not None and state.epoch - state.best_epoch >= patience


def _copy(content: Any) -> Any:
    """A copy of nested tensors on the CPU."""
    if isinstance(content, torch.Tensor):
        return content.detach().cpu().clone()
    if isinstance(content, dict):
        return {key: _copy(value) for key, value in content.items()}
    return [_copy(value) for value in content] if isinstance(content, list) else deepcopy(content)


def _describe(sampler: TrainSampler, figures: list[EpochFigures], num_epochs: int, *, is_best: bool) -> str:
    told = [
        f"{item.split}: loss {item.loss:.4f}, quadratic kappa {item.quadratic_weighted_kappa:.3f},"
        f" plain {item.plain_kappa:.3f}, accuracy {item.accuracy:.3f}"
        for item in figures
    ]
    network = f"{sampler.network}  ".lstrip()
    mark = "  (best so far)" if is_best else ""
    return f"{network}epoch {figures[0].epoch}/{num_epochs}  " + "  |  ".join(told) + mark
