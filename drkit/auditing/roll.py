"""The roll: the photographs of all data sets that are audited together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from drkit.records.layouts.survey import Survey

# Beside the canonical columns and `where`: the data set as it was given, and its folder.


def call_the_roll(surveys: Sequence[tuple[Path, Survey]]) -> pd.DataFrame:
    """Canonical rows of all data sets with `where`, `source` and `root`; a row that was given twice stands once."""
    parts = [survey.rows.assign(source=str(path), root=str(survey.root)) for path, survey in surveys]
    rows = pd.concat(parts, ignore_index=True)
    return rows.drop_duplicates(["root", "where"], ignore_index=True)


def describe(rows: pd.DataFrame) -> str:
    """`410_l1 (val, patient 410) and 420_l2 (test, patient 420)`, five at most; data sets where they are several."""
    several = rows["root"].nunique() > 1
    names = [_describe_row(row, several=several) for row in rows.head(5).itertuples()]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{', '.join(names)}{more}" if more or len(names) != 2 else " and ".join(names)


def _describe_row(row: object, *, several: bool) -> str:
    values = row._asdict()  # type: ignore[attr-defined]
    patient = [] if pd.isna(values["patient_id"]) else [f"patient {values['patient_id']}"]
    source = [Path(values["source"]).name] if several else []
    return f"{values['image_id']} ({', '.join([*source, values['split'], *patient])})"
