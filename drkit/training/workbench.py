"""Everything a training has in its hands, from the photographs to the last epoch."""

from dataclasses import dataclass

import numpy as np
import torch

from drkit.catalogue import POLICIES
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir
from drkit.models.grader import Grader, build_grader
from drkit.records.provenance import sha256_bytes
from drkit.records.runs import Run
from drkit.talk import say, warn
from drkit.training.epochs import Pace, Task
from drkit.training.fitting import fit
from drkit.training.optimisation import build_optimizer
from drkit.training.plan import TrainingPlan
from drkit.training.resume import FitState, load_state, save_state
from drkit.training.runtime import keep_freed_memory, pick_device, seed_epoch
from drkit.training.sources import PhotographSource, Source, freeze_backbone


@dataclass(frozen=True)
class Workbench:
    """Everything a training has in its hands.

    Args:
        plan: What to do.
        grader: The network.
        bank: The photographs, in the order of the plan's labels.
        task: What is learned: the whole grader or its head.
    """

    plan: TrainingPlan
    grader: Grader
    bank: PhotographBank
    task: Task


def prepare(plan: TrainingPlan) -> Workbench:
    """Build the network, read the photographs, and freeze what is to be frozen.

    Raises:
        InputError: photographs that cannot be read, or weights that cannot be had.
    """
    keep_freed_memory()
    config, device = plan.config, pick_device(plan.config.device)
    loss = plan.build_loss()
    seed_epoch(config.seed, 0)
    grader = build_grader(
        plan.backbone,
        plan.wanted.side,
        num_outputs=loss.num_outputs,
        dropout=config.dropout,
        pretrained=config.weights == "imagenet",
    ).to(device)
    loss.start(grader.head.linear, torch.from_numpy(plan.grades[plan.parts.train]))
    bank = build_bank(plan.labels, plan.bank_side, config.cache_dir or default_cache_dir(), workers=config.workers)
    _warn_of_identical(fitted_on(plan, bank))
    policy, names = POLICIES[config.augment].load(), plan.labels.rows["image_id"].tolist()
    photographs = PhotographSource(grader, bank, names, plan.wanted, policy, config.seed, device)
    frozen = config.freeze == "backbone"
    source: Source = freeze_backbone(photographs, plan.parts.train, config.copies) if frozen else photographs
    return Workbench(plan, grader, bank, Task(source, plan.grades, loss, device))


def fitted_on(plan: TrainingPlan, bank: PhotographBank) -> np.ndarray:
    """(N,) bool: photographs of val and test whose very file is trained on, or picks the epoch."""
    fitted = {bank.hashes[row] for row in (*plan.parts.train, *plan.parts.inner)}
    return np.array([key in fitted for key in bank.hashes]) & (plan.labels.rows["split"] != "train").to_numpy()


def _warn_of_identical(seen: np.ndarray) -> None:
    if seen.any():
        warn(f"{seen.sum()} photographs of val or test are trained on, as identical files: they will not be scored")


def train(bench: Workbench, run: Run, *, resume: bool) -> FitState:
    """Train, keeping the state on disk after every epoch.

    Args:
        bench: From `prepare`.
        run: Where the state is kept.
        resume: Go on from there.

    Returns:
        The state after the last epoch; the grader holds the chosen epoch's tensors.
    """
    plan, config, module = bench.plan, bench.plan.config, bench.task.source.module
    optimizer = build_optimizer(module, config.lr, config.weight_decay)
    identity = {**plan.identity(), "photographs_sha256": sha256_bytes("".join(bench.bank.hashes).encode())}
    state = FitState(module.state_dict(), optimizer.state_dict())
    if resume:
        state = load_state(run.resume, identity)
        module.load_state_dict(state.module)
        optimizer.load_state_dict(state.optimizer)
        say(f"going on after epoch {state.epoch} of {config.epochs}")
    return fit(
        bench.task,
        plan.parts,
        Pace(config.epochs, config.batch_size, config.lr, config.seed),
        optimizer,
        state,
        choose=config.choose,
        patience=config.patience,
        keep=lambda state: save_state(run.resume, state, identity),
    )
