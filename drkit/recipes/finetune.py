"""`finetune`: transfer learning, from a data set to a run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drkit.agreement import Agreement, measure_agreement, with_interval
from drkit.catalogue import POLICIES
from drkit.data.bank import PhotographBank, bank_bytes, build_bank
from drkit.data.cache import default_cache_dir
from drkit.errors import Interrupted
from drkit.grades import NUM_GRADES, SPLITS, Target
from drkit.inference import read_answers
from drkit.losses import residual
from drkit.models.grader import Grader, build_grader
from drkit.records.checkpoint import CheckpointHeader, write_checkpoint
from drkit.records.history import write_history
from drkit.records.layouts import read_dataset
from drkit.records.predictions import Predictions, PredictionsMeta, build_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, new_run, write_run_record
from drkit.reporting import Table
from drkit.talk import say, warn
from drkit.training.config import TrainingConfig
from drkit.training.epochs import Pace, Task, predict_rows
from drkit.training.fitting import fit
from drkit.training.optimisation import build_optimizer
from drkit.training.plan import UNIT, TrainingPlan, plan_training
from drkit.training.resume import FitState, load_state, save_state
from drkit.training.runtime import keep_freed_memory, pick_device, seed_epoch
from drkit.training.sources import PhotographSource, Source, freeze_backbone


@dataclass(frozen=True)
class RunPlace:
    """Where a run goes.

    Args:
        runs_dir: Folder of runs.
        name: Of the run; None: made of what is trained.
        resume: Go on with the unfinished run of that name.
        force: Overwrite what is there.
    """

    runs_dir: Path = Path("runs")
    name: str | None = None
    resume: bool = False
    force: bool = False


@dataclass(frozen=True)
class PlanReport:
    """What a training would do.

    Args:
        options: Everything resolved, as it will stand in the run.
        photographs: A row a split: photographs, patients, and how many of each grade.
        held_out: How the val split came about, where the data set has none of its own; else empty.
        bank_mebibytes: Memory of the decoded photographs.
        outputs: Files that will be written.
    """

    options: Mapping[str, Any]
    photographs: Mapping[str, Mapping[str, int]]
    held_out: str
    bank_mebibytes: float
    outputs: tuple[Path, ...]

    def story(self) -> Iterator[str | Table]:
        """The plan, for people."""
        told = self.options
        yield (
            f"{told['backbone']} from {told['weights']} weights, {told['size']} px, frozen: {told['freeze']}; learns"
            f" the {told['target']}'s grade with {told['loss']}, augmentation {told['augment']}"
        )
        yield (
            f"{told['epochs']} epochs in batches of {told['batch_size']}, learning rate up to {told['lr']:g}, the epoch"
            f" chosen on {told['choose']}; photographs kept at {told['bank_size']} px, {self.bank_mebibytes:.0f} MiB"
        )
        columns = ("split", "photographs", "patients", *(f"grade {grade}" for grade in range(NUM_GRADES)))
        rows = [(split, *map(str, counts.values())) for split, counts in self.photographs.items()]
        yield Table("photographs", columns, rows)
        if self.held_out:
            yield self.held_out
        yield "writes " + ", ".join(map(str, self.outputs))


@dataclass(frozen=True)
class FinetuneReport:
    """What a training came to.

    Args:
        run: Its stem.
        target: Whose grade was learned.
        chosen_on: What picked the epoch.
        epoch: Which was picked, of how many were trained.
        epochs_trained: How many that is.
        agreement: On the graded photographs of the val split.
        outputs: Files that were written.
    """

    run: Path
    target: Target
    chosen_on: str
    epoch: int
    epochs_trained: int
    agreement: Agreement
    outputs: tuple[Path, ...]

    def story(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        found = self.agreement
        yield f"{self.run}: epoch {self.epoch} of {self.epochs_trained}, chosen on {self.chosen_on}"
        yield (
            f"val, {self.target}'s grade, {found.cases} photographs of {found.patients} patients: quadratic kappa"
            f" {with_interval(found.quadratic_weighted_kappa, found.quadratic_weighted_kappa_interval)}, plain kappa"
            f" {with_interval(found.plain_kappa, found.plain_kappa_interval)} ({found.band}),"
            f" accuracy {found.accuracy:.3f}"
        )
        yield "wrote " + ", ".join(map(str, self.outputs))


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


def plan_finetune(config: TrainingConfig, place: RunPlace) -> PlanReport:
    """Say what `run_finetune` would do, without doing it.

    Raises:
        DrkitError: whatever would be refused.
    """
    plan, run = _plan(config, place)
    labels = plan.labels
    num_bytes = bank_bytes(len(labels), plan.bank_side)
    return PlanReport(
        options=plan.identity(),
        photographs={split: _count(plan, split) for split in SPLITS},
        held_out=_describe_validation(plan),
        bank_mebibytes=num_bytes / 2**20,
        outputs=run.outputs,
    )


def run_finetune(config: TrainingConfig, place: RunPlace) -> FinetuneReport:
    """Fine-tune a backbone on a data set and write the run.

    Args:
        config: What is trained, on what, and how.
        place: Where the run goes.

    Raises:
        InputError: the data set, a photograph or the weights cannot be used.
        UsageError: options that do not exist or do not fit together.
        OutputExistsError: the run is there already.
        Interrupted: stopped by the user; finished epochs are kept.
    """
    plan, run = _plan(config, place)
    try:
        bench = _prepare(plan)
        state = _fit(bench, run, resume=place.resume)
    except KeyboardInterrupt:
        raise _interrupted(run) from None
    predictions = _write(bench, run, state, force=place.force)
    return _report(predictions, state, run)


def _plan(config: TrainingConfig, place: RunPlace) -> tuple[TrainingPlan, Run]:
    plan = plan_training(read_dataset(config.data), config)
    run = new_run(place.runs_dir, place.name, plan.default_name, resume=place.resume, force=place.force)
    return plan, run


def _describe_validation(plan: TrainingPlan) -> str:
    if plan.own_validation:
        return ""
    share, seed = plan.config.val_share, plan.config.seed
    return f"no graded val split: {share:.0%} of the training patients were held out, stratified, seed {seed}"


def _count(plan: TrainingPlan, split: str) -> dict[str, int]:
    part = plan.labels.of_split(split)  # type: ignore[arg-type]
    grades = {f"grade_{grade}": count for grade, count in enumerate(part.grade_counts(plan.target))}
    return {"photographs": len(part), "patients": part.num_patients, **grades}


def _prepare(plan: TrainingPlan) -> Workbench:
    """Build the network, read the photographs, and freeze what is to be frozen."""
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
    _warn_of_identical(plan, bank)
    policy, names = POLICIES[config.augment].load(), plan.labels.rows["image_id"].tolist()
    photographs = PhotographSource(grader, bank, names, plan.wanted, policy, config.seed, device)
    frozen = config.freeze == "backbone"
    source: Source = freeze_backbone(photographs, plan.parts.train, config.copies) if frozen else photographs
    return Workbench(plan, grader, bank, Task(source, plan.grades, loss, device))


def _warn_of_identical(plan: TrainingPlan, bank: PhotographBank) -> None:
    """Tell of val and test photographs whose very file is trained on."""
    trained = {bank.hashes[row] for row in plan.parts.train}
    names, splits = plan.labels.rows["image_id"], plan.labels.rows["split"]
    seen = [names[row] for row, key in enumerate(bank.hashes) if splits[row] != "train" and key in trained]
    if seen:
        warn(f"{len(seen)} photographs outside the training split are trained on, as identical files: {seen[:5]}")


def _fit(bench: Workbench, run: Run, *, resume: bool) -> FitState:
    """Train, keeping the state after every epoch."""
    plan, config, module = bench.plan, bench.plan.config, bench.task.source.module
    optimizer = build_optimizer(module, config.lr, config.weight_decay)
    state = FitState(module.state_dict(), optimizer.state_dict())
    if resume:
        state = load_state(run.resume, plan.identity())
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
        keep=lambda state: save_state(run.resume, state, plan.identity()),
    )


def _write(bench: Workbench, run: Run, state: FitState, *, force: bool) -> Predictions:
    """Write checkpoint, history, predictions, and last the record."""
    plan, task = bench.plan, bench.task
    held_out = plan.parts.inner if len(plan.parts.inner) else plan.parts.val
    sigma = residual(task.loss, predict_rows(task.source, held_out), plan.grades[held_out])
    write_checkpoint(run.checkpoint, bench.grader.state_dict(), _header(bench, state, sigma), force=force)
    write_history(state.history, run.history, force=force)
    predictions = _predict(bench, run, sigma)
    write_predictions(predictions, run.predictions, force=force)
    write_run_record(run, _record(bench, state), force=force)
    return predictions


def _header(bench: Workbench, state: FitState, sigma: float) -> CheckpointHeader:
    plan, config, loss = bench.plan, bench.plan.config, bench.task.loss
    return CheckpointHeader(
        backbone=plan.backbone,
        num_outputs=loss.num_outputs,
        dropout=config.dropout,
        side=plan.wanted.side,
        bank_side=plan.bank_side,
        steps=plan.steps,
        mean=plan.wanted.mean,
        std=plan.wanted.std,
        loss=config.loss,
        sigma=sigma,
        decision=loss.decision,
        target=plan.target,
        unit=UNIT,
        chosen_on=config.choose,
        epoch=state.best_epoch,
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )


def _predict(bench: Workbench, run: Run, sigma: float) -> Predictions:
    """Grade every photograph of val and test."""
    plan, task = bench.plan, bench.task
    rows = np.flatnonzero((plan.labels.rows["split"] != "train").to_numpy())
    answers = read_answers(task.loss, predict_rows(task.source, rows), sigma)
    meta = PredictionsMeta(
        target=plan.target,
        unit=UNIT,
        decision=task.loss.decision,
        cut_points=None,
        trained_on=("train",),
        folds=0,
        chosen_on=plan.config.choose,
        model=plan.backbone,
        checkpoint_sha256=sha256_file(run.checkpoint),
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )
    return build_predictions(
        replace(plan.labels, rows=plan.labels.rows.iloc[rows].reset_index(drop=True)),
        probabilities=answers.probabilities,
        score=answers.score,
        meta=meta,
        name=run.name,
    )


def _record(bench: Workbench, state: FitState) -> dict[str, Any]:
    """What the run's JSON says beside its files: the photographs that picked the epoch count as trained on."""
    plan = bench.plan
    fitted = np.concatenate([plan.parts.train, plan.parts.inner])
    return {
        "options": plan.identity(),
        "target": plan.target,
        "unit": UNIT,
        "chosen_on": plan.config.choose,
        "epoch": state.best_epoch,
        "data": str(plan.config.data),
        "trained_on_photographs": sorted({bench.bank.hashes[row] for row in fitted}),
    }


def _report(predictions: Predictions, state: FitState, run: Run) -> FinetuneReport:
    validation = predictions.of_split("val")
    graded = validation.where(validation.reference().notna())
    meta = predictions.meta
    return FinetuneReport(
        run=run.stem,
        target=meta.target,
        chosen_on=meta.chosen_on,
        epoch=state.best_epoch,
        epochs_trained=state.epoch,
        agreement=measure_agreement(
            graded.reference().to_numpy(dtype=np.int64), graded.rows["predicted_grade"], graded.patients()
        ),
        outputs=run.outputs,
    )


def _interrupted(run: Run) -> Interrupted:
    if run.resume.exists():
        return Interrupted(f"interrupted: the finished epochs are in {run.resume}", ("--name", run.name, "--resume"))
    return Interrupted("interrupted before the first epoch was finished: nothing was written")
