"""drkit's own labels.csv, as `write_labels` writes it."""

import pandas as pd

from drkit.records.layouts.layout import Layout, photograph_rows
from drkit.records.layouts.tables import RawTable


def _parse(table: RawTable) -> pd.DataFrame:
    return photograph_rows(
        table,
        table.ids("image_id"),
        path=table.ids("path"),
        view=table.integers("view") if table.has("view") else pd.NA,
        eye_grade=table.grades("eye_grade"),
        patient_grade=table.grades("patient_grade"),
        gradable=table.flags("gradable", blank=True),
    )


CANONICAL = Layout(
    title="drkit's labels.csv",
    summary="drkit's own labels.csv: image_id, path, split, eye_grade and patient_grade",
    needs=(("image_id",), ("path",), ("split",), ("eye_grade",), ("patient_grade",)),
    marks=frozenset({"path", "eye_grade", "patient_grade", "gradable"}),
    parse=_parse,
)
