"""The data set of our clinic: clinic.csv with scan, case, side and icdr, and photographs in scans/."""

import pandas as pd

from drkit.grades import Split
from drkit.records.layouts.layout import Layout, photograph_rows
from drkit.records.layouts.names import parse_eye
from drkit.records.layouts.tables import RawTable


def _parse(table: RawTable) -> pd.DataFrame:
    return photograph_rows(
        table,
        table.ids("scan"),
        patient_id=table.text("case"),
        eye=table.words("side", parse_eye, "OD or OS"),
        eye_grade=table.grades("icdr"),
    )


def _folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return ("scans", ".")


CLINIC = Layout(
    title="our clinic's data",
    summary="our clinic's data: clinic.csv with scan, case, side and icdr, photographs in scans/",
    needs=(("scan",), ("case",), ("icdr",)),
    marks=frozenset({"scan", "icdr"}),
    parse=_parse,
    folders=_folders,
)
