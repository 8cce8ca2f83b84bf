"""The photographs that are explained, with those that were graded together with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from drkit.data.units import Batch, Unit, Units, build_units
from drkit.errors import InputError, first_few
from drkit.explaining.picking import Picked
from drkit.grades import grade_column
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions

BATCH_SIZE = 16  # photographs; see tests/benchmarks/explain.py


@dataclass(frozen=True)
class Part:
    """Some units that the same networks are asked about.

    Args:
        batch: Their photographs, by row number of the cohort.
        fold: The fold that held them out; None where all folds may speak.
    """

    batch: Batch
    fold: int | None


@dataclass(frozen=True)
class Cohort:
    """The photographs of a data set, and which of its units are explained.

    Args:
        rows: A row a photograph of the data set: `image_id`, `path`, `patient_id`, `eye`, `split`, and, where the run
            has graded it, `reference`, `predicted_grade`, `score`, `fold`, `patient` (a key) and `picked`.
        units: What is graded together.
        numbers: The explained units, in the order in which they are shown.
        roots: The data sets' folders.
    """

    rows: pd.DataFrame
    units: Units
    numbers: np.ndarray
    roots: tuple[Path, ...]

    @property
    def explained(self) -> pd.DataFrame:
        """The rows of the photographs that are explained."""
        return self.rows.iloc[np.concatenate([self.units.rows_of[number] for number in self.numbers])]

    @property
    def num_photographs(self) -> int:
        """How many are explained."""
        return len(self.explained)

    def parts(self) -> Iterator[Part]:
        """Batches in the order of showing, none of two folds."""
        folds = self.rows["fold"].to_numpy(dtype=object, na_value=None)
        of_unit = [folds[self.units.rows_of[number][0]] for number in self.numbers]
        for fold in dict.fromkeys(of_unit):
            chosen = self.numbers[[one == fold for one in of_unit]]
            step = max(1, BATCH_SIZE // self.units.num_slots)
            for start in range(0, len(chosen), step):
                yield Part(self.units.batch(chosen[start : start + step]), None if fold is None else int(fold))

    @property
    def num_parts(self) -> int:
        """How many batches there are."""
        return sum(1 for _ in self.parts())


def gather_cohort(labels: Labels, predictions: Predictions, picked: Picked, architecture: Architecture) -> Cohort:
    """Find the picked photographs in a data set, and the units they belong to.

    Raises:
        InputError: photographs that the data set has not, or a unit with photographs that the run has not graded.
    """
    found = labels.rows["image_id"].isin(picked.image_ids)
    missing = sorted(set(picked.image_ids) - set(labels.rows["image_id"][found]))
    if missing:
        raise InputError(
            f"{labels.title} has no {first_few(missing)}: name with --data the data sets that the run has graded"
        )
    rows = _with_predictions(labels, predictions).assign(picked=found.to_numpy())
    units = build_units(labels, cast(Unit, architecture.unit), architecture.num_slots)
    place = {image_id: number for number, image_id in enumerate(rows["image_id"])}
    of_picked = units.unit_of[[place[image_id] for image_id in picked.image_ids]]
    numbers = np.array(list(dict.fromkeys(of_picked.tolist())), dtype=np.int64)
    cohort = Cohort(rows, units, numbers, labels.roots)
    ungraded = cohort.explained["image_id"][cohort.explained["predicted_grade"].isna()].tolist()
    if ungraded:
        raise InputError(
            f"{predictions.name} has not graded {first_few(ungraded)}, of the same {architecture.unit} as picked"
            " photographs: grade them with drkit predict, and name the file with --predictions"
        )
    return cohort


def check_references(cohort: Cohort) -> None:
    """Check that the reference grade of every explained photograph is known.

    Raises:
        InputError: some are not.
    """
    unknown = cohort.explained["image_id"][cohort.explained["reference"].isna()].tolist()
    if unknown:
        raise InputError(f"--target-grade reference: the reference grade of {first_few(unknown)} is not known")


def _with_predictions(labels: Labels, predictions: Predictions) -> pd.DataFrame:
    """The labels' rows in their order, with what the run says of them."""
    graded = predictions.rows.assign(
        reference=predictions.rows[grade_column(predictions.meta.target)], patient=predictions.patients()
    )
    graded = graded[["image_id", "split", "fold", "reference", "predicted_grade", "score", "patient"]]
    graded = graded.astype({"predicted_grade": "Int8"})
    known = labels.rows[["image_id", "path", "patient_id", "eye", "split"]]
    joined = known.merge(graded, on="image_id", how="left", suffixes=("", "_graded"))
    joined["split"] = joined["split_graded"].fillna(joined["split"])
    return joined.drop(columns="split_graded")
