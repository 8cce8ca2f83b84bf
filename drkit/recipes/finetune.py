"""`finetune`: transfer learning, from a data set to a run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drkit.agreement import Agreement, measure_agreement, with_interval
from drkit.data.bank import bank_bytes
from drkit.errors import Interrupted
from drkit.grades import NUM_GRADES, SPLITS, Target
from drkit.models.grader import build_grader
from drkit.records.layouts import read_dataset
from drkit.records.predictions import Predictions
from drkit.records.runs import Run, new_run
from drkit.reporting import Table
from drkit.training.config import TrainingConfig
from drkit.training.outcome import write_outcome
from drkit.training.plan import TrainingPlan, plan_training
from drkit.training.resume import FitState, load_state
from drkit.training.runtime import pick_device
from drkit.training.sources import activation_bytes
from drkit.training.workbench import prepare, train


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
        cache_mebibytes: Memory of a frozen backbone's activations; 0 where none is frozen.
        outputs: Files that will be written.
    """

    options: Mapping[str, Any]
    photographs: Mapping[str, Mapping[str, int]]
    held_out: str
    bank_mebibytes: float
    cache_mebibytes: float
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
        if self.cache_mebibytes:
            yield (
                f"activations of the plain photograph and {told['copies']} augmented copies, in which --augment acts:"
                f" {self.cache_mebibytes:.0f} MiB"
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


def plan_finetune(config: TrainingConfig, place: RunPlace) -> PlanReport:
    """Say what `run_finetune` would do, without doing it; photographs and weights are not read.

    Raises:
        DrkitError: a data set, options, a device or a name that would be refused.
    """
    plan, run = _plan(config, place)
    labels = plan.labels
    num_bytes = bank_bytes(len(labels), plan.bank_side)
    return PlanReport(
        options=plan.identity(),
        photographs={split: _count(plan, split) for split in SPLITS},
        held_out=_describe_validation(plan),
        bank_mebibytes=num_bytes / 2**20,
        cache_mebibytes=_cache_bytes(plan) / 2**20,
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
        bench = prepare(plan)
        state = train(bench, run, resume=place.resume)
        predictions = write_outcome(bench, run, state, force=place.force or place.resume)
    except KeyboardInterrupt:
        raise _interrupted(run) from None
    return _report(predictions, state, run)


def _plan(config: TrainingConfig, place: RunPlace) -> tuple[TrainingPlan, Run]:
    pick_device(config.device)
    plan = plan_training(read_dataset(config.data), config)
    run = new_run(place.runs_dir, place.name, plan.default_name, resume=place.resume, force=place.force)
    if place.resume:
        load_state(run.resume, plan.identity())  # refuse another training's state before any work
    return plan, run


def _cache_bytes(plan: TrainingPlan) -> int:
    """Memory of cached activations; building the network shows, too, whether it takes images of this side."""
    grader = build_grader(plan.backbone, plan.wanted.side, num_outputs=1, dropout=0.0, pretrained=False)
    frozen = plan.config.freeze == "backbone"
    return activation_bytes(len(plan.labels), plan.config.copies, grader.num_features) if frozen else 0


def _describe_validation(plan: TrainingPlan) -> str:
    if plan.own_validation:
        return ""
    share, seed = plan.config.val_share, plan.config.seed
    return f"no graded val split: {share:.0%} of the training patients were held out, stratified, seed {seed}"


def _count(plan: TrainingPlan, split: str) -> dict[str, int]:
    part = plan.labels.of_split(split)  # type: ignore[arg-type]
    grades = {f"grade_{grade}": count for grade, count in enumerate(part.grade_counts(plan.target))}
    return {"photographs": len(part), "patients": part.num_patients, **grades}


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
