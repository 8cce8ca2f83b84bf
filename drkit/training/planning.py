"""Plan a training: resolve its options and check them against the data set before any work."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from drkit.config.training import TrainingConfig
from drkit.data.augmentation import load_policy
from drkit.data.bank import bank_side
from drkit.data.cache import default_cache_dir
from drkit.data.copies import keep_copies_together, keep_near_copies_together
from drkit.data.patients import hold_out_splits, name_unknown_patients
from drkit.data.rendering import InputFormat
from drkit.data.units import build_units
from drkit.errors import InputError, UsageError
from drkit.grades import TARGETS, Split, Target, grade_column
from drkit.losses import build_loss
from drkit.models.backbones import input_format as backbone_format
from drkit.records.labels import Labels
from drkit.records.preprocessed import read_shared_steps, steps_to_apply
from drkit.training.initial_weights import InitialWeights, find_initial_weights
from drkit.training.kept_head import check_head
from drkit.training.plan import TrainingPlan
from drkit.training.preprocessing import check_preprocessing
from drkit.training.splits import assign_splits, check_patients, drop_ungraded


def plan_training(labels: Labels, config: TrainingConfig) -> TrainingPlan:
    """Resolve the options that are left to defaults, and check them against the data set.

    Args:
        labels: All photographs of the data sets.
        config: The options.

    Raises:
        UsageError: the backbone, loss or augmentation is unknown, options contradict each other, or the head does not
            fit `--keep-head`.
        InputError: there are no or too few grades of the target, or the weights cannot be read.
        LeakageError: a patient is in both training and evaluation.
    """
    build_loss(config.loss)
    load_policy(config.augment)
    if config.balance == "dataset" and not labels.datasets:
        raise UsageError("--balance dataset needs several data sets: add another --data")
    target = pick_target(labels, config.target)
    if config.auxiliary and len(labels.targets) < 2:
        raise InputError(
            f"{labels.title} ({labels.layout}) has only the {target}'s grade: --auxiliary needs the grades of both"
            " targets"
        )
    labels, held_out = _split_patients(labels, target, config)
    units = build_units(labels, config.unit)
    initial_weights = find_initial_weights(config.weights, config.backbone)
    check_preprocessing(labels, initial_weights)
    input_format, steps = _find_inputs(labels, initial_weights, config)
    parent = initial_weights.parent
    parent_rounds = parent is not None and parent.round_discs
    plan = TrainingPlan(
        config=replace(config, target=target),
        initial_weights=initial_weights,
        labels=labels,
        target=target,
        units=units,
        input_format=input_format,
        bank_side=config.bank_size or bank_side(input_format.side),
        round_discs=parent_rounds if config.round_discs is None else config.round_discs,
        steps=steps,
        pending_steps=steps_to_apply(labels.roots, steps, parent.plugins if parent else {}),
        fold_splits=assign_splits(labels, units, target, config),
        held_out=held_out,
    )
    if config.keep_head:
        check_head(initial_weights, target, plan.architecture)
    return plan


def pick_target(labels: Labels, requested: Target | None) -> Target:
    """Pick the target: the requested one, otherwise the patient's grade if the data sets have it, otherwise the eye's.

    Raises:
        InputError: a data set does not have the grades of the target, or no data set has any grades.
    """
    graded = {name: part for name, part in (labels.datasets or {labels.title: labels}).items() if part.targets}
    if not graded:
        raise InputError(f"{labels.title} ({labels.layout}) has no grades: only drkit predict can use it")
    target: Target = requested or ("patient" if "patient" in labels.targets else "eye")
    for name, part in graded.items():
        if target not in part.targets:
            other = part.targets[0]
            remedy = f"choose --target {other}" if other in labels.targets else "leave out this data set"
            raise InputError(f"{name} ({part.layout}) has only the {other}'s grades, not the {target}'s: {remedy}")
    return target


def _split_patients(
    labels: Labels, target: Target, config: TrainingConfig
) -> tuple[Labels, Mapping[Split, tuple[str, ...]]]:
    """Give every photograph a patient, and every patient one split; drop ungraded photographs that would be trained on.

    Returns:
        The photographs of the training, and the names of the data sets whose patients were moved to a split, by split.
    """
    check_patients(labels, config.trained_splits)
    labels = keep_copies_together(name_unknown_patients(without_ungradable(labels)))
    if config.dedupe:
        labels = keep_near_copies_together(labels, target, config.cache_dir or default_cache_dir(), config.workers)
    labels, held_out = hold_out_splits(labels, target, config.shares, config.seed)
    return drop_ungraded(labels, target, config.trained_splits), held_out


def without_ungradable(labels: Labels) -> Labels:
    """Remove the grades of photographs that are marked as not gradable."""
    rows = labels.rows.copy()
    rows.loc[~rows["gradable"], [grade_column(target) for target in TARGETS]] = pd.NA
    return replace(labels, rows=rows)


def _find_inputs(
    labels: Labels, initial_weights: InitialWeights, config: TrainingConfig
) -> tuple[InputFormat, tuple[str, ...]]:
    """Find input format and preprocessing steps: of the run that the weights come from, otherwise of the backbone."""
    if parent := initial_weights.parent:
        return InputFormat(config.size or parent.architecture.side, parent.mean, parent.std), parent.steps
    steps = read_shared_steps(labels.roots)
    if stated := initial_weights.input_format:
        return replace(stated, side=config.size or stated.side), steps
    return backbone_format(initial_weights.backbone, config.size), steps
