"""Everything a training has in its hands, from the photographs to the last epoch of the last fold."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from drkit.data.augmentation import load_policy
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir
from drkit.errors import LeakageError, first_few
from drkit.grades import NUM_GRADES
from drkit.inference import Outputs, Views, run_units
from drkit.losses import grade_weights
from drkit.models.freezing import check_cut, without_frozen_part
from drkit.models.grader import Grader, build_grader
from drkit.records.predictions import patient_keys
from drkit.records.provenance import sha256_bytes
from drkit.records.runs import Run
from drkit.resampling import bootstrap
from drkit.talk import say, warn
from drkit.training.epochs import Course
from drkit.training.fitting import fit
from drkit.training.learner import Learner, Task
from drkit.training.plan import Parts, TrainingPlan
from drkit.training.resume import FitState, load_state, save_state
from drkit.training.runtime import check_compiler, keep_freed_memory, seed_epoch, start_fabric
from drkit.training.sources import FrozenSource, PhotographSource, freeze_source


@dataclass(frozen=True)
class Workbench:
    """Everything a training has in its hands.

    Args:
        plan: What to do.
        fabric: Devices, precision and processes.
        grader: The network before the first step.
        photographs: In the order of the plan's labels.
    """

    plan: TrainingPlan
    fabric: Fabric
    grader: Grader
    photographs: PhotographSource

    @property
    def bank(self) -> PhotographBank:
        """The decoded photographs."""
        return self.photographs.bank

    @cached_property
    def source(self) -> PhotographSource | FrozenSource:
        """What the part that learns is fed; frozen stages are run when it is first asked for."""
        config = self.plan.config
        if config.frozen_stages == 0:
            return self.photographs
        return freeze_source(self.grader, self.photographs, self.plan.fitted, config)


@dataclass(frozen=True)
class Fitted:
    """What came of one fold, or of a training without folds.

    Args:
        parts: Who played which part.
        state: After the last epoch.
        tensors: The chosen epoch's network, whole.
        held_out: Outputs for the units that tell how wide the residuals are: the fold's own, else those that picked
            the epoch, else val.
        others: Outputs for all units of val and test that stand in no fold; None where there are none.
    """

    parts: Parts
    state: FitState
    tensors: dict[str, Tensor]
    held_out: Outputs
    others: Outputs | None


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
    seed_epoch(config.seed, 0)
    grader = build_grader(plan.architecture, pretrained=plan.start.is_pretrained, load=plan.start.load)
    check_cut(grader, config.frozen_stages, plan.wanted.side)
    cache_dir = config.cache_dir or default_cache_dir()
    bank = build_bank(
        plan.labels,
        plan.bank_side,
        cache_dir,
        workers=config.workers,
        steps=plan.pending_steps,
        round_discs=plan.round_discs,
    )
    _check_seen(plan, bank)
    names, policy = plan.labels.rows["image_id"].tolist(), load_policy(config.augment)
    photographs = PhotographSource(bank, names, plan.wanted, policy, config.seed, fabric.device)
    return Workbench(plan, fabric, grader.to(fabric.device), photographs)


def leaked(plan: TrainingPlan, bank: PhotographBank) -> np.ndarray:
    """(N,) bool: photographs whose very content the network that grades them was trained on, or its parents."""
    hashes = np.array(bank.hashes)
    seen = np.isin(hashes, list(plan.start.seen))
    leaks = np.zeros(len(hashes), bool)
    for parts in plan.parts:
        fitted = np.isin(hashes, hashes[np.concatenate([parts.train, parts.inner])])
        graded = np.concatenate([parts.held_out, _unfitted(plan)])
        leaks[graded] |= (seen | fitted)[graded]
    return leaks


def flattered(plan: TrainingPlan, bank: PhotographBank) -> np.ndarray:
    """(N,) bool: photographs to be scored that picked an epoch of the weights to start from, whoever picks this one."""
    hit = np.zeros(len(plan.labels), bool)
    scored = _scored(plan)
    hit[scored] = np.isin(np.array(bank.hashes)[scored], list(plan.start.chosen_by))
    return hit


def train(bench: Workbench, run: Run, *, resume: bool) -> list[Fitted]:
    """Train every fold, keeping its state on disk after every epoch.

    Args:
        bench: From `prepare`.
        run: Where the states are kept.
        resume: Go on from there.
    """
    if not resume:
        for state in run.unfinished():
            state.unlink(missing_ok=True)  # each of several processes comes by
    return [_train_part(bench, run, parts, resume=resume) for parts in bench.plan.parts]


def _train_part(bench: Workbench, run: Run, parts: Parts, *, resume: bool) -> Fitted:
    plan, config = bench.plan, bench.plan.config
    identity = {**plan.identity(), "photographs_sha256": sha256_bytes("".join(bench.bank.hashes).encode())}
    course = _plan_course(plan, parts)
    watched = {split: plan.units.of_rows(rows) for split, rows in parts.watched().items()}
    grader, source = deepcopy(bench.grader), bench.source  # frozen stages run before they are taken away
    with without_frozen_part(grader, config.frozen_stages):
        learner = _build_learner(bench, grader, course)
        state = _begin(learner, run, parts, identity, resume=resume)
        keep = partial(save_state, run.resume(parts.fold), identity=identity) if bench.fabric.is_global_zero else None
        fit(learner, course, watched, state, choose=config.chooses, patience=config.patience, keep=keep)
        answered = None if config.tta else _answer(bench, grader, parts, lambda rows: [source.plain(rows)])
    held_out, others = answered or _answer(bench, grader, parts, bench.photographs.views)
    return Fitted(parts, state, grader.state_dict(), held_out, others)


def _build_learner(bench: Workbench, grader: Grader, course: Course) -> Learner:
    plan, config = bench.plan, bench.plan.config
    loss, grades = plan.build_loss(), plan.grades[course.units]
    seed_epoch(config.seed, 0)
    loss.start(grader.head.output, torch.from_numpy(grades))
    counts = np.bincount(grades, minlength=NUM_GRADES)
    weights = grade_weights(counts) if config.class_weights else np.ones(NUM_GRADES)
    task = Task(bench.source, plan.units, plan.grades, plan.eye_grades, weights, loss)
    steps = -(-len(grades) // (config.batch_size * config.accumulate * bench.fabric.world_size))
    for backbone in (grader.backbone, *grader.others) if config.compile else ():
        backbone.compile()
    return Learner(grader, task, config, bench.fabric, steps)


def _begin(learner: Learner, run: Run, parts: Parts, identity: dict[str, object], *, resume: bool) -> FitState:
    """The state to start from."""
    path = run.resume(parts.fold)
    if not resume or not path.exists():
        return FitState()
    state = load_state(path, identity)
    learner.restore(state.learner)
    say(f"going on after epoch {state.epoch} of {learner.config.epochs}")
    return state


def _plan_course(plan: TrainingPlan, parts: Parts) -> Course:
    units = plan.units.of_rows(parts.train)
    patients = patient_keys(plan.labels.rows)[plan.units.first_rows]
    if plan.config.bootstrap_patients is not None:
        units = units[bootstrap(patients[units], plan.config.bootstrap_patients)]
    names = plan.labels.dataset_names().to_numpy()[plan.units.first_rows]
    datasets = names[units] if plan.config.balance == "dataset" else None
    return Course(units, patients[units], plan.config.oversample == "patient", parts.fold, datasets)


def _answer(bench: Workbench, grader: Grader, parts: Parts, views: Views) -> tuple[Outputs, Outputs | None]:
    """Outputs for those who tell the residuals, and for all that stand in no fold."""
    units = bench.plan.units
    judges = next(rows for rows in (parts.held_out, parts.inner, parts.val) if len(rows))
    others = units.of_rows(_unfitted(bench.plan))
    told = run_units(grader, views, units, units.of_rows(judges))
    return told, run_units(grader, views, units, others) if len(others) else None


def _unfitted(plan: TrainingPlan) -> np.ndarray:
    """Row numbers of val and test photographs whose patients stand in no fold."""
    folded = np.zeros(len(plan.labels), bool)
    for parts in plan.parts:
        folded[parts.held_out] = True
    return np.flatnonzero((plan.labels.rows["split"] != "train").to_numpy() & ~folded)


def _scored(plan: TrainingPlan) -> np.ndarray:
    """Row numbers of the photographs that this training is scored on."""
    return np.arange(len(plan.labels)) if plan.folds else _unfitted(plan)


def _check_seen(plan: TrainingPlan, bank: PhotographBank) -> None:
    """Hold that nothing is scored that the weights were trained on.

    Raises:
        LeakageError: photographs of val, test or a fold that a parent was trained on.
    """
    seen = [row for row in _scored(plan) if bank.hashes[row] in plan.start.seen]
    names = plan.labels.rows["image_id"].iloc[seen].tolist()
    if seen and not plan.config.allow_seen:
        raise LeakageError(
            f"the weights were trained on {len(seen)} photographs that this training would be scored on:"
            f" {first_few(names)}: start from other weights, or accept it with --allow-seen (they are marked and not"
            " scored)"
        )
    num_leaked = int(leaked(plan, bank).sum())
    if num_leaked:
        warn(f"{num_leaked} photographs to be scored are trained on, as identical files: they will not be scored")
    num_flattered = int(flattered(plan, bank).sum())
    if num_flattered:
        warn(
            f"{num_flattered} photographs to be scored picked the epoch of the weights this training starts from: their"
            " figures are flattered by that choice; weights of --choose inner or last have none"
        )
