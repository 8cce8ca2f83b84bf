"""Predictions files of the same photographs: joined by image id, and refused if they contradict each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.ensembling.combiner import Features, ReferenceGrades, Rows
from drkit.errors import InputError, LeakageError, first_few
from drkit.grades import Target, grade_column
from drkit.records.predictions import Predictions, name_predictions, patient_keys, read_predictions

SHARED_COLUMNS = ("split", "patient_id", "eye", "eye_grade", "patient_grade")
FITTED_SPLITS = ("train", "val")  # nothing is ever fitted to the reference grades of test


@dataclass(frozen=True)
class Members:
    """Predictions of M members for the same N photographs, in the same order.

    Args:
        predictions: Each member's predictions, ordered by the member's name.
        paths: The predictions file of each member, in the same order.
        target: Whose grade the ensemble predicts: the members' target, or patient if eyes are pooled to patients.
    """

    predictions: tuple[Predictions, ...]
    paths: tuple[Path, ...]
    target: Target

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the first member: facts about the photographs, and its predictions."""
        return self.predictions[0].rows

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members."""
        return tuple(member.name for member in self.predictions)

    @property
    def patients(self) -> NDArray[np.str_]:
        """(N,) key of each photograph's patient."""
        return patient_keys(self.rows)

    def reference(self) -> pd.Series:
        """(N,) reference grades of the target, Int8, null where unknown."""
        return self.rows[grade_column(self.target)]

    def graded(self) -> tuple[Rows, ReferenceGrades]:
        """The photographs of train and val that have a reference grade.

        Returns:
            Their row numbers (n,), and their grades with the numbers of their patients.
        """
        is_graded = self.reference().notna() & self.rows["split"].isin(FITTED_SPLITS)
        rows = np.flatnonzero(is_graded.to_numpy(dtype=bool))
        _, patients = np.unique(self.patients[rows], return_inverse=True)
        return rows, ReferenceGrades(self.reference().iloc[rows].to_numpy(dtype=np.int64), patients)

    def selection_remarks(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """A sentence for each member whose epoch was selected on a split of the scored rows."""
        scored = set(self.rows["split"].iloc[rows])
        for member in self.predictions:
            if member.meta.chosen_on in scored:
                yield f"{member.name} was selected on {member.meta.chosen_on}, so every figure above is optimistic."

    def features(self) -> Features:
        """The members' predictions as arrays."""
        members = self.predictions
        grades = [member.rows["predicted_grade"].to_numpy(dtype=np.int64) for member in members]
        embeddings = [values.astype(np.float32) for member in members if (values := member.embeddings()) is not None]
        return Features(
            scores=np.stack([member.rows["score"].to_numpy(dtype=np.float64) for member in members], 1),
            probabilities=np.stack([member.probabilities().astype(np.float64) for member in members], 1),
            grades=np.stack(grades, 1),
            embeddings=tuple(embeddings) if len(embeddings) == len(members) else (),
        )

    def __len__(self) -> int:
        return len(self.rows)


def read_members(paths: Iterable[Path]) -> Members:
    """Read the predictions of all members, and check that no member was trained on the photographs.

    Args:
        paths: Predictions files, runs or glob patterns, in any order.

    Raises:
        InputError: as `read_predictions` and `join_members`.
        LeakageError: a member was trained on some of the photographs.
    """
    path_of = name_predictions(paths)
    predictions = [replace(read_predictions(path), name=name) for name, path in path_of.items()]
    members = join_members(predictions, list(path_of.values()))
    check_leaks(members.predictions)
    return members


def join_members(predictions: Sequence[Predictions], paths: Sequence[Path]) -> Members:
    """Order members by name, and their rows as those of the first member.

    Args:
        predictions: Each member's predictions, in any order.
        paths: The predictions file of each member, in the same order.

    Raises:
        InputError: targets, labels, photographs, splits, patients or reference grades differ.
    """
    ordered = sorted(zip(predictions, paths, strict=True), key=lambda pair: pair[0].name)
    first = ordered[0][0]
    aligned = [first]
    for other, _ in ordered[1:]:
        _check_same_target(first, other)
        _check_same_photographs(first, other)
        order = pd.Index(other.rows["image_id"]).get_indexer(first.rows["image_id"])
        aligned.append(replace(other, rows=other.rows.iloc[order].reset_index(drop=True)))
    for one, other in pairwise(aligned):
        _check_same_facts(one, other)
        _check_same_labels(one, other)
    return Members(tuple(aligned), tuple(path for _, path in ordered), first.meta.target)


def check_leaks(predictions: Sequence[Predictions]) -> None:
    """Check that no member was trained on the photographs that it grades.

    Raises:
        LeakageError: a member was trained on some of them.
    """
    for member in predictions:
        leaked = member.rows[member.leaked_rows()]
        if len(leaked):
            splits = " and ".join(sorted(set(leaked["split"])))
            raise LeakageError(
                f"{member.name} was trained on {len(leaked)} of its {len(member)} photographs (split {splits}:"
                f" {first_few(leaked['image_id'].tolist())}): give predictions of photographs that it was not trained"
                " on, or train it with --folds"
            )


def _check_same_target(first: Predictions, other: Predictions) -> None:
    if first.meta.target != other.meta.target:
        raise InputError(
            f"{first.name} grades the {first.meta.target}, {other.name} the {other.meta.target}:"
            " only predictions of the same target can be combined"
        )


def _check_same_labels(first: Predictions, other: Predictions) -> None:
    """Compare the labels' checksums, which cover the training photographs that the predictions do not contain."""
    hashes = first.meta.labels_sha256, other.meta.labels_sha256
    if None not in hashes and hashes[0] != hashes[1]:
        raise InputError(
            f"{first.name} and {other.name} were made with different labels (SHA-256 {str(hashes[0])[:8]} and"
            f" {str(hashes[1])[:8]}): predict the same data set with both"
        )


def _check_same_photographs(first: Predictions, other: Predictions) -> None:
    ids = [pd.Index(item.rows["image_id"]) for item in (first, other)]
    only = ids[0].difference(ids[1]), ids[1].difference(ids[0])
    if any(map(len, only)):
        differences = " and ".join(
            f"{len(missing)} only in {item.name} ({first_few(missing.tolist())})"
            for item, missing in zip((first, other), only, strict=True)
            if len(missing)
        )
        raise InputError(
            f"{first.name} and {other.name} do not grade the same photographs: {differences}:"
            " predict the same data set with both"
        )


def _check_same_facts(first: Predictions, other: Predictions) -> None:
    for column in SHARED_COLUMNS:
        left, right = first.rows[column], other.rows[column]
        is_same = (left == right).fillna(False) | (left.isna() & right.isna())
        if not is_same.all():
            ids = first.rows["image_id"]
            differences = [
                f"{image_id} ({', '.join('unknown' if pd.isna(value) else str(value) for value in values)})"
                for image_id, *values in zip(ids[~is_same], left[~is_same], right[~is_same], strict=True)
            ]
            raise InputError(
                f"{first.name} and {other.name} contradict each other in {column} of {len(differences)} photographs:"
                f" {first_few(differences, shown=3)}: predict the same data set with both"
            )
