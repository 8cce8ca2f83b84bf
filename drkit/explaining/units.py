"""The units to explain: the selected photographs, and those that are graded together with them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from drkit.data.units import Batch, Unit, Units, build_units
from drkit.errors import InputError, first_few
from drkit.explaining.selection import Selection
from drkit.grades import grade_column
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions

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
    units = build_units(graded, cast(Unit, architecture.unit), architecture.num_slots)
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
