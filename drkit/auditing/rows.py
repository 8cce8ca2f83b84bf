"""The rows of all audited data sets in one table."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from drkit.records.layouts.survey import Survey


def concat_surveys(surveys: Sequence[tuple[Path, Survey]]) -> pd.DataFrame:
    """Concatenate the rows of all data sets; a row of a data set given twice is kept once.

    Args:
        surveys: Path of each data set as given, and its survey.

    Returns:
        The canonical columns, and `where` (file and row), `source` (the path as given) and `root` (the folder).
    """
    parts = [survey.rows.assign(source=str(path), root=str(survey.root)) for path, survey in surveys]
    rows = pd.concat(parts, ignore_index=True)
    return rows.drop_duplicates(["root", "where"], ignore_index=True)


def describe(rows: pd.DataFrame) -> str:
    """List up to five rows: `410_l1 (val, patient 410) and 420_l2 (test, patient 420)`."""
    with_source = rows["root"].nunique() > 1
    names = [_describe_row(row, with_source=with_source) for row in rows.head(5).itertuples()]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{', '.join(names)}{more}" if more or len(names) != 2 else " and ".join(names)


def _describe_row(row: object, *, with_source: bool) -> str:
    values = row._asdict()  # type: ignore[attr-defined]
    patient = [] if pd.isna(values["patient_id"]) else [f"patient {values['patient_id']}"]
    source = [Path(values["source"]).name] if with_source else []
    return f"{values['image_id']} ({', '.join([*source, values['split'], *patient])})"
