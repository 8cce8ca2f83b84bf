"""Predictions as a CSV for people and spreadsheets: grades, probabilities, referral and quality warnings."""

from collections.abc import Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from drkit.records.atomic import writing
from drkit.records.prediction_columns import PROBABILITY_COLUMNS
from drkit.records.predictions import Predictions

KNOWN = ["image_id", "patient_id", "eye", "view", "split"]


def write_table(
    predictions: Predictions, is_referable: ArrayLike, warnings: Sequence[Sequence[str]], path: Path, *, force: bool
) -> None:
    """Write a row a photograph.

    Args:
        predictions: Of N photographs.
        is_referable: (N,) whether each is reason to refer the patient.
        warnings: N times why its grade deserves less trust; several in one cell, with semicolons between them.
        path: The CSV (UTF-8).
        force: Overwrite it.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    columns = [*KNOWN, "predicted_grade", "score", *PROBABILITY_COLUMNS]
    table = predictions.rows[columns].assign(referable=is_referable, warnings=["; ".join(each) for each in warnings])
    with writing(path, force=force) as draft:
        table.to_csv(draft, index=False, lineterminator="\n", float_format="%.4f")
