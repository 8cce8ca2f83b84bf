"""The units that are explained: the selected photographs and those graded together with them."""

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
    """Some units that the same networks explain.

    Args:
        numbers: Their numbers among all units.
        units: Their photographs, by row number among the explained.
        fold: The fold that held them out; None: all folds explain them.
    """

    numbers: np.ndarray
    units: Batch
    fold: int | None


@dataclass(frozen=True)
class ExplainedUnits:
    """The graded photographs of a data set, and which of its units are explained.

    Args:
        rows: A row a graded photograph: `image_id`, `path`, `patient_id`, `eye` and `view` of the data set; `split`,
            `fold`, `reference`, `predicted_grade`, `score`, `patient` (a key) and `graded_patient_id` of the
            predictions; `picked`.
        units: What is graded together.
        numbers: The explained units, in the order in which they are shown.
        roots: The data sets' folders.
    """

    rows: pd.DataFrame
    units: Units
    numbers: np.ndarray
    roots: tuple[Path, ...]

    @property
    def photographs(self) -> pd.DataFrame:
        """The rows of the photographs that are explained."""
        return self.rows.iloc[np.concatenate([self.units.rows_of[number] for number in self.numbers])]

    @property
    def num_photographs(self) -> int:
        """How many are explained."""
        return len(self.photographs)

    @property
    def batch_size(self) -> int:
        """Units in a batch."""
        return max(1, BATCH_SIZE // self.units.num_slots)

    def batches(self) -> Iterator[ExplainBatch]:
        """Batches in the order in which they are shown, each of one fold."""
        folds = self.rows["fold"].to_numpy(dtype=object, na_value=None)
        of_unit = [folds[self.units.rows_of[number][0]] for number in self.numbers]
        for fold in dict.fromkeys(of_unit):
            chosen = self.numbers[[each == fold for each in of_unit]]
            for start in range(0, len(chosen), self.batch_size):
                yield self.batch(chosen[start : start + self.batch_size], None if fold is None else int(fold))

    def batch(self, numbers: np.ndarray, fold: int | None) -> ExplainBatch:
        """A batch of the units with these numbers, which `fold` held out."""
        return ExplainBatch(numbers, self.units.batch(numbers), fold)

    @property
    def num_batches(self) -> int:
        """How many batches there are."""
        return sum(1 for _ in self.batches())


def gather_units(
    labels: Labels, predictions: Predictions, selection: Selection, architecture: Architecture
) -> ExplainedUnits:
    """The selected photographs, and the units in which the run graded them.

    Args:
        labels: The data sets.
        predictions: Of photographs of them, whole units, the selected ones among them.
        selection: The photographs to explain.
        architecture: Of the run's networks, which says what a unit is.
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
    """Check that the reference grade of every explained photograph is known.

    Raises:
        InputError: some are not.
    """
    unknown = explained.photographs["image_id"][explained.photographs["reference"].isna()].tolist()
    if unknown:
        raise InputError(f"--target-grade reference: the reference grade of {first_few(unknown)} is not known")


def _with_predictions(labels: Labels, predictions: Predictions) -> pd.DataFrame:
    """The rows of the graded photographs in the labels' order, with what the run says of them."""
    graded = predictions.rows.assign(
        reference=predictions.rows[grade_column(predictions.meta.target)],
        patient=predictions.patients(),
        graded_patient_id=predictions.rows["patient_id"],
    )
    columns = ["split", "fold", "reference", "predicted_grade", "score", "patient", "graded_patient_id"]
    known = labels.rows[["image_id", "path", "patient_id", "eye", "view"]]
    return known.merge(graded[["image_id", *columns]], on="image_id")
