"""Train the network of every fold and seed epoch by epoch, and select the epoch that is kept."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drkit.grades import NUM_GRADES
from drkit.inference import Outputs, Views
from drkit.losses import grade_weights
from drkit.models.freezing import without_frozen_part
from drkit.models.grader import Grader
from drkit.progress import notify
from drkit.records.history import EpochFigures
from drkit.records.provenance import sha256_bytes
from drkit.records.runs import NetworkId, Run
from drkit.training.batches import split_into_steps
from drkit.training.epochs import TrainSampler, build_sampler, evaluate, train_epoch
from drkit.training.inputs import FrozenInputs, Inputs
from drkit.training.learner import Learner, TrainingData
from drkit.training.resume import FitState, StateFile, load_best
from drkit.training.seeding import seed_epoch
from drkit.training.setup import TrainingSetup
from drkit.training.sharding import run_sharded
from drkit.training.splits import FoldSplit
from drkit.training.trackers import LogFolder, find_log

Save = Callable[[FitState], None]


@dataclass(frozen=True, kw_only=True)
class FittedNetwork:
    """A trained network.

    Args:
        network: Fold and seed of the network.
        history: Figures of all epochs.
        best_epoch: Number of the epoch that was kept, from 1.
        state_path: File of the training's state, with the tensors of that epoch.
        frozen: Tensors that are not in the state because they were frozen.
        held_out: Outputs for the units on which the standard deviation of residuals is measured: those that the fold
            holds out, otherwise inner, otherwise val.
        others: Outputs for all units of val and test that are in no fold, from `predict_unfitted`; None if there
            are none.
    """

    network: NetworkId
    history: Sequence[EpochFigures]
    best_epoch: int
    state_path: Path
    frozen: Mapping[str, Tensor]
    held_out: Outputs
    others: Outputs | None = None

    @property
    def num_epochs(self) -> int:
        """Number of trained epochs."""
        return max((figures.epoch for figures in self.history), default=0)

    def tensors(self) -> dict[str, Tensor]:
        """Tensors of the complete network after the best epoch, on the CPU."""
        return {**self.frozen, **load_best(self.state_path)}


def fit_networks(setup: TrainingSetup, run: Run, *, resume: bool) -> list[FittedNetwork]:
    """Train every network of a run, and save its state after every epoch.

    Args:
        setup: Device, network and photographs of the training.
        run: Files of the run, among them the states.
        resume: Whether to continue from saved states; otherwise they are deleted.
    """
    if not resume:
        for state_path in run.unfinished():
            state_path.unlink(missing_ok=True)  # every process deletes them
    plan, photographs = setup.plan, "".join(setup.hashes)
    identity = {**plan.identity(), "photographs_sha256": sha256_bytes(photographs.encode())}
    fitted: list[FittedNetwork] = []
    frozen: FrozenInputs | None = None
    for seed in plan.seeds or (plan.config.seed,):
        of_seed = setup.of_seed(seed)
        inputs = of_seed.make_inputs(frozen)
        for fold_split in plan.fold_splits:
            network = NetworkId(fold_split.fold, seed if plan.seeds else None)
            states = StateFile(run.resume(network), identity)
            fitted.append(_fit_network(of_seed, inputs, fold_split, network, states, find_log(plan.config, run)))
        frozen = inputs.without_copies() if isinstance(inputs, FrozenInputs) else None
        del inputs  # frees the augmented copies before those of the next seed are made
    return fitted


def _fit_network(
    setup: TrainingSetup,
    inputs: Inputs,
    fold_split: FoldSplit,
    network: NetworkId,
    states: StateFile,
    log: LogFolder | None,
) -> FittedNetwork:
    plan, config = setup.plan, setup.plan.config
    sampler = build_sampler(plan, fold_split, network)
    monitored = {split: plan.units.of_rows(rows) for split, rows in fold_split.monitored().items()}
    grader = deepcopy(setup.grader)
    with without_frozen_part(grader, config.frozen_stages):
        learner = _build_learner(setup, inputs, grader, sampler)
        state = states.restore(learner)
        save = _save_and_log(states, state, network, log) if setup.fabric.is_global_zero else None
        _fit_epochs(learner, sampler, monitored, state, save)
        outputs = None if config.tta else _predict(setup, grader, fold_split, lambda rows: [inputs.eval_batch(rows)])
    held_out = outputs or _predict(setup, grader, fold_split, setup.photographs.views)
    return FittedNetwork(
        network=network,
        history=state.history,
        best_epoch=state.best_epoch,
        state_path=states.path,
        frozen=setup.frozen_tensors,
        held_out=held_out,
    )


def _save_and_log(states: StateFile, state: FitState, network: NetworkId, log: LogFolder | None) -> Save:
    """Return a function that saves and logs an epoch; the log continues after the epochs of `state`."""
    if log is None:
        return states.save
    epochs = log.open(network, state.history)

    def save(state: FitState) -> None:
        states.save(state)
        epochs.add([figures for figures in state.history if figures.epoch == state.epoch])

    return save


def _build_learner(setup: TrainingSetup, inputs: Inputs, grader: Grader, sampler: TrainSampler) -> Learner:
    plan, config = setup.plan, setup.plan.config
    loss, grades = plan.build_loss(), plan.grades[sampler.units]
    seed_epoch(config.seed, 0)
    if not config.keep_head:
        loss.start(grader.head.output, torch.from_numpy(grades))
    counts = np.bincount(grades, minlength=NUM_GRADES)
    weights = grade_weights(counts) if config.class_weights else np.ones(NUM_GRADES)
    data = TrainingData(
        inputs=inputs,
        units=plan.units,
        grades=plan.grades,
        auxiliary_grades=plan.auxiliary_grades,
        grade_weights=weights,
        loss=loss,
    )
    num_steps = len(split_into_steps(sampler.units, config, setup.fabric.world_size))
    for backbone in (grader.backbone, *grader.others) if config.compile else ():
        backbone.compile()
    return Learner(grader, data, config, setup.fabric, num_steps)


def _predict(setup: TrainingSetup, grader: Grader, fold_split: FoldSplit, views: Views) -> Outputs:
    """Predict the units on which residuals are measured."""
    held_out = next(rows for rows in (fold_split.held_out, fold_split.inner, fold_split.val) if len(rows))
    units = setup.plan.units
    keeps = setup.plan.config.embeddings
    return run_sharded(setup.fabric, grader, views, units, units.of_rows(held_out), embeddings=keeps)


def _fit_epochs(
    learner: Learner, sampler: TrainSampler, monitored: Mapping[str, np.ndarray], state: FitState, save: Save | None
) -> None:
    """Train to the last epoch or until `--patience` ends the training, and load the selected epoch's tensors.

    Args:
        learner: The network in training, in the same state as `state`.
        sampler: Sampler of the training units.
        monitored: Numbers of the units that are evaluated after every epoch, by split.
        state: State from which the training continues; updated in place.
        save: Called with the state after every epoch; None in all processes but the first.
    """
    num_epochs, choose, patience = learner.config.epochs, learner.config.chooses, learner.config.patience
    while state.epoch < num_epochs and (patience is None or state.epoch - state.best_epoch < patience):
        epoch = state.epoch + 1
        figures = [train_epoch(learner, sampler, epoch)]
        figures += [evaluate(learner, units, split, sampler.network, epoch) for split, units in monitored.items()]
        figures = learner.fabric.broadcast(figures)  # of the first process, as rounding may differ on other machines
        _advance(state, learner, figures, choose)
        notify(_describe(sampler, figures, num_epochs, is_best=state.best_epoch == epoch and choose != "last"))
        if save:
            save(state)
    learner.grader.load_state_dict(state.best)


def _advance(state: FitState, learner: Learner, figures: list[EpochFigures], choose: str) -> None:
    """Add an epoch's figures and tensors to the state, and keep its tensors as the best if it is the best epoch."""
    state.history += figures
    state.learner = _copy(learner.state())
    epoch, candidates = figures[0].epoch, [item for item in state.history if item.split == choose]
    best = (  # a tie goes to the first epoch
        epoch if choose == "last" else max(candidates, key=lambda item: item.quadratic_weighted_kappa).epoch
    )
    if best == epoch:
        state.best_epoch, state.best = best, _copy(learner.eval_model.state_dict())


def _copy(content: Any) -> Any:
    """A copy of nested tensors on the CPU."""
    if isinstance(content, torch.Tensor):
        return content.detach().cpu().clone()
    if isinstance(content, dict):
        return {key: _copy(value) for key, value in content.items()}
    return [_copy(value) for value in content] if isinstance(content, list) else deepcopy(content)


def _describe(sampler: TrainSampler, figures: list[EpochFigures], num_epochs: int, *, is_best: bool) -> str:
    splits = [
        f"{item.split}: loss {item.loss:.4f}, quadratic kappa {item.quadratic_weighted_kappa:.3f},"
        f" plain {item.plain_kappa:.3f}, accuracy {item.accuracy:.3f}"
        for item in figures
    ]
    network = f"{sampler.network}  ".lstrip()
    mark = "  (best so far)" if is_best else ""
    return f"{network}epoch {figures[0].epoch}/{num_epochs}  " + "  |  ".join(splits) + mark
