"""A training with every option resolved and checked before any work."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

import drkit
from drkit.catalogue import ATTENTIONS, FILTERS, LOSSES
from drkit.config.training import CIRCUMSTANTIAL, TrainingConfig
from drkit.data.augmentation import load_policy, policy_record
from drkit.data.bank import bank_side
from drkit.data.cache import default_cache_dir
from drkit.data.copies import keep_copies_together, keep_near_copies_together
from drkit.data.folds import assign_folds
from drkit.data.patients import hold_out_patients, hold_out_splits, name_unknown_patients
from drkit.data.rendering import InputFormat
from drkit.data.units import Units, build_units, unit_grades
from drkit.errors import InputError, LeakageError, UsageError, first_few
from drkit.grades import TARGETS, Split, Target, grade_column
from drkit.losses import Loss, build_loss
from drkit.models.backbones import input_format as backbone_format
from drkit.progress import warn
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels
from drkit.records.layouts import LAYOUTS
from drkit.records.preprocessed import read_plugins, read_shared_steps, steps_to_apply
from drkit.records.runs import NetworkId, list_networks
from drkit.specs import names_in
from drkit.training.initial_weights import InitialWeights, find_initial_weights
from drkit.training.kept_head import check_head
from drkit.training.staging import check_stages

INNER_SHARE = 0.15  # of the training patients, to select the epoch with --choose inner


@dataclass(frozen=True)
class FoldSplit:
    """Row numbers of the training, inner, val and held-out photographs of a fold.

    Args:
        fold: Number of the fold, from 0; None without folds.
        train: Trained on.
        inner: Of training patients held out to select the epoch; empty without `--choose inner`.
        val: Of the data set's val split; empty with `--folds-over train+val`.
        held_out: Of the patients that the fold holds out; empty without folds.
    """

    fold: int | None
    train: np.ndarray
    inner: np.ndarray
    val: np.ndarray
    held_out: np.ndarray

    def monitored(self) -> dict[str, np.ndarray]:
        """The row numbers of the splits that are evaluated after every epoch, by name."""
        splits = {"inner": self.inner, "val": self.val, "held-out": self.held_out}
        return {name: rows for name, rows in splits.items() if len(rows)}


@dataclass(frozen=True)
class TrainingPlan:
    """A training with everything resolved.

    Args:
        config: The options.
        initial_weights: Weights that the backbone starts from.
        labels: The N photographs: graded ones of train, all of val and test.
        target: Whose grade is learned.
        units: Photographs that one forward pass sees together.
        input_format: Side and normalisation of the images that the backbone is fed.
        bank_side: Side of the decoded photographs in pixels.
        round_discs: Whether squashed photographs, whose discs are ellipses, are made round.
        steps: Preprocessing steps of the network's input.
        pending_steps: Those of them that the data set has not been through yet.
        fold_splits: Row numbers of training, inner, val and held-out photographs, one entry a fold; one entry without
            folds.
        held_out: For val (with `--test-share` also test) the names of the data sets that have no such graded split, so
            that a share of their training patients was moved there.
    """

    config: TrainingConfig
    initial_weights: InitialWeights
    labels: Labels
    target: Target
    units: Units
    input_format: InputFormat
    bank_side: int
    round_discs: bool
    steps: tuple[str, ...]
    pending_steps: tuple[str, ...]
    fold_splits: tuple[FoldSplit, ...]
    held_out: Mapping[Split, tuple[str, ...]]

    @property
    def folds(self) -> int:
        """Number of folds, 0 without."""
        return self.config.folds or 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, in the order of training; empty with a single seed."""
        first, count = self.config.seed, self.config.seeds
        return tuple(range(first, first + count)) if count > 1 else ()

    @property
    def networks(self) -> tuple[NetworkId, ...]:
        """The fold and seed of each network, in the order of training."""
        return list_networks(self.folds, self.seeds)

    def of_seed(self, seed: int) -> "TrainingPlan":
        """The same for the networks of one seed; the fold splits do not depend on it."""
        return replace(self, config=replace(self.config, seed=seed))

    @property
    def default_name(self) -> str:
        """Name of the run without `--name`."""
        typed = (self.config.backbone or self.initial_weights.backbone).rstrip("/")
        backbone = re.sub(r"[^A-Za-z0-9_]+", "-", typed.rpartition("/")[2]).strip("-")
        return f"{backbone}-{self.config.unit}-{self.target}"

    @cached_property
    def grades(self) -> np.ndarray:
        """int64 (U,) grades of the units, -1 where unknown."""
        return unit_grades(self.labels, self.units, self.target)

    @cached_property
    def eye_grades(self) -> np.ndarray:
        """int64 (number of eyes,) grades of the other target, -1 where unknown."""
        other: Target = "eye" if self.target == "patient" else "patient"
        grades = self.labels.grades(other).fillna(-1).to_numpy(dtype=np.int64)
        return grades[self.units.first_rows_of_eyes]

    @property
    def fitted_rows(self) -> np.ndarray:
        """Row numbers of the photographs that weights are fitted on, in whichever fold, or that select an epoch."""
        return np.unique(np.concatenate([rows for split in self.fold_splits for rows in (split.train, split.inner)]))

    @property
    def unfitted_rows(self) -> np.ndarray:
        """Row numbers of val and test photographs whose patients are in no fold."""
        folded = np.concatenate([split.held_out for split in self.fold_splits])
        return np.setdiff1d(np.flatnonzero(self.labels.rows["split"] != "train"), folded)

    @property
    def scored_rows(self) -> np.ndarray:
        """Row numbers of the photographs that the run is scored on: with folds all of them."""
        return np.arange(len(self.labels)) if self.folds else self.unfitted_rows

    @property
    def architecture(self) -> Architecture:
        """Architecture of the network."""
        config = self.config
        return Architecture(
            backbone=self.initial_weights.backbone,
            side=self.input_format.side,
            unit=config.unit,
            num_slots=self.units.num_slots,
            fusion=config.fusion,
            unshared=config.unshared,
            attention=config.attention,
            loss=config.loss,
            auxiliary=config.auxiliary,
            dropout=config.dropout,
        )

    @property
    def decision(self) -> str:
        """How a grade is decided, as `drkit.decisions.decide` takes it."""
        name = self.config.decides.name
        return self.build_loss().decision if name == "own" else name.replace("-", "_")

    def build_loss(self) -> Loss:
        """The loss of `--loss`."""
        return build_loss(self.config.loss)

    def identity(self) -> dict[str, Any]:
        """What determines the weights: equal identities give equal weights on the same machine."""
        options = {key: value for key, value in asdict(self.config).items() if key not in CIRCUMSTANTIAL}
        resolved = {"target": self.target, "backbone": self.initial_weights.backbone, "size": self.input_format.side}
        return {
            **options,
            **resolved,
            "choose": self.config.chooses,
            "norms": "kept" if self.config.keeps_statistics else "batch",
            "weights": self.initial_weights.sha256 or self.config.weights,
            "augment": policy_record(load_policy(self.config.augment)),
            "bank_size": self.bank_side,
            "round_discs": self.round_discs,
            "steps": list(self.steps),
            "labels_sha256": self.labels.sha256,
            "drkit_version": drkit.__version__,
            **({"plugins": plugins} if (plugins := self._plugins()) else {}),
        }

    def _plugins(self) -> dict[str, str]:
        """Packages that the training or its data come from, with their versions."""
        parts = (self.labels.datasets or {"": self.labels}).values()
        parent = self.initial_weights.parent
        inherited = parent.plugins if parent else {}
        return {
            **{name: package for name, package in inherited.items() if name.startswith(FILTERS.kind)},
            **read_plugins(self.labels.roots),
            **LAYOUTS.packages(labels.layout for labels in parts),
            **FILTERS.packages(step.partition(":")[0] for step in self.pending_steps),
            **LOSSES.packages(names_in(self.config.loss)),
            **ATTENTIONS.packages(names_in(self.config.attention)),
        }


def plan_training(labels: Labels, config: TrainingConfig) -> TrainingPlan:
    """Resolve the options that are left to defaults, and check them against the data set.

    Args:
        labels: All photographs of the data sets.
        config: The options.

    Raises:
        UsageError: an unknown backbone, loss or augmentation, contradictory options, or a head that does not fit
            `--keep-head`.
        InputError: no grades of the target, too few photographs with one, or weights that cannot be read.
        LeakageError: a patient in training and in evaluation.
    """
    build_loss(config.loss)
    load_policy(config.augment)
    if config.balance == "dataset" and not labels.datasets:
        raise UsageError("--balance dataset evens out several data sets: name another with --data, too")
    target = pick_target(labels, config.target)
    trained = config.folds_over.split("+")
    _check_patients(labels, trained)
    whole = keep_copies_together(name_unknown_patients(without_ungradable(labels)))
    if config.dedupe:
        whole = keep_near_copies_together(whole, target, config.cache_dir or default_cache_dir(), config.workers)
    prepared, held_out = hold_out_splits(whole, target, config.shares, config.seed)
    used = _leave_out_ungraded(prepared, target, trained)
    if config.auxiliary and len(labels.targets) < 2:
        raise InputError(
            f"{labels.title} ({labels.layout}) states the {target}'s grade alone: --auxiliary needs both targets"
        )
    initial_weights = find_initial_weights(config.weights, config.backbone)
    check_stages(labels, initial_weights)
    input_format, steps = _find_inputs(labels, initial_weights, config)
    parent = initial_weights.parent
    parent_rounds = parent is not None and parent.round_discs
    plan = TrainingPlan(
        config=replace(config, target=target),
        initial_weights=initial_weights,
        labels=used,
        target=target,
        units=build_units(used, config.unit),
        input_format=input_format,
        bank_side=config.bank_size or bank_side(input_format.side),
        round_discs=parent_rounds if config.round_discs is None else config.round_discs,
        steps=steps,
        pending_steps=steps_to_apply(labels.roots, steps, parent.plugins if parent else {}),
        fold_splits=_assign_splits(used, target, config),
        held_out=held_out,
    )
    if config.keep_head:
        check_head(initial_weights, target, plan.architecture)
    return plan


def pick_target(labels: Labels, asked: Target | None) -> Target:
    """The target: as asked for, else the patient's grade where a data set states it.

    Raises:
        InputError: a data set does not state the grade asked for, or none states any.
    """
    graded = {name: part for name, part in (labels.datasets or {labels.title: labels}).items() if part.targets}
    if not graded:
        raise InputError(f"{labels.title} ({labels.layout}) has no grades: only drkit predict can use it")
    target: Target = asked or ("patient" if "patient" in labels.targets else "eye")
    for name, part in graded.items():
        if target not in part.targets:
            other = part.targets[0]
            remedy = f"choose --target {other}" if other in labels.targets else "leave it out, the others state another"
            raise InputError(f"{name} ({part.layout}) has one grade a photograph, the {other}'s: {remedy}")
    return target


def without_ungradable(labels: Labels) -> Labels:
    """The labels without the grades of photographs that are marked as not gradable."""
    rows = labels.rows.copy()
    rows.loc[~rows["gradable"], [grade_column(target) for target in TARGETS]] = pd.NA
    return replace(labels, rows=rows)


def _find_inputs(
    labels: Labels, initial_weights: InitialWeights, config: TrainingConfig
) -> tuple[InputFormat, tuple[str, ...]]:
    """Input format and preprocessing steps: those of the run whose weights are taken, else the backbone's."""
    if initial_weights.parent is None:
        default = backbone_format(initial_weights.backbone, config.size)
        if initial_weights.input_format:
            default = replace(initial_weights.input_format, side=config.size or initial_weights.input_format.side)
        return default, read_shared_steps(labels.roots)
    parent = initial_weights.parent
    side = config.size or parent.architecture.side
    return InputFormat(side, parent.mean, parent.std), parent.steps


def _check_patients(labels: Labels, trained: Sequence[str]) -> None:
    """Check that no patient is in both training and evaluation.

    Raises:
        LeakageError: training patients that are also in val or test; if val is trained on, any patient in two splits.
    """
    known = labels.rows[labels.rows["patient_id"].notna()]
    num_splits = known.groupby("patient_id")["split"].nunique()
    in_both = sorted(set(num_splits.index[num_splits > 1]) & set(known["patient_id"][known["split"].isin(trained)]))
    if in_both:
        where = "more than one split" if "val" in trained else "train and also in val or test"
        raise LeakageError(
            f"{labels.title}: {len(in_both)} patients are in {where}: {first_few(in_both)}: give each"
            " patient one split (drkit check lists them all)"
        )


def _leave_out_ungraded(labels: Labels, target: Target, trained: Sequence[str]) -> Labels:
    """The labels without ungraded photographs of the splits that are trained on."""
    in_training = labels.rows["split"].isin(trained)
    graded = labels.rows[grade_column(target)].notna() & labels.rows["gradable"]
    num_ungraded = int((in_training & ~graded).sum())
    if num_ungraded:
        warn(f"{num_ungraded} training photographs have no {target} grade 0-4 and are left out of the training")
    if not (in_training & graded).any():
        raise InputError(f"{labels.title} has no training photographs with the {target}'s grade")
    return replace(labels, rows=labels.rows[~in_training | graded].reset_index(drop=True))


def _assign_splits(labels: Labels, target: Target, config: TrainingConfig) -> tuple[FoldSplit, ...]:
    graded = (labels.rows[grade_column(target)].notna() & labels.rows["gradable"]).to_numpy()
    splits = labels.rows["split"].to_numpy(dtype=str)
    train, val = np.flatnonzero(splits == "train"), np.flatnonzero((splits == "val") & graded)
    none = np.empty(0, np.int64)
    if config.folds is None:
        return (_with_inner(labels, target, config, FoldSplit(None, train, none, val, none)),)
    if config.folds_over == "train+val":
        train, val = np.sort(np.concatenate([train, val])), none
    rows, datasets = labels.rows.iloc[train], labels.dataset_names().iloc[train]
    fold = assign_folds(rows[grade_column(target)], rows["patient_id"], config.folds, config.seed, datasets=datasets)
    return tuple(
        _with_inner(labels, target, config, FoldSplit(number, train[fold != number], none, val, train[fold == number]))
        for number in range(config.folds)
    )


def _with_inner(labels: Labels, target: Target, config: TrainingConfig, fold_split: FoldSplit) -> FoldSplit:
    """With `--choose inner`, hold out some of the training patients to select the epoch."""
    if config.chooses != "inner":
        return fold_split
    held_back = hold_out_patients(_rows_of(labels, fold_split.train), target, INNER_SHARE, config.seed)
    return replace(fold_split, train=fold_split.train[~held_back], inner=fold_split.train[held_back])


def _rows_of(labels: Labels, rows: np.ndarray) -> Labels:
    return replace(labels, rows=labels.rows.iloc[rows].reset_index(drop=True))
