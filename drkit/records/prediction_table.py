"""Predictions as a CSV for spreadsheets: grades, probabilities, referral and quality warnings."""

from collections.abc import Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from drkit.records.atomic import writing
from drkit.records.prediction_columns import PROBABILITY_COLUMNS
from drkit.records.predictions import Predictions

PHOTOGRAPH_COLUMNS = ["image_id", "patient_id", "eye", "view", "split"]


def write_table(
    predictions: Predictions, is_referable: ArrayLike, warnings: Sequence[Sequence[str]], path: Path, *, force: bool
) -> None:
    """Write one row for each photograph.

    Args:
        predictions: Predictions for N photographs.
        is_referable: (N,) whether the photograph is a reason to refer the patient.
        warnings: N lists of reasons to distrust the grade; a cell has them separated by semicolons.
        path: The CSV (UTF-8).
        force: Overwrite an existing file.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    columns = [*PHOTOGRAPH_COLUMNS, "predicted_grade", "score", *PROBABILITY_COLUMNS]
    table = predictions.rows[columns].assign(referable=is_referable, warnings=["; ".join(each) for each in warnings])
    with writing(path, force=force) as draft:
        table.to_csv(draft, index=False, lineterminator="\n", float_format="%.4f")
