"""The training, inner, val and held-out photographs of each fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drkit.config.training import TrainingConfig
from drkit.data.folds import assign_folds
from drkit.data.patients import hold_out_patients
from drkit.data.units import Units, unit_grades
from drkit.errors import InputError, LeakageError, first_few
from drkit.grades import Target, grade_column
from drkit.progress import warn
from drkit.records.labels import Labels

INNER_SHARE = 0.15  # share of the training patients that select the epoch with --choose inner


@dataclass(frozen=True)
class FoldSplit:
    """Row numbers of the training, inner, val and held-out photographs of a fold.

    Args:
        fold: Number of the fold, from 0; None without folds.
        train: Photographs that are trained on.
        inner: Photographs of training patients that are held out to select the epoch; empty without `--choose inner`.
        val: Photographs of the graded units of the data set's val split; empty with `--folds-over train+val`.
        held_out: Photographs of the patients that the fold holds out; empty without folds.
    """

    fold: int | None
    train: np.ndarray
    inner: np.ndarray
    val: np.ndarray
    held_out: np.ndarray

    @property
    def used(self) -> tuple[np.ndarray, ...]:
        """Row numbers of all four parts."""
        return self.train, self.inner, self.val, self.held_out

    def monitored(self) -> dict[str, np.ndarray]:
        """Row numbers of the splits that are evaluated after every epoch, by name."""
        splits = {"inner": self.inner, "val": self.val, "held-out": self.held_out}
        return {name: rows for name, rows in splits.items() if len(rows)}


def assign_splits(labels: Labels, units: Units, target: Target, config: TrainingConfig) -> tuple[FoldSplit, ...]:
    """Assign the photographs of train and val to folds, or to a single split without folds.

    Args:
        labels: Photographs with patients; those of the splits that are trained on all have a grade.
        units: Their units; a unit is graded if any of its photographs is.
        target: Whose grade is learned.
        config: Options of the training.

    Raises:
        InputError: too few patients for the folds, or photographs of one unit have different grades.
    """
    graded = unit_grades(labels, units, target)[units.unit_of] >= 0
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
    """With `--choose inner`, hold out some training patients to select the epoch."""
    if config.chooses != "inner":
        return fold_split
    train = replace(labels, rows=labels.rows.iloc[fold_split.train].reset_index(drop=True))
    is_inner = hold_out_patients(train, target, INNER_SHARE, config.seed)
    return replace(fold_split, train=fold_split.train[~is_inner], inner=fold_split.train[is_inner])


def check_patients(labels: Labels, trained: Sequence[str]) -> None:
    """Check that no patient is in both training and evaluation.

    Args:
        labels: All photographs of the data sets.
        trained: Splits that are trained on: train, with `--folds-over train+val` also val.

    Raises:
        LeakageError: a training patient is also in val or test, or, if val is trained on, a patient is in two splits.
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


def drop_ungraded(labels: Labels, target: Target, trained: Sequence[str]) -> Labels:
    """Drop the photographs without a grade from the splits that are trained on.

    Args:
        labels: Photographs; those that are not gradable have no grade.
        target: Whose grade is learned.
        trained: Splits that are trained on.

    Raises:
        InputError: no photograph of these splits has a grade.
    """
    is_dropped = labels.rows["split"].isin(trained) & labels.grades(target).isna()
    if num_dropped := int(is_dropped.sum()):
        warn(f"{num_dropped} training photographs have no {target} grade 0-4 and are left out of the training")
    used = replace(labels, rows=labels.rows[~is_dropped].reset_index(drop=True))
    if not used.rows["split"].isin(trained).any():
        raise InputError(f"{labels.title} has no training photographs with the {target}'s grade")
    return used
