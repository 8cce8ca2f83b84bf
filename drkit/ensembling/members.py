"""Predictions of the same photographs, joined by image id and refused where they do not fit together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.ensembling.combiner import Features
from drkit.errors import InputError, LeakageError, first_few
from drkit.grades import Target, grade_column
from drkit.records.predictions import Predictions, name_predictions, patient_keys, read_predictions

SHARED_COLUMNS = ("split", "patient_id", "eye", "eye_grade", "patient_grade")
FITTED_SPLITS = ("train", "val")  # reference grades of test are never fitted on, even where they are known


@dataclass(frozen=True)
class Members:
    """Predictions of the same photographs in the same order.

    Args:
        predictions: One a member, ordered by name.
        paths: Where they were read, in the same order.
        target: Whose grade is answered; the members' own, unless eyes are joined to patients.
    """

    predictions: tuple[Predictions, ...]
    paths: tuple[Path, ...]
    target: Target

    @property
    def rows(self) -> pd.DataFrame:
        """What is known of the photographs, and the first member's answers."""
        return self.predictions[0].rows

    @property
    def names(self) -> tuple[str, ...]:
        """What the members are called."""
        return tuple(member.name for member in self.predictions)

    @property
    def patients(self) -> NDArray[np.str_]:
        """(N,) a key a patient."""
        return patient_keys(self.rows)

    def reference(self) -> pd.Series:
        """(N,) the reference grades of the target, Int8, null where unknown."""
        return self.rows[grade_column(self.target)]

    def graded_rows(self) -> NDArray[np.int64]:
        """The rows with a reference grade that may be fitted on: those of train and val."""
        graded = self.reference().notna() & self.rows["split"].isin(FITTED_SPLITS)
        return np.flatnonzero(graded.to_numpy(dtype=bool))

    def remark_choices(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """A sentence for each member that was chosen on a split of the rows that are scored."""
        scored = set(self.rows["split"].iloc[rows])
        for member in self.predictions:
            if member.meta.chosen_on in scored:
                yield f"{member.name} was selected on {member.meta.chosen_on}, so every figure above is optimistic."

    def features(self) -> Features:
        """All that the members say."""
        predictions = self.predictions
        grades = [member.rows["predicted_grade"].to_numpy(dtype=np.int64) for member in predictions]
        embeddings = [member.embeddings() for member in predictions]
        kept = [features.astype(np.float32) for features in embeddings if features is not None]
        return Features(
            scores=np.stack([member.rows["score"].to_numpy(dtype=np.float64) for member in predictions], 1),
            probabilities=np.stack([member.probabilities().astype(np.float64) for member in predictions], 1),
            grades=np.stack(grades, 1),
            embeddings=tuple(kept) if len(kept) == len(predictions) else (),
        )

    def __len__(self) -> int:
        return len(self.rows)


def read_members(paths: Iterable[Path]) -> Members:
    """Read predictions that are to be combined.

    Args:
        paths: Predictions, runs or patterns, in any order.

    Raises:
        InputError: as `read_predictions` and `join_members`.
        LeakageError: a member was trained on some of the photographs.
    """
    named = name_predictions(paths)
    read = [replace(read_predictions(path), name=name) for name, path in named.items()]
    members = join_members(read, list(named.values()))
    refuse_leaks(members.predictions)
    return members


def join_members(predictions: Sequence[Predictions], paths: Sequence[Path]) -> Members:
    """Bring predictions into one order, that of the first by name.

    Raises:
        InputError: targets, labels, photographs, splits, patients or reference grades that differ.
    """
    ordered = sorted(zip(predictions, paths, strict=True), key=lambda pair: pair[0].name)
    first = ordered[0][0]
    aligned = [first]
    for other, _ in ordered[1:]:
        _check_same_target(first, other)
        _check_same_photographs(first, other)
        place = pd.Index(other.rows["image_id"]).get_indexer(first.rows["image_id"])
        aligned.append(replace(other, rows=other.rows.iloc[place].reset_index(drop=True)))
    for one, other in pairwise(aligned):
        _check_same_facts(one, other)
        _check_same_labels(one, other)
    return Members(tuple(aligned), tuple(path for _, path in ordered), first.meta.target)


def refuse_leaks(predictions: Sequence[Predictions]) -> None:
    """Check that no member was trained on what it grades here.

    Raises:
        LeakageError: one was, with the photographs.
    """
    for member in predictions:
        leaked = member.rows["image_id"][member.leaked_rows()].tolist()
        if leaked:
            splits = " and ".join(sorted(set(member.rows["split"][member.leaked_rows()])))
            raise LeakageError(
                f"{member.name} was trained on {len(leaked)} of its {len(member)} photographs (split {splits}:"
                f" {first_few(leaked)}): give predictions of photographs it has not seen, or train it with --folds"
            )


def _check_same_target(first: Predictions, other: Predictions) -> None:
    if first.meta.target != other.meta.target:
        raise InputError(
            f"{first.name} grades the {first.meta.target}, {other.name} the {other.meta.target}:"
            " only predictions of the same target can be combined"
        )


def _check_same_labels(first: Predictions, other: Predictions) -> None:
    """Hold what the photographs at hand do not show: grades and splits of those that were trained on."""
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
        ours, theirs = first.rows[column], other.rows[column]
        is_same = (ours == theirs).fillna(False) | (ours.isna() & theirs.isna())
        if not is_same.all():
            different = np.flatnonzero(~is_same.to_numpy(dtype=bool))
            differences = first_few(list(_differences(first, other, column, different)), shown=3)
            raise InputError(
                f"{first.name} and {other.name} contradict each other in {column} of {len(different)} photographs:"
                f" {differences}: predict the same data set with both"
            )


def _differences(first: Predictions, other: Predictions, column: str, rows: NDArray[np.int64]) -> Iterator[str]:
    for row in rows:
        said = [item.rows[column].iloc[row] for item in (first, other)]
        ours, theirs = ("unknown" if pd.isna(value) else value for value in said)
        yield f"{first.rows['image_id'].iloc[row]} ({ours}, {theirs})"
