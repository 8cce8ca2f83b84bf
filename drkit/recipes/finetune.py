"""`finetune`: transfer learning, from a data set to a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drkit.agreement import Agreement, measure_agreement, with_interval
from drkit.data.bank import bank_bytes, build_bank
from drkit.data.augmentation import load_policy
from drkit.data.cache import default_cache_dir
from drkit.data.preview import preview_policy, write_preview
from drkit.errors import Interrupted
from drkit.grades import NUM_GRADES, SPLITS, Target
from drkit.models.freezing import check_cut, run_frozen_part
from drkit.models.grader import build_grader
from drkit.records.atomic import check_writable
from drkit.records.layouts import read_dataset
from drkit.records.predictions import Predictions
from drkit.records.runs import Run, new_run
from drkit.reporting import Table
from drkit.training.config import TrainingConfig
from drkit.training.outcome import write_outcome
from drkit.training.plan import TrainingPlan, plan_training
from drkit.training.resume import load_state
from drkit.training.runtime import leave_helpers, pick_device
from drkit.training.workbench import Fitted, prepare, train


PREVIEWED = 6  # photographs


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
        start: What the backbone starts from.
        augmentation: Name of the policy.
        photographs: A row a split: photographs, patients, and how many of each grade.
        held_out: How the val split came about, where the data set has none of its own; else empty.
        bank_mebibytes: Memory of the decoded photographs.
        cache_mebibytes: Memory of a frozen backbone's activations; 0 where none is frozen.
        outputs: Files that will be written.
    """

    options: Mapping[str, Any]
    start: str
    augmentation: str
    photographs: Mapping[str, Mapping[str, int]]
    held_out: str
    bank_mebibytes: float
    cache_mebibytes: float
    outputs: tuple[Path, ...]

    @property
    def folded(self) -> str:
        """How often, where the patients are parted into folds."""
        return f" for each of {self.options['folds']} folds" if self.options["folds"] else ""

    def story(self) -> Iterator[str | Table]:
        """The plan, for people."""
        told = self.options
        yield (
            f"{told['backbone']} from {self.start} weights, {told['size']} px, frozen: {told['freeze']}; sees a unit of"
            f" kind {told['unit']} at a time and learns the {told['target']}'s grade with {told['loss']}, augmentation"
            f" {self.augmentation}"
        )
        yield (
            f"{told['epochs']} epochs{self.folded} in batches of {told['batch_size']} units, learning rate up to {told['lr']:g}, the epoch"
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
        epochs: Which was picked, of how many were trained, once a fold.
        agreements: On the graded photographs of val, and on those that were held out of fold.
        outputs: Files that were written.
    """

    run: Path
    target: Target
    chosen_on: str
    epochs: tuple[tuple[int, int], ...]
    agreements: Mapping[str, Agreement]
    outputs: tuple[Path, ...]

    def story(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        picked = ", ".join(f"{epoch} of {trained}" for epoch, trained in self.epochs)
        yield f"{self.run}: epoch {picked}, chosen on {self.chosen_on}"
        for which, found in self.agreements.items():
            chosen = ", which chose the epoch" if which == self.chosen_on else ""
            yield (
                f"{which}{chosen}, {self.target}'s grade, {found.cases} photographs of {found.patients} patients:"
                " quadratic kappa"
                f" {with_interval(found.quadratic_weighted_kappa, found.quadratic_weighted_kappa_interval)},"
                f" plain kappa {with_interval(found.plain_kappa, found.plain_kappa_interval)} ({found.band}),"
                f" accuracy {found.accuracy:.3f}"
            )
        yield "wrote " + ", ".join(map(str, self.outputs))


@dataclass(frozen=True)
class PreviewReport:
    """A sheet of augmented photographs.

    Args:
        sheet: The picture.
        augmentation: The policy.
        photographs: How many of the training split it shows.
    """

    sheet: Path
    augmentation: str
    photographs: int

    def story(self) -> Iterator[str | Table]:
        """What was drawn."""
        yield f"drew {self.photographs} training photographs under augmentation {self.augmentation} in {self.sheet}"


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
        start=config.weights,
        augmentation=config.augment,
        photographs={split: _count(plan, split) for split in SPLITS},
        held_out=_describe_validation(plan),
        bank_mebibytes=num_bytes / 2**20,
        cache_mebibytes=_cache_bytes(plan) / 2**20,
        outputs=run.outputs(plan.folds),
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
        fitted = train(bench, run, resume=place.resume)
        leave_helpers(bench.fabric)
        predictions = write_outcome(bench, run, fitted, force=place.force or place.resume)
    except KeyboardInterrupt:
        raise _interrupted(run) from None
    return _report(predictions, fitted, run)


def preview_augmentation(config: TrainingConfig, path: Path, *, force: bool) -> PreviewReport:
    """Draw what `--augment` makes of a few training photographs, without training.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    check_writable(path, force=force)
    plan = plan_training(read_dataset(config.data), config)
    shown = plan.parts[0].train[:: max(len(plan.parts[0].train) // PREVIEWED, 1)][:PREVIEWED]
    labels = replace(plan.labels, rows=plan.labels.rows.iloc[shown].reset_index(drop=True))
    bank = build_bank(labels, plan.bank_side, config.cache_dir or default_cache_dir(), steps=plan.pending_steps)
    names = labels.rows["image_id"].tolist()
    policy = load_policy(config.augment)
    sheet = preview_policy(bank.pixels, policy, plan.wanted, config.seed, title=config.augment, image_ids=names)
    write_preview(path, sheet, force=force)
    return PreviewReport(path, config.augment, len(names))


def _plan(config: TrainingConfig, place: RunPlace) -> tuple[TrainingPlan, Run]:
    pick_device(config.device)
    plan = plan_training(read_dataset(config.data), config)
    run = new_run(
        place.runs_dir, place.name, plan.default_name, folds=plan.folds, resume=place.resume, force=place.force
    )
    if place.resume:
        load_state(run.unfinished()[0], plan.identity())  # refuse another training's state before any work
    return plan, run


def _cache_bytes(plan: TrainingPlan) -> int:
    """Memory of a frozen part's features; building the network shows, too, whether it takes images of this side."""
    stages, side = plan.config.frozen_stages, plan.wanted.side
    grader = build_grader(plan.architecture).eval()
    check_cut(grader, stages, side)
    if stages == 0:
        return 0
    with torch.inference_mode():
        features = run_frozen_part(grader, torch.zeros(1, 3, side, side), stages)
    return 2 * features.numel() * len(plan.labels) * (1 + plan.config.copies)


def _describe_validation(plan: TrainingPlan) -> str:
    if plan.own_validation:
        return ""
    share, seed = plan.config.val_share, plan.config.seed
    return f"no graded val split: {share:.0%} of the training patients were held out, stratified, seed {seed}"


def _count(plan: TrainingPlan, split: str) -> dict[str, int]:
    part = plan.labels.of_split(split)  # type: ignore[arg-type]
    grades = {f"grade_{grade}": count for grade, count in enumerate(part.grade_counts(plan.target))}
    return {"photographs": len(part), "patients": part.num_patients, **grades}


def _report(predictions: Predictions, fitted: Sequence[Fitted], run: Run) -> FinetuneReport:
    meta = predictions.meta
    clean = predictions.where(predictions.reference().notna() & ~predictions.leaked_rows())
    in_fold = clean.rows["fold"].notna()
    parts = {"val": clean.where(~in_fold).of_split("val"), "out of fold": clean.where(in_fold)}
    return FinetuneReport(
        run=run.stem,
        target=meta.target,
        chosen_on=meta.chosen_on,
        epochs=tuple((part.state.best_epoch, part.state.epoch) for part in fitted),
        agreements={name: _measure(part) for name, part in parts.items() if len(part)},
        outputs=run.outputs(meta.folds),
    )


def _measure(graded: Predictions) -> Agreement:
    reference = graded.reference().to_numpy(dtype=np.int64)
    return measure_agreement(reference, graded.rows["predicted_grade"], graded.patients())


def _interrupted(run: Run) -> Interrupted:
    states = run.unfinished()
    if states:
        return Interrupted(f"interrupted: the finished epochs are in {states[-1]}", ("--name", run.name, "--resume"))
    return Interrupted("interrupted before the first epoch was finished: nothing was written")
