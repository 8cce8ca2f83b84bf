"""Everything a training has in its hands, from the photographs to the last epoch of the last network."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from drkit.data.augmentation import load_policy
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir
from drkit.duplicates.seen import find_seen
from drkit.errors import LeakageError, first_few
from drkit.grades import NUM_GRADES
from drkit.inference import Outputs, Views, run_units
from drkit.losses import grade_weights
from drkit.models.freezing import check_cut, without_frozen_part
from drkit.models.grader import Grader, build_grader
from drkit.progress import SilentReporter, notify, reporting_to, warn
from drkit.records.history import EpochFigures
from drkit.records.predictions import patient_keys
from drkit.records.provenance import sha256_bytes
from drkit.records.runs import NetworkId, Run
from drkit.resampling import bootstrap
from drkit.training.batches import check_batches
from drkit.training.epochs import TrainSampler
from drkit.training.fitting import fit
from drkit.training.inputs import FrozenInputs, Inputs, PhotographInputs, freeze_inputs
from drkit.training.kept_head import load_head
from drkit.training.learner import Learner, TrainingData
from drkit.training.plan import FoldSplit, TrainingPlan
from drkit.training.resume import FitState, load_state, save_state
from drkit.training.runtime import check_compiler, keep_freed_memory, seed_epoch, start_fabric


@dataclass(frozen=True)
class Workbench:
    """Everything a training has in its hands.

    Args:
        plan: What to do.
        fabric: Devices, precision and processes.
        grader: The network before the first step.
        photographs: In the order of the plan's labels.
        seen: (N,) bool, of those to be scored the ones that the weights to start from were trained on.
    """

    plan: TrainingPlan
    fabric: Fabric
    grader: Grader
    photographs: PhotographInputs
    seen: np.ndarray

    @property
    def bank(self) -> PhotographBank:
        """The decoded photographs."""
        return self.photographs.bank

    def of_seed(self, seed: int) -> "Workbench":
        """The same with a network and augmentation drawn from another seed."""
        if seed == self.plan.config.seed:
            return self
        plan = self.plan.of_seed(seed)
        with reporting_to(SilentReporter()):  # the weights have been told of
            grader = _draw_grader(plan)
        photographs = replace(self.photographs, seed=seed)
        return replace(self, plan=plan, grader=grader.to(self.fabric.device), photographs=photographs)

    def make_inputs(self, earlier: FrozenInputs | None) -> PhotographInputs | FrozenInputs:
        """What the part that learns is fed: frozen stages are run here.

        Args:
            earlier: Made for another seed; its plain features are taken again where they are the same.
        """
        config = self.plan.config
        if config.frozen_stages == 0:
            return self.photographs
        return freeze_inputs(self.grader, self.photographs, self.plan.fitted, config, earlier)


@dataclass(frozen=True)
class Fitted:
    """What came of one network.

    Args:
        network: Which it is.
        fold_split: Its training, inner, val and held-out photographs.
        history: Figures of all its epochs.
        best_epoch: The chosen one, from 1.
        tensors: The network after that, whole, on the CPU.
        held_out: Outputs for the units that tell how wide the residuals are: the fold's own, else those that picked
            the epoch, else val.
        others: Outputs for all units of val and test that stand in no fold; None where there are none.
    """

    network: NetworkId
    fold_split: FoldSplit
    history: Sequence[EpochFigures]
    best_epoch: int
    tensors: Mapping[str, Tensor]
    held_out: Outputs
    others: Outputs | None

    @property
    def num_epochs(self) -> int:
        """How many were trained."""
        return max((figures.epoch for figures in self.history), default=0)


def prepare(plan: TrainingPlan) -> Workbench:
    """Build the network and read the photographs.

    Raises:
        InputError: photographs that cannot be read, or weights that cannot be had.
        LeakageError: weights that were trained on photographs to be scored.
    """
    config = plan.config
    leaves_out = config.unfreeze_every is not None or config.unshared or config.freeze != "none"
    fabric = start_fabric(config, leaves_out=leaves_out)
    keep_freed_memory()
    if config.compile:
        check_compiler(fabric.device)
    grader = _draw_grader(plan)
    check_cut(grader, config.frozen_stages, plan.input_format.side)
    check_batches(plan, grader)
    cache_dir = config.cache_dir or default_cache_dir()
    bank = build_bank(
        plan.labels,
        plan.bank_side,
        cache_dir,
        workers=config.workers,
        steps=plan.pending_steps,
        round_discs=plan.round_discs,
    )
    seen = _find_seen(plan, bank)
    _check_seen(plan, bank, seen)
    names, policy = plan.labels.rows["image_id"].tolist(), load_policy(config.augment)
    photographs = PhotographInputs(bank, names, plan.input_format, policy, config.seed, fabric.device)
    return Workbench(plan, fabric, grader.to(fabric.device), photographs, seen)


def _draw_grader(plan: TrainingPlan) -> Grader:
    """The network before the first step, what it does not start from drawn from the seed."""
    seed_epoch(plan.config.seed, 0)
    grader = build_grader(
        plan.architecture, pretrained=plan.initial_weights.is_pretrained, load=plan.initial_weights.load
    )
    if plan.config.keep_head:
        load_head(grader, plan.initial_weights)
    return grader


def leaked(plan: TrainingPlan, bank: PhotographBank, seen: np.ndarray) -> np.ndarray:
    """(N,) bool: photographs that the network that grades them was trained on, or its parents (`seen`)."""
    hashes = np.array(bank.hashes)
    leaks = np.zeros(len(hashes), bool)
    for fold_split in plan.fold_splits:
        fitted = np.isin(hashes, hashes[np.concatenate([fold_split.train, fold_split.inner])])
        graded = np.concatenate([fold_split.held_out, _unfitted(plan)])
        leaks[graded] |= (seen | fitted)[graded]
    return leaks


def optimistically_scored(plan: TrainingPlan, bank: PhotographBank) -> np.ndarray:
    """(N,) bool: photographs to be scored that selected the epoch of the weights that this training starts from."""
    hit = np.zeros(len(plan.labels), bool)
    scored = _scored(plan)
    hit[scored] = np.isin(np.array(bank.hashes)[scored], list(plan.initial_weights.chosen_by))
    return hit


def train(bench: Workbench, run: Run, *, resume: bool) -> list[Fitted]:
    """Train every network, keeping its state on disk after every epoch.

    Args:
        bench: From `prepare`.
        run: Where the states are kept.
        resume: Go on from there.
    """
    if not resume:
        for state in run.unfinished():
            state.unlink(missing_ok=True)  # each of several processes comes by
    identity = {**bench.plan.identity(), "photographs_sha256": sha256_bytes("".join(bench.bank.hashes).encode())}
    fitted: list[Fitted] = []
    frozen: FrozenInputs | None = None
    for seed in bench.plan.seeds or (bench.plan.config.seed,):
        told, frozen = _train_seed(
            bench.of_seed(seed), frozen, lambda network: _Keeper(run.resume(network), identity, resume)
        )
        fitted += told
    return fitted


def _train_seed(
    bench: Workbench, earlier: FrozenInputs | None, keeper_of: Callable[[NetworkId], "_Keeper"]
) -> tuple[list[Fitted], FrozenInputs | None]:
    """Every fold's network of the bench's seed, and what is frozen for the next one; its copies are not kept."""
    plan, inputs = bench.plan, bench.make_inputs(earlier)
    networks = [
        NetworkId(fold_split.fold, plan.config.seed if plan.config.seeds > 1 else None)
        for fold_split in plan.fold_splits
    ]
    fitted = [
        _train_network(bench, inputs, fold_split, network, keeper_of(network))
        for fold_split, network in zip(plan.fold_splits, networks, strict=True)
    ]
    return fitted, inputs.without_copies() if isinstance(inputs, FrozenInputs) else None


@dataclass(frozen=True)
class _Keeper:
    """Where a network's state is kept between epochs.

    Args:
        path: Its file.
        identity: What the training is.
        resume: Whether to go on from a state that is there.
    """

    path: Path
    identity: Mapping[str, Any]
    resume: bool

    def begin(self, learner: Learner) -> FitState:
        """The state to start from, which the learner is brought to."""
        if not self.resume or not self.path.exists():
            return FitState()
        state = load_state(self.path, self.identity)
        learner.restore(state.learner)
        notify(f"going on after epoch {state.epoch} of {learner.config.epochs}")
        return state

    def keep(self, state: FitState) -> None:
        """Write the state over the last one."""
        save_state(self.path, state, identity=self.identity)


def _train_network(
    bench: Workbench, inputs: Inputs, fold_split: FoldSplit, network: NetworkId, keeper: _Keeper
) -> Fitted:
    plan, config = bench.plan, bench.plan.config
    sampler = build_sampler(plan, fold_split, network)
    watched = {split: plan.units.of_rows(rows) for split, rows in fold_split.monitored().items()}
    grader = deepcopy(bench.grader)
    with without_frozen_part(grader, config.frozen_stages):
        learner = _build_learner(bench, inputs, grader, sampler)
        state = keeper.begin(learner)
        keep = keeper.keep if bench.fabric.is_global_zero else None
        fit(learner, sampler, watched, state, choose=config.chooses, patience=config.patience, keep=keep)
        answered = None if config.tta else _answer(bench, grader, fold_split, lambda rows: [inputs.eval_batch(rows)])
    held_out, others = answered or _answer(bench, grader, fold_split, bench.photographs.views)
    tensors = {name: tensor.cpu() for name, tensor in grader.state_dict().items()}
    return Fitted(network, fold_split, state.history, state.best_epoch, tensors, held_out, others)


def _build_learner(bench: Workbench, inputs: Inputs, grader: Grader, sampler: TrainSampler) -> Learner:
    plan, config = bench.plan, bench.plan.config
    loss, grades = plan.build_loss(), plan.grades[sampler.units]
    seed_epoch(config.seed, 0)
    if not config.keep_head:
        loss.start(grader.head.output, torch.from_numpy(grades))
    counts = np.bincount(grades, minlength=NUM_GRADES)
    weights = grade_weights(counts) if config.class_weights else np.ones(NUM_GRADES)
    data = TrainingData(inputs, plan.units, plan.grades, plan.eye_grades, weights, loss)
    steps = -(-len(grades) // (config.batch_size * config.accumulate * bench.fabric.world_size))
    for backbone in (grader.backbone, *grader.others) if config.compile else ():
        backbone.compile()
    return Learner(grader, data, config, bench.fabric, steps)


def build_sampler(plan: TrainingPlan, fold_split: FoldSplit, network: NetworkId) -> TrainSampler:
    """What the epochs of one network go over."""
    units = plan.units.of_rows(fold_split.train)
    patients = patient_keys(plan.labels.rows)[plan.units.first_rows]
    if plan.config.bootstrap_patients is not None:
        units = units[bootstrap(patients[units], plan.config.bootstrap_patients)]
    names = plan.labels.dataset_names().to_numpy()[plan.units.first_rows]
    datasets = names[units] if plan.config.balance == "dataset" else None
    return TrainSampler(units, patients[units], plan.config.oversample == "patient", network, datasets)


def _answer(bench: Workbench, grader: Grader, fold_split: FoldSplit, views: Views) -> tuple[Outputs, Outputs | None]:
    """Outputs for those who tell the residuals, and for all that stand in no fold."""
    units = bench.plan.units
    judges = next(rows for rows in (fold_split.held_out, fold_split.inner, fold_split.val) if len(rows))
    others = units.of_rows(_unfitted(bench.plan))
    told = run_units(grader, views, units, units.of_rows(judges))
    return told, run_units(grader, views, units, others) if len(others) else None


def _unfitted(plan: TrainingPlan) -> np.ndarray:
    """Row numbers of val and test photographs whose patients stand in no fold."""
    folded = np.zeros(len(plan.labels), bool)
    for fold_split in plan.fold_splits:
        folded[fold_split.held_out] = True
    return np.flatnonzero((plan.labels.rows["split"] != "train").to_numpy() & ~folded)


def _scored(plan: TrainingPlan) -> np.ndarray:
    """Row numbers of the photographs that this training is scored on."""
    return np.arange(len(plan.labels)) if plan.folds else _unfitted(plan)


def _find_seen(plan: TrainingPlan, bank: PhotographBank) -> np.ndarray:
    """(N,) bool: photographs to be scored that the weights to start from were trained on."""
    initial_weights, scored, paths = plan.initial_weights, _scored(plan), plan.labels.paths()
    seen = np.zeros(len(paths), bool)
    contents = [bank.hashes[row] for row in scored]
    chosen = [paths[row] for row in scored]
    seen[scored] = find_seen(chosen, contents, initial_weights.seen, initial_weights.descends_from, plan.config.workers)
    return seen


def _check_seen(plan: TrainingPlan, bank: PhotographBank, seen: np.ndarray) -> None:
    """Check that nothing is scored that the weights were trained on.

    Raises:
        LeakageError: photographs of val, test or a fold that a parent was trained on.
    """
    names = plan.labels.rows["image_id"][seen].tolist()
    if names and not plan.config.allow_seen:
        raise LeakageError(
            f"the weights were trained on {len(names)} photographs that this training would be scored on:"
            f" {first_few(names)}: start from other weights, or accept it with --allow-seen (they are marked and not"
            " scored)"
        )
    num_leaked = int(leaked(plan, bank, seen).sum())
    if num_leaked:
        warn(f"{num_leaked} photographs to be scored are trained on, as copies: they will not be scored")
    num_optimistic = int(optimistically_scored(plan, bank).sum())
    if num_optimistic:
        warn(
            f"{num_optimistic} photographs to be scored selected the epoch of the weights this training starts from:"
            " their figures are optimistic; weights trained with --choose inner or last avoid that"
        )
