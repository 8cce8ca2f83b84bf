"""Which photographs of a run can be scored: graded ones that it was not trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.errors import InputError, LeakageError, first_few
from drkit.evaluation.aggregation import Index
from drkit.grades import SPLITS, Level, Split, Target, grade_column
from drkit.records.labels import image_stem
from drkit.records.predictions import Predictions
from drkit.records.truth import GroundTruth


@dataclass(frozen=True)
class EvaluationSet:
    """The photographs of a run that are scored.

    Args:
        predictions: Their rows, ordered by image id, none of them trained on.
        reference: (N,) their reference grades.
        trained_on: How many were left out because the run was trained on them.
        ungraded: How many were left out because they have no reference grade.
    """

    predictions: Predictions
    reference: Index
    trained_on: int
    ungraded: int

    @property
    def splits(self) -> tuple[Split, ...]:
        """Theirs, in the order train, val, test."""
        return _in_order(self.predictions.rows["split"].unique())

    def shared_with(self, image_ids: pd.Index) -> "EvaluationSet":
        """Those among `image_ids`."""
        keep = self.predictions.rows["image_id"].isin(image_ids).to_numpy(dtype=bool)
        return self._where(keep)

    def by_dataset(self) -> dict[str, "EvaluationSet"]:
        """Those of each data set, by name, where there are several; called `RUN on NAME`."""
        parts = {name: self._where(rows) for name, rows in self.predictions.rows_by_dataset().items()}
        return {
            name: replace(part, predictions=replace(part.predictions, name=f"{self.predictions.name} on {name}"))
            for name, part in parts.items()
        }

    def _where(self, keep: NDArray[np.bool_]) -> "EvaluationSet":
        return EvaluationSet(self.predictions.where(keep), self.reference[keep], 0, 0)


def scorable_rows(predictions: Predictions) -> NDArray[np.bool_]:
    """(N,) whether a photograph counts: it has a reference grade of the target, and the run was not trained on it."""
    return predictions.reference().notna().to_numpy(dtype=bool) & ~predictions.leaked_rows()


def select_scorable(
    predictions: Predictions, truth: GroundTruth | None, *, split: Split | None, by: Level
) -> EvaluationSet:
    """Choose the photographs that a run may be scored on: of the split, graded, and not trained on.

    Args:
        predictions: Of the run.
        truth: Reference grades from elsewhere; None takes those in the predictions.
        split: Only its photographs; None takes the splits that the truth touches, or all with a grade.
        by: What will count as a case: patients have the patient's reference grade.

    Raises:
        InputError: ids that do not match the truth, or nothing to score.
        LeakageError: the run was trained on all of it.
    """
    target: Target = "patient" if by == "patient" else predictions.meta.target
    splits = _splits(predictions, truth, target, split)
    ordered = replace(predictions, rows=predictions.rows.sort_values("image_id", ignore_index=True))
    chosen = ordered.of_split(*splits)
    if truth is not None:
        _check_match(chosen, predictions, truth, target, splits)
    grades = _reference(chosen, truth, target)
    leaked, graded = chosen.leaked_rows(), grades.notna().to_numpy(dtype=bool)
    _check_scorable(chosen, leaked, graded, target)
    keep = graded & ~leaked
    reference = grades[keep].to_numpy(dtype=np.int64)
    return EvaluationSet(chosen.where(keep), reference, int((leaked & graded).sum()), int((~graded & ~leaked).sum()))


def _check_scorable(chosen: Predictions, leaked: NDArray[np.bool_], graded: NDArray[np.bool_], target: Target) -> None:
    """Check that something clean and graded is left.

    Raises:
        LeakageError: the run was trained on all of it.
        InputError: no reference grades.
    """
    where = f"{chosen.name}, split {' and '.join(chosen.rows['split'].unique())}"
    if leaked.all():
        raise LeakageError(
            f"{where}: the run was trained on all {len(chosen)} photographs:"
            " take another split, or train it with --folds"
        )
    if not (graded & ~leaked).any():
        raise InputError(
            f"{where}: no photograph that the run was not trained on has the {target}'s grade:"
            " take another split, or give the grades with drkit score --truth"
        )


def _splits(
    predictions: Predictions, truth: GroundTruth | None, target: Target, split: Split | None
) -> tuple[Split, ...]:
    """The splits to score, in the order train, val, test."""
    rows = predictions.rows
    if split is not None:
        predictions.check_split(split)
        return (split,)
    if truth is None:
        return _in_order(rows["split"][rows[grade_column(target)].notna()].unique()) or predictions.splits
    touched = _in_order(rows["split"][_stems(predictions).isin(truth.rows["image_id"])].unique())
    if not touched:
        raise InputError(
            f"{truth.source} and {predictions.name} share no photograph: the first has ids such as"
            f" {truth.rows['image_id'].iloc[0]}, the second such as {rows['image_id'].iloc[0]}"
        )
    return touched


def _in_order(splits: Iterable[str]) -> tuple[Split, ...]:
    """Those of train, val, test that are among `splits`."""
    given = set(splits)
    return tuple(split for split in SPLITS if split in given)


def _check_match(
    chosen: Predictions, predictions: Predictions, truth: GroundTruth, target: Target, splits: Sequence[Split]
) -> None:
    """Check that photographs and reference grades fit one to one.

    Raises:
        InputError: photographs without a row in the truth, or graded ones without a prediction.
    """
    stems = _stems(chosen)
    unknown = stems[~stems.isin(truth.rows["image_id"])].tolist()
    if unknown:
        raise InputError(
            f"{truth.source}: {len(unknown)} photographs of {predictions.name} have no row: {first_few(unknown)}"
        )
    elsewhere = truth.rows["split"].notna() & ~truth.rows["split"].isin(splits)
    graded = truth.rows["image_id"].isin(truth.grades_for(target).dropna().index)
    expected = truth.rows["image_id"][graded & ~elsewhere]
    missing = expected[~expected.isin(_stems(predictions))].tolist()
    if missing:
        raise InputError(
            f"{predictions.name}: {len(missing)} graded photographs of {truth.source} have no prediction:"
            f" {first_few(missing)}"
        )


def _reference(chosen: Predictions, truth: GroundTruth | None, target: Target) -> pd.Series:
    """(N,) Int8, null where unknown."""
    if truth is None:
        return chosen.rows[grade_column(target)]
    return _stems(chosen).map(truth.grades_for(target)).astype("Int8")


def _stems(predictions: Predictions) -> pd.Series:
    return predictions.rows["image_id"].map(image_stem).astype("string")
