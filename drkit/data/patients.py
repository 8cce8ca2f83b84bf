"""Names for unknown patients, and selection of patients that are held out with all their photographs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from drkit.duplicates.identical import number_contents
from drkit.errors import InputError
from drkit.grades import Split, Target
from drkit.records.labels import Labels


def name_unknown_patients(labels: Labels) -> Labels:
    """Give each photograph without a patient id an id of its own; identical files get the same id.

    The id is `photograph ID`, with the image id of the first of the identical photographs.
    """
    unknown = labels.rows["patient_id"].isna()
    if not unknown.any():
        return labels
    rows = labels.rows.copy()
    orphans = replace(labels, rows=rows[unknown])
    contents = number_contents(orphans.paths())
    rows.loc[unknown, "patient_id"] = "photograph " + orphans.rows["image_id"].groupby(contents).transform("first")
    return replace(labels, rows=rows)


def hold_out_patients(labels: Labels, target: Target, share: float, seed: int) -> np.ndarray:
    """Choose whole patients, the same share of each data set, stratified by their highest grade.

    Args:
        labels: Graded photographs with patients.
        target: Target by whose grades patients are stratified.
        share: Share of the patients of each data set, in (0, 1); at least one patient is chosen, and at least one is
            not.
        seed: Random seed.

    Returns:
        Mask (N,) of the photographs of the chosen patients.

    Raises:
        InputError: no data set has two patients.
    """
    chosen = _choose_patients(labels, target, dict.fromkeys(labels.dataset_names(), share), seed)
    if not chosen:
        raise InputError(
            f"{labels.title} has only {labels.num_patients} graded patient, which cannot be held out for validation"
        )
    return labels.rows["patient_id"].isin(chosen).to_numpy()


def hold_out_splits(
    labels: Labels, target: Target, shares: Mapping[Split, float], seed: int
) -> tuple[Labels, dict[Split, tuple[str, ...]]]:
    """Move training patients to other splits, in each data set without graded photographs in that split.

    Args:
        labels: Photographs with patients.
        target: Target by whose grades patients are stratified.
        shares: Share of a data set's training patients that is moved to a split, in (0, 1), by split.
        seed: Random seed.

    Returns:
        The new labels, and the names of the data sets whose patients were moved to a split, by split.

    Raises:
        InputError: a split has no graded photographs, and no data set has patients to spare.
    """
    moved_from: dict[Split, tuple[str, ...]] = {}
    remaining = dict.fromkeys(labels.dataset_names(), 1.0)  # shares of the training patients
    for split, share in shares.items():
        lacking = _graded_in(labels, target, "train") - _graded_in(labels, target, split)
        before = labels
        labels = _move_patients(labels, split, target, {name: share / remaining[name] for name in lacking}, seed)
        names = labels.dataset_names()[labels.rows["split"] != before.rows["split"]]
        moved_from[split] = tuple(names.unique())
        remaining |= {name: remaining[name] - share for name in moved_from[split]}
    return labels, moved_from


def _move_patients(labels: Labels, split: Split, target: Target, shares: Mapping[str, float], seed: int) -> Labels:
    """Move shares of the training patients of some data sets, by their names, to a split."""
    graded = (labels.rows["split"] == "train") & labels.grades(target).notna()
    candidates = replace(labels, rows=labels.rows[graded & labels.dataset_names().isin(shares)])
    chosen = _choose_patients(candidates, target, shares, seed)
    if not chosen and not _graded_in(labels, target, split):
        raise InputError(
            f"{labels.title} has only {candidates.num_patients} graded training patient, which cannot be held out for"
            f" split {split}"
        )
    moved = graded & labels.rows["patient_id"].isin(chosen)
    return replace(labels, rows=labels.rows.assign(split=labels.rows["split"].mask(moved, split)))


def _graded_in(labels: Labels, target: Target, split: Split) -> set[str]:
    """The names of the data sets that have graded photographs in a split."""
    return set(labels.dataset_names()[(labels.rows["split"] == split) & labels.grades(target).notna()])


def _choose_patients(labels: Labels, target: Target, shares: Mapping[str, float], seed: int) -> list[str]:
    """Choose shares of the patients of data sets, by their names; none of a data set with a single patient."""
    chosen: list[str] = []
    for name, peers in _describe_patients(labels, target).groupby("dataset"):
        num_chosen = min(max(round(shares[str(name)] * len(peers)), 1), len(peers) - 1)
        if num_chosen:
            chosen += list(_draw(peers.index.to_numpy(), peers["grade"].to_numpy(), num_chosen, seed))
    return chosen


def _describe_patients(labels: Labels, target: Target) -> pd.DataFrame:
    """Tabulate the highest grade of each patient, and the data set of the patient's first photograph."""
    photographs = pd.DataFrame(
        {"patient_id": labels.rows["patient_id"], "grade": labels.grades(target), "dataset": labels.dataset_names()}
    )
    return photographs.groupby("patient_id").agg({"grade": "max", "dataset": "first"}).astype({"grade": int})


def _draw(patients: Sequence[str], grades: np.ndarray, num: int, seed: int) -> Sequence[str]:
    """Draw `num` patients, stratified by grade if there are enough patients of each grade."""
    from sklearn.model_selection import train_test_split  # the import takes a second

    counts = np.bincount(grades)
    enough = counts[counts > 0].min() >= 2 and min(num, len(grades) - num) >= np.count_nonzero(counts)
    return train_test_split(patients, test_size=num, random_state=seed, stratify=grades if enough else None)[1]
