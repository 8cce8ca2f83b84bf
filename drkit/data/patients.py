"""Patients kept together: whoever is unknown, and who is held out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

from drkit.errors import InputError
from drkit.grades import Target, grade_column
from drkit.images.files import read_content
from drkit.records.labels import Labels
from drkit.records.provenance import sha256_bytes


def name_unknown_patients(labels: Labels) -> Labels:
    """Give photographs of nobody known a patient of their own, identical files one in common.

    The patient is called `photograph ID` after the first of the identical photographs.
    """
    unknown = labels.rows["patient_id"].isna()
    if not unknown.any():
        return labels
    rows = labels.rows.copy()
    orphans = rows.loc[unknown, ["image_id", "path"]]
    contents = orphans["path"].map(lambda path: sha256_bytes(read_content(Path(path))))
    rows.loc[unknown, "patient_id"] = "photograph " + orphans["image_id"].groupby(contents).transform("first")
    return replace(labels, rows=rows)


def hold_out_patients(labels: Labels, target: Target, share: float, seed: int) -> np.ndarray:
    """Choose whole patients, stratified by their highest grade.

    Args:
        labels: Graded photographs with patients.
        target: Whose grade is balanced.
        share: Of the patients, in (0, 1).
        seed: Of the choice.

    Returns:
        bool (N,): which photographs belong to the chosen patients.

    Raises:
        InputError: fewer than two patients.
    """
    worst = _worst_grades(labels, target)
    if len(worst) < 2:
        raise InputError(f"{labels.root} has {len(worst)} graded patient: none can be held out to validate on")
    num_held_out = min(max(round(share * len(worst)), 1), len(worst) - 1)
    held_out = _draw(worst.index.to_numpy(), worst.to_numpy(), num_held_out, seed)
    return labels.rows["patient_id"].isin(held_out).to_numpy()


def assign_folds(labels: Labels, target: Target, num_folds: int, seed: int) -> np.ndarray:
    """Part patients into folds of nearly equal size, each with its share of every grade.

    Args:
        labels: Graded photographs with patients.
        target: Whose grade is balanced.
        num_folds: At least 2.
        seed: Of the choice.

    Returns:
        int64 (N,): the fold of each photograph's patient, from 0.

    Raises:
        InputError: fewer patients than folds.
    """
    worst = _worst_grades(labels, target)
    if len(worst) < num_folds:
        raise InputError(f"{labels.root} has {len(worst)} graded patients: they cannot fill {num_folds} folds")
    splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    with catch_warnings():
        simplefilter("ignore", UserWarning)  # a grade with fewer patients than folds cannot be in each
        parts = list(splitter.split(np.zeros(len(worst)), _at_least(worst.to_numpy(), num_folds)))
    fold_of = {patient: fold for fold, (_, held_out) in enumerate(parts) for patient in worst.index[held_out]}
    return labels.rows["patient_id"].map(fold_of).to_numpy(dtype=np.int64)


def ensure_validation(labels: Labels, target: Target, share: float, seed: int) -> Labels:
    """Labels with a graded validation split: the author's own, else `share` of the training patients."""
    in_split = labels.rows["split"] == "val"
    if labels.rows.loc[in_split, grade_column(target)].notna().any():
        return labels
    training = labels.of_split("train").graded(target)
    held_out = training.rows["image_id"][hold_out_patients(training, target, share, seed)]
    rows = labels.rows.copy()
    rows.loc[rows["image_id"].isin(held_out), "split"] = "val"
    return replace(labels, rows=rows)


def _worst_grades(labels: Labels, target: Target) -> pd.Series:
    """The highest grade of each patient, by patient."""
    return labels.grades(target).groupby(labels.rows["patient_id"]).max().sort_index().astype(int)


def _at_least(grades: np.ndarray, num_folds: int) -> np.ndarray:
    """The grades to balance; all alike where none has enough patients for every fold."""
    return grades if np.bincount(grades).max() >= num_folds else np.zeros_like(grades)


def _draw(patients: Sequence[str], grades: np.ndarray, num: int, seed: int) -> Sequence[str]:
    """`num` of the patients, every grade in proportion where there are enough of each."""
    counts = np.bincount(grades)
    enough = counts[counts > 0].min() >= 2 and min(num, len(grades) - num) >= np.count_nonzero(counts)
    return train_test_split(patients, test_size=num, random_state=seed, stratify=grades if enough else None)[1]
