"""Selection of the photographs that a run is scored on: those with a reference grade that it was not trained on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from drkit.decisions import Grades
from drkit.errors import InputError, LeakageError, first_few
from drkit.evaluation.aggregation import Cases, aggregate, describe_level, level_of
from drkit.grades import SPLITS, Level, Split, Target, grade_column
from drkit.records.labels import image_stem
from drkit.records.predictions import Predictions
from drkit.records.truth import GroundTruth


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """The N photographs that a run is scored on, aggregated to cases.

    Args:
        predictions: The predictions, in the order of the image ids.
        reference: (N,) reference grades 0-4 of the target, or of the patients if the cases are patients.
        cases: The photographs aggregated to photographs, eyes or patients.
        by: Level of the cases.
        data: Names of the data sets, for titles; empty if they are unknown.
        trained_on: Number of photographs left out because the run was trained on them.
        ungraded: Number of photographs left out because they have no reference grade.
    """

    predictions: Predictions
    reference: Grades
    cases: Cases
    by: Level
    data: str = ""
    trained_on: int = 0
    ungraded: int = 0

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.predictions.name

    @property
    def is_optimistic(self) -> bool:
        """Whether the run's epoch or settings were selected on some of the photographs."""
        return self.predictions.meta.chosen_on in self.predictions.splits

    @property
    def scope(self) -> str:
        """Whose grade of which splits is scored: `patient's grade, train+val`."""
        target = "patient" if self.by == "patient" else self.predictions.meta.target
        return f"{target}'s grade, {'+'.join(self.predictions.splits)}"

    @property
    def title(self) -> str:
        """The scored cases in one line: `DeepDRiD: patient's grade, val, by patient, 100 patients`."""
        level = describe_level(self.by, level_of(self.predictions.meta))
        num_photographs = f"{len(self.reference)} photographs of " if self.by == "photograph" else ""
        data = f"{self.data}: " if self.data else ""
        return f"{data}{self.scope}, {level}, {num_photographs}{len(np.unique(self.cases.patients))} patients"

    def shared_with(self, image_ids: ArrayLike) -> "EvaluationSet":
        """The photographs with ids in `image_ids`, aggregated to cases of the same level."""
        return self._where(self.predictions.rows["image_id"].isin(image_ids).to_numpy(dtype=bool))

    def by_dataset(self) -> dict[str, "EvaluationSet"]:
        """The photographs of each data set, with the run named `RUN on NAME`; empty for a single data set."""
        parts = {name: self._where(rows) for name, rows in self.predictions.rows_by_dataset().items()}
        return {
            name: replace(part, predictions=replace(part.predictions, name=f"{self.name} on {name}"), data=name)
            for name, part in parts.items()
        }

    def _where(self, keep: NDArray[np.bool_]) -> "EvaluationSet":
        predictions, reference = self.predictions.where(keep), self.reference[keep]
        cases = aggregate(predictions, reference, self.by)
        return EvaluationSet(predictions=predictions, reference=reference, cases=cases, by=self.by, data=self.data)


def scorable_rows(predictions: Predictions) -> NDArray[np.bool_]:
    """(N,) whether a photograph has a reference grade of the target, and the run was not trained on it."""
    return predictions.reference().notna().to_numpy(dtype=bool) & ~predictions.leaked_rows()


def select_scorable(
    predictions: Predictions, truth: GroundTruth | None, *, split: Split | None, by: Level, data: str = ""
) -> EvaluationSet:
    """Select the photographs of a split that have a reference grade and that the run was not trained on.

    Args:
        predictions: The predictions of the run.
        truth: Reference grades; None for those in the predictions.
        split: The split; None for all splits with reference grades.
        by: Level of the cases; for patients the reference is the patient's grade.
        data: Names of the data sets, used in titles if the predictions do not name several data sets.

    Raises:
        InputError: ids do not match the reference grades, no photograph is left, or photographs cannot be joined to
            cases.
        LeakageError: the run was trained on all photographs.
    """
    target: Target = "patient" if by == "patient" else predictions.meta.target
    splits = _splits(predictions, truth, target, split)
    ordered = replace(predictions, rows=predictions.rows.sort_values("image_id", ignore_index=True))
    chosen = ordered.of_split(*splits)
    if truth is None:
        grades = chosen.rows[grade_column(target)]
    else:
        _check_match(chosen, predictions, truth, target, splits)
        grades = _stems(chosen).map(truth.grades_for(target)).astype("Int8")
    leaked, graded = chosen.leaked_rows(), grades.notna().to_numpy(dtype=bool)
    _check_scorable(chosen, leaked, graded, target)
    keep = graded & ~leaked
    selected, reference = chosen.where(keep), grades[keep].to_numpy(dtype=np.int64)
    return EvaluationSet(
        predictions=selected,
        reference=reference,
        cases=aggregate(selected, reference, by),
        by=by,
        data=" + ".join(selected.rows_by_dataset()) or data,
        trained_on=int((leaked & graded).sum()),
        ungraded=int((~graded & ~leaked).sum()),
    )


def _check_scorable(chosen: Predictions, leaked: NDArray[np.bool_], graded: NDArray[np.bool_], target: Target) -> None:
    """Check that a graded photograph is left that the run was not trained on.

    Raises:
        LeakageError: the run was trained on all photographs.
        InputError: the others have no reference grades.
    """
    source = f"{chosen.name}, split {' and '.join(chosen.rows['split'].unique())}"
    if leaked.all():
        raise LeakageError(
            f"{source}: the run was trained on all {len(chosen)} photographs:"
            " choose another split, or train it with --folds"
        )
    if not (graded & ~leaked).any():
        raise InputError(
            f"{source}: no photograph that the run was not trained on has the {target}'s grade:"
            " choose another split, or give the grades with drkit score --truth"
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
    graded = _in_order(rows["split"][_stems(predictions).isin(truth.rows["image_id"])].unique())
    if not graded:
        raise InputError(
            f"{truth.source} and {predictions.name} share no photograph: the first has ids like"
            f" {truth.rows['image_id'].iloc[0]}, the second ids like {rows['image_id'].iloc[0]}"
        )
    return graded


def _in_order(splits: Iterable[str]) -> tuple[Split, ...]:
    """The distinct splits in the order train, val, test."""
    distinct = set(splits)
    return tuple(split for split in SPLITS if split in distinct)


def _check_match(
    chosen: Predictions, predictions: Predictions, truth: GroundTruth, target: Target, splits: Sequence[Split]
) -> None:
    """Check that photographs and reference grades match one to one.

    Raises:
        InputError: photographs without a row in `truth`, or reference grades without a prediction.
    """
    stems = _stems(chosen)
    unknown = stems[~stems.isin(truth.rows["image_id"])].tolist()
    if unknown:
        raise InputError(
            f"{truth.source}: {len(unknown)} photographs of {predictions.name} have no row: {first_few(unknown)}"
        )
    in_other_split = truth.rows["split"].notna() & ~truth.rows["split"].isin(splits)
    graded = truth.rows["image_id"].isin(truth.grades_for(target).dropna().index)
    expected = truth.rows["image_id"][graded & ~in_other_split]
    missing = expected[~expected.isin(_stems(predictions))].tolist()
    if missing:
        raise InputError(
            f"{predictions.name}: {len(missing)} graded photographs of {truth.source} have no prediction:"
            f" {first_few(missing)}"
        )


def _stems(predictions: Predictions) -> pd.Series:
    return predictions.rows["image_id"].map(image_stem).astype("string")
