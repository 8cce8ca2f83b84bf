"""What a training would do, told before it is done."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from drkit.data.bank import bank_bytes
from drkit.grades import NUM_GRADES, SPLITS
from drkit.models.freezing import check_cut, run_frozen_part
from drkit.models.grader import build_grader
from drkit.records.runs import Run
from drkit.reporting import Table
from drkit.training.plan import TrainingPlan


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
            f"{told['epochs']} epochs{self.folded} in batches of {told['batch_size']} units, learning rate up to"
            f" {told['lr']:g}, batch norms: {told['norms']}, the epoch chosen on {told['choose']};"
            f" photographs kept at {told['bank_size']} px, {self.bank_mebibytes:.0f} MiB"
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


def describe_plan(plan: TrainingPlan, run: Run) -> PlanReport:
    """Say what a training would do; photographs and weights are not read.

    Raises:
        UsageError: the network cannot be built for such images, or not be cut where it is to be frozen.
    """
    labels, config = plan.labels, plan.config
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
