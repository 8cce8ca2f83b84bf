"""The photographs to explain, graded, selected and readable, and the units that they belong to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from drkit.config.explain import ExplainConfig, SelectionCriteria
from drkit.data.units import Batch, Units, build_units
from drkit.data.unreadable import describe_unreadable, find_unreadable
from drkit.errors import InputError, UnreadablePhotographsError, first_few
from drkit.explaining.selection import (
    NO_REFERENCE,
    Selection,
    add_graded,
    find_candidates,
    find_ungraded,
    resolve_ids,
    select_photographs,
)
from drkit.grades import grade_column
from drkit.grading import grade_photographs, nothing_graded
from drkit.models.restoring import OpenedRun
from drkit.progress import notify, warn
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions, read_predictions

BATCH_SIZE = 16  # photographs; see tests/benchmarks/explain.py


@dataclass(frozen=True)
class ExplainBatch:
    """Units that the same networks explain.

    Args:
        numbers: Numbers of the units in `ExplainedUnits.units`.
        units: The photographs of the units, by row number of `ExplainedUnits.rows`.
        fold: The fold that held the units out; None if the networks of all folds explain them.
    """

    numbers: np.ndarray
    units: Batch
    fold: int | None


@dataclass(frozen=True)
class ExplainedUnits:
    """The graded photographs of a data set, and the units to explain.

    Args:
        rows: One row for each graded photograph, with `image_id`, `path`, `patient_id`, `eye` and `view` of the data
            set; `split`, `fold`, `reference`, `predicted_grade`, `score`, `patient` (a key) and `graded_patient_id` of
            the predictions; and `picked`, whether it was selected.
        units: The units of all photographs.
        numbers: Numbers of the units to explain, in the order in which they are shown.
        roots: Folders of the data sets.
    """

    rows: pd.DataFrame
    units: Units
    numbers: np.ndarray
    roots: tuple[Path, ...]

    @property
    def photographs(self) -> pd.DataFrame:
        """The rows of the photographs to explain."""
        return self.rows.iloc[np.concatenate([self.units.rows_of[number] for number in self.numbers])]

    @property
    def num_photographs(self) -> int:
        """Number of photographs to explain."""
        return len(self.photographs)

    @property
    def batch_size(self) -> int:
        """Number of units in a batch."""
        return max(1, BATCH_SIZE // self.units.num_slots)

    def batches(self) -> Iterator[ExplainBatch]:
        """Batches in the order in which they are shown, each of one fold."""
        folds = self.rows["fold"].to_numpy(dtype=object, na_value=None)
        fold_of_unit = [folds[self.units.rows_of[number][0]] for number in self.numbers]
        for fold in dict.fromkeys(fold_of_unit):
            chosen = self.numbers[[each == fold for each in fold_of_unit]]
            for start in range(0, len(chosen), self.batch_size):
                yield self.batch(chosen[start : start + self.batch_size], None if fold is None else int(fold))

    def batch(self, numbers: np.ndarray, fold: int | None) -> ExplainBatch:
        """The batch of some units, which `fold` held out."""
        return ExplainBatch(numbers, self.units.batch(numbers), fold)

    @property
    def num_batches(self) -> int:
        """Number of batches."""
        return sum(1 for _ in self.batches())


@dataclass(frozen=True)
class ExplainInputs:
    """The photographs to explain, and the run's predictions of them.

    Args:
        predictions: The predictions of all photographs of the data set that the run has graded.
        selection: The selected photographs.
        explained: The units of the selected photographs.
        unreadable: Photographs that were skipped, with the reason, by id.
    """

    predictions: Predictions
    selection: Selection
    explained: ExplainedUnits
    unreadable: dict[str, str]


def prepare_inputs(opened: OpenedRun, labels: Labels, config: ExplainConfig, target_name: str) -> ExplainInputs:
    """Select the photographs to explain, and grade those that the run has not graded yet.

    Raises:
        UnreadablePhotographsError: photographs cannot be read, and `keep_going` is off or none is left.
        InputError: unknown ids, an empty split, or no reference grades where they are needed.
    """
    if config.predictions is None and opened.run.is_packaged:
        graded = nothing_graded(opened)  # the runs that come with drkit have no predictions
    else:
        graded = read_predictions(config.predictions or opened.run.stem)
    criteria = config.criteria
    if criteria.ids:
        criteria = replace(criteria, ids=resolve_ids(criteria.ids, labels, graded))
    graded = graded.where(graded.rows["image_id"].isin(labels.rows["image_id"]))
    try:
        predictions, unreadable = _grade_missing(opened, labels, graded, criteria, config, target_name)
        inputs = _select_readable(opened, labels, predictions, criteria, config, unreadable)
    except UnreadablePhotographsError as error:
        raise UnreadablePhotographsError(f"{error} (--keep-going skips them)") from None
    if target_name == "reference":
        check_references(inputs.explained)
    return inputs


def _grade_missing(
    opened: OpenedRun,
    labels: Labels,
    graded: Predictions,
    criteria: SelectionCriteria,
    config: ExplainConfig,
    target_name: str,
) -> tuple[Predictions, dict[str, str]]:
    """Grade the candidates that the run has not graded yet.

    Returns:
        All predictions, and the reasons why photographs cannot be read, by id.

    Raises:
        InputError: reference grades are needed, and none is known.
    """
    candidates = find_candidates(labels, graded, criteria, config.split)
    ungraded = find_ungraded(labels, graded, candidates, opened.header.architecture)
    if not len(ungraded):
        return graded, {}
    has_references = labels.grades(opened.header.target).notna().to_numpy()[candidates].any()
    if criteria.needs_references and not has_references:
        raise InputError(f"{labels.title} has no reference grades: {NO_REFERENCE}")
    if target_name == "reference" and not has_references:
        raise InputError(f"--target-grade reference: {labels.title} has no reference grades: choose another target")
    notify(f"grading {len(ungraded)} photograph{'s' * (len(ungraded) != 1)} that {opened.run.name} has not graded")
    fresh = grade_photographs(opened, ungraded, config.device, workers=config.workers, keep_going=config.keep_going)
    return add_graded(graded, fresh), dict(fresh.meta.provenance.get("unreadable", {}))


def _select_readable(
    opened: OpenedRun,
    labels: Labels,
    predictions: Predictions,
    criteria: SelectionCriteria,
    config: ExplainConfig,
    unreadable: dict[str, str],
) -> ExplainInputs:
    """Select photographs; with `keep_going`, select again until all of them can be read.

    Raises:
        UnreadablePhotographsError: some cannot be read, and `keep_going` is off.
        InputError: none can be read.
    """
    while True:
        labels = replace(labels, rows=labels.rows[~labels.rows["image_id"].isin(unreadable)].reset_index(drop=True))
        predictions = predictions.where(~predictions.rows["image_id"].isin(unreadable))
        ids = tuple(image_id for image_id in criteria.ids if image_id not in unreadable)
        if not len(labels) or (criteria.ids and not ids):
            raise InputError(f"none of the photographs can be read: {describe_unreadable(list(unreadable.values()))}")
        selection = select_photographs(predictions, replace(criteria, ids=ids), config.split)
        explained = gather_units(labels, predictions, selection, opened.header.architecture)
        rows = explained.photographs
        reasons = find_unreadable(map(Path, rows["path"]), config.workers)
        if not reasons:
            return ExplainInputs(predictions, selection, explained, unreadable)
        sentence = describe_unreadable(list(reasons.values()))
        if not config.keep_going:
            raise UnreadablePhotographsError(sentence)
        warn(f"skipping photographs that cannot be read: {sentence}")
        id_of = dict(zip(map(Path, rows["path"]), rows["image_id"], strict=True))
        unreadable = unreadable | {id_of[path]: reason for path, reason in reasons.items()}


def gather_units(
    labels: Labels, predictions: Predictions, selection: Selection, architecture: Architecture
) -> ExplainedUnits:
    """Find the units of the selected photographs.

    Args:
        labels: The photographs of the data sets.
        predictions: The predictions of whole units of them, including those of the selection.
        selection: The selected photographs.
        architecture: Architecture of the run's networks, which defines the units.
    """
    rows = _with_predictions(labels, predictions)
    rows = rows.assign(picked=rows["image_id"].isin(selection.image_ids))
    graded = replace(labels, rows=rows.assign(patient_id=rows["graded_patient_id"]))
    units = build_units(graded, architecture.unit, architecture.num_slots)
    row_of = {image_id: number for number, image_id in enumerate(rows["image_id"])}
    selected = units.unit_of[[row_of[image_id] for image_id in selection.image_ids]]
    numbers = np.array(list(dict.fromkeys(selected.tolist())), dtype=np.int64)
    return ExplainedUnits(rows, units, numbers, labels.roots)


def check_references(explained: ExplainedUnits) -> None:
    """Check that all photographs to explain have a reference grade.

    Raises:
        InputError: some have none.
    """
    unknown = explained.photographs["image_id"][explained.photographs["reference"].isna()].tolist()
    if unknown:
        raise InputError(f"--target-grade reference: the reference grade of {first_few(unknown)} is not known")


def _with_predictions(labels: Labels, predictions: Predictions) -> pd.DataFrame:
    """The rows of the graded photographs in the labels' order, with columns of the predictions."""
    graded = predictions.rows.assign(
        reference=predictions.rows[grade_column(predictions.meta.target)],
        patient=predictions.patients(),
        graded_patient_id=predictions.rows["patient_id"],
    )
    columns = ["split", "fold", "reference", "predicted_grade", "score", "patient", "graded_patient_id"]
    known = labels.rows[["image_id", "path", "patient_id", "eye", "view"]]
    return known.merge(graded[["image_id", *columns]], on="image_id")
