"""Patients kept together: whoever is unknown, and who is held out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

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
    worst = labels.grades(target).groupby(labels.rows["patient_id"]).max().sort_index().astype(int)
    if len(worst) < 2:
        raise InputError(f"{labels.root} has {len(worst)} graded patient: none can be held out to validate on")
    num_held_out = min(max(round(share * len(worst)), 1), len(worst) - 1)
    held_out = _draw(worst.index.to_numpy(), worst.to_numpy(), num_held_out, seed)
    return labels.rows["patient_id"].isin(held_out).to_numpy()


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


def _draw(patients: Sequence[str], grades: np.ndarray, num: int, seed: int) -> Sequence[str]:
    """`num` of the patients, every grade in proportion where there are enough of each."""
    counts = np.bincount(grades)
    enough = counts[counts > 0].min() >= 2 and min(num, len(grades) - num) >= np.count_nonzero(counts)
    return train_test_split(patients, test_size=num, random_state=seed, stratify=grades if enough else None)[1]
