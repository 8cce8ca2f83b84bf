"""The report of a training's plan, for `--dry-run`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drkit.data.augmentation import load_policy
from drkit.data.bank import bank_bytes, fits_in_memory
from drkit.data.cache import default_cache_dir, free_bytes
from drkit.data.disc_shapes import DiscShapes, measure_discs
from drkit.data.stream import time_decoding
from drkit.grades import SPLITS, Target
from drkit.machine import allowed_cpus
from drkit.models.backbones import ask_for_weights, weights_at_hand
from drkit.models.freezing import check_cut, run_frozen_part
from drkit.models.grader import Grader
from drkit.records.labels import Labels
from drkit.records.runs import Run
from drkit.reporting import Table
from drkit.training.batches import check_batches
from drkit.training.epochs import build_sampler
from drkit.training.inputs import count_copies, feature_bytes
from drkit.training.plan import TrainingPlan
from drkit.training.seeding import seed_epoch
from drkit.training.setup import build_initial_grader


@dataclass(frozen=True, kw_only=True)
class BankPlan:
    """The decoded photographs that a training keeps.

    Args:
        photographs: Number of photographs that are trained or evaluated on; they are decoded once and kept.
        streamed: Number of the others, which are decoded once to check them and once more to grade them.
        mebibytes: Size of the kept photographs in MiB, with 8 bits per channel.
        kept_in: Folder of the memory-mapped file that stores them; None if they are kept in memory.
        free_mebibytes: Free space in that folder in MiB; None if they are kept in memory.
        decoding_minutes: Expected time to decode all photographs before the training; None if it was not measured.
    """

    photographs: int
    streamed: int
    mebibytes: float
    kept_in: Path | None
    free_mebibytes: float | None
    decoding_minutes: float | None

    def __str__(self) -> str:
        """What is kept, where, and what it costs."""
        where = f"a memory-mapped file in {self.kept_in}" if self.kept_in else "memory"
        parts = [f"keeps {self.photographs} photographs decoded in {where}, {self.mebibytes:.0f} MiB"]
        if self.free_mebibytes is not None and self.free_mebibytes < self.mebibytes:
            parts.append(f"only {self.free_mebibytes:.0f} MiB are free there: choose another --cache-dir")
        if self.streamed:
            parts.append(f"the {self.streamed} that are only graded are decoded a second time after the training")
        if self.decoding_minutes is not None:
            parts.append(f"decoding all once takes about {self.decoding_minutes:.1f} minutes")
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """The plan of a training.

    Args:
        options: All resolved options, as the run will record them.
        start: Weights that the backbone starts from.
        augmentation: Name of the augmentation policy.
        photographs: Number of photographs, of patients and of photographs of each grade, by split; if the training
            photographs are resampled, also for the first epoch.
        datasets: Layout, number of photographs and patients, photographs of each split and of each grade, by data set;
            empty for a single data set.
        held_out: A sentence for each split to which training patients were moved.
        discs: Shape of the photographs' discs, by data set; data sets without discs are left out.
        bank: The decoded photographs that the training keeps.
        cache_mebibytes: Memory of the features of frozen stages in MiB; 0 if no stages are frozen.
        features_in: Folder of the file that stores these features; None if they fit in memory.
        copies: Number of augmented copies of each photograph among these features.
        outputs: Files that will be written.
    """

    options: Mapping[str, Any]
    start: str
    augmentation: str
    photographs: Mapping[str, Mapping[str, int | str]]
    datasets: Mapping[str, Mapping[str, int | str]]
    held_out: tuple[str, ...]
    discs: Mapping[str, DiscShapes]
    bank: BankPlan
    cache_mebibytes: float
    features_in: Path | None
    copies: int
    outputs: tuple[Path, ...]

    @property
    def repeated(self) -> str:
        """A clause on the number of folds and seeds; empty without either."""
        folds, seeds = self.options["folds"] or 1, self.options["seeds"]
        parts = [f"{count} {name}" for count, name in ((folds, "folds"), (seeds, "seeds")) if count > 1]
        return f" for each of {' and '.join(parts)}, {folds * seeds} networks," if parts else ""

    def render(self) -> Iterator[str | Table]:
        """Return the lines and tables that the command prints."""
        options = self.options
        network = f"{options['backbone']} and its head" if options["keep_head"] else options["backbone"]
        has_no_effect = self.cache_mebibytes and not self.copies and self.augmentation != "none"
        policy = f"none ({self.augmentation} has no effect with --copies 0)" if has_no_effect else self.augmentation
        epoch = "the last epoch is kept" if options["choose"] == "last" else f"epoch selected on {options['choose']}"
        yield (
            f"{network} from {self.start} weights, {options['size']} px, frozen: {options['freeze']}, unit:"
            f" {options['unit']}; learns the {options['target']}'s grade with {options['loss']}, augmentation {policy}"
        )
        yield (
            f"{options['epochs']} epochs{self.repeated} in batches of {options['batch_size']} units, learning rate up"
            f" to {options['lr']:g}, batch norms: {options['norms']}, {epoch};"
            f" photographs decoded at {options['bank_size']} px"
        )
        yield str(self.bank)
        if self.cache_mebibytes:
            copies = f" and of {self.copies} augmented copies (--augment acts only on these)" if self.copies else ""
            where = f", in a file in {self.features_in}" if self.features_in else ""
            yield f"features of each photograph{copies}: {self.cache_mebibytes:.0f} MiB{where}"
        yield _tabulate("photographs", "split", self.photographs)
        if self.datasets:
            yield _tabulate("data sets", "data set", self.datasets)
        yield from self.held_out
        for name, shapes in self.discs.items():
            yield f"discs of {name} are {shapes}: {'made round' if options['round_discs'] else 'left as they are'}"
        yield "writes " + ", ".join(map(str, self.outputs))


def describe_plan(plan: TrainingPlan, run: Run) -> PlanReport:
    """Describe a training before it begins; some photographs are read to measure their discs.

    Raises:
        UsageError: the network cannot be built for this image size, or cannot be frozen at this stage.
        InputError: the weights do not fit, or cannot be downloaded.
    """
    labels, config = plan.labels, plan.config
    datasets = labels.by_dataset()
    num_feature_bytes = _count_feature_bytes(plan, _check_network(plan))
    is_alone = config.devices * config.nodes == 1  # several processes map one file
    in_memory = not num_feature_bytes or (config.cache_dir is None and is_alone and fits_in_memory(num_feature_bytes))
    discs = {name: measure_discs(part.paths(), plan.pending_steps, config.workers) for name, part in datasets.items()}
    return PlanReport(
        options=plan.identity(),
        start=str(plan.initial_weights),
        augmentation=config.augment,
        photographs={**{split: _count(labels.of_split(split), plan.target) for split in SPLITS}, **_count_epoch(plan)},
        datasets={name: _count_splits(part, plan.target) for name, part in datasets.items() if labels.datasets},
        held_out=tuple(_describe_held_out(plan)),
        discs={name: shapes for name, shapes in discs.items() if shapes},
        bank=_plan_bank(plan),
        cache_mebibytes=num_feature_bytes / 2**20,
        features_in=None if in_memory else config.cache_dir or default_cache_dir(),
        copies=count_copies(config, load_policy(config.augment)) if config.frozen_stages != 0 else 0,
        outputs=run.outputs(plan.networks),
    )


def _plan_bank(plan: TrainingPlan) -> BankPlan:
    num_bytes, folder = bank_bytes(len(plan.banked_rows), plan.bank_side), plan.config.cache_dir or default_cache_dir()
    in_memory = fits_in_memory(num_bytes)
    seconds = time_decoding(plan.labels.paths(), plan.square_decoder)
    threads = plan.config.workers or allowed_cpus()
    return BankPlan(
        photographs=len(plan.banked_rows),
        streamed=len(plan.labels) - len(plan.banked_rows),
        mebibytes=num_bytes / 2**20,
        kept_in=None if in_memory else folder,
        free_mebibytes=None if in_memory else free_bytes(folder) / 2**20,
        decoding_minutes=None if seconds is None else seconds * len(plan.labels) / threads / 60,
    )


def _check_network(plan: TrainingPlan) -> Grader:
    """Build the network without downloading weights, and check that image size, weights and frozen stages fit."""
    backbone = plan.initial_weights.backbone
    if plan.initial_weights.is_pretrained and weights_at_hand(backbone) is None:
        ask_for_weights(backbone)
    grader = build_initial_grader(plan, with_download=False).eval()
    check_cut(grader, plan.config.frozen_stages, plan.input_format.side)
    check_batches(plan, grader)
    return grader


def _count_feature_bytes(plan: TrainingPlan, grader: Grader) -> int:
    """Bytes of the frozen stages' features of all banked photographs and their copies; 0 without frozen stages."""
    stages, side = plan.config.frozen_stages, plan.input_format.side
    if stages == 0:
        return 0
    with torch.inference_mode():
        features = run_frozen_part(grader, torch.zeros(1, 3, side, side), stages)
    shape = (len(plan.banked_rows), *features.shape[1:])
    return feature_bytes(shape, count_copies(plan.config, load_policy(plan.config.augment)))


def _describe_held_out(plan: TrainingPlan) -> Iterator[str]:
    for split, names in plan.held_out.items():
        if names:
            among = f" in {', '.join(names)}" if plan.labels.datasets else ""
            share, seed = plan.config.shares[split], plan.config.seed
            yield (
                f"no graded {split} split{among}: {share:.0%} of the training patients were held out, stratified,"
                f" seed {seed}"
            )


def _tabulate(title: str, first_column: str, counts: Mapping[str, Mapping[str, int | str]]) -> Table:
    columns = next(iter(counts.values()))
    rows = [(name, *map(str, numbers.values())) for name, numbers in counts.items()]
    return Table(title, (first_column, *(column.replace("_", " ") for column in columns)), rows)


def _count(labels: Labels, target: Target) -> dict[str, int | str]:
    grades = {f"grade_{grade}": count for grade, count in enumerate(labels.grade_counts(target))}
    return {"photographs": len(labels), "patients": labels.num_patients, **grades}


def _count_epoch(plan: TrainingPlan) -> dict[str, dict[str, int | str]]:
    """Count the photographs of the first epoch; empty if these are the photographs of train."""
    config = plan.config
    if config.oversample == "none" and config.balance == "none" and config.bootstrap_patients is None:
        return {}
    sampler = build_sampler(plan, plan.fold_splits[0], plan.networks[0])
    units = sampler.draw_epoch(plan.grades, seed_epoch(config.seed, 1))
    rows = plan.labels.rows.iloc[np.concatenate([plan.units.rows_of[unit] for unit in units])]
    labels = replace(plan.labels, rows=rows.reset_index(drop=True))
    return {f"epoch 1 of {sampler.network}" if plan.folds else "epoch 1": _count(labels, plan.target)}


def _count_splits(labels: Labels, target: Target) -> dict[str, int | str]:
    counts = _count(labels, target)
    totals = {"layout": labels.layout, "photographs": counts.pop("photographs"), "patients": counts.pop("patients")}
    return {**totals, **{split: len(labels.of_split(split)) for split in SPLITS}, **counts}
