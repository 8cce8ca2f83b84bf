"""drkit's own labels.csv, as `write_labels` writes it."""

import pandas as pd

from drkit.records.layouts.layout import Layout, photograph_rows
from drkit.records.layouts.plain import eyes, splits
from drkit.records.layouts.tables import Table

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def _parse(table: Table) -> pd.DataFrame:
    return photograph_rows(
        table,
        table.ids("image_id"),
        path=table.ids("path"),
        patient_id=table.text("patient_id"),
        eye=eyes(table, "eye"),
        view=table.whole("view") if table.has("view") else pd.NA,
        eye_grade=table.grades("eye_grade"),
        patient_grade=table.grades("patient_grade"),
        gradable=_gradable(table),
        split=splits(table, "split"),
    )


def _gradable(table: Table) -> pd.Series:
    cells = table.text("gradable").str.lower()
    odd = cells.notna() & ~cells.isin(_TRUTHS)
    table.refuse(odd, "unknown-word", lambda row: f"gradable '{cells[row]}' is neither True nor False")
    return cells.map(_TRUTHS)


CANONICAL = Layout(
    title="drkit's labels.csv",
    summary="drkit's own labels.csv: image_id, path, split, eye_grade and patient_grade",
    needs=(("image_id",), ("path",), ("split",), ("eye_grade",), ("patient_grade",)),
    marks=frozenset({"path", "eye_grade", "patient_grade", "gradable"}),
    parse=_parse,
)
