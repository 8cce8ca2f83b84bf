"""A table of no known data set, whose columns are recognised by their names and cells."""

import pandas as pd

from drkit.grades import Split
from drkit.records.layouts.columns import find_image, find_roles, states_grades
from drkit.records.layouts.layout import Layout, above_labels, folders_of_split, photograph_rows
from drkit.records.layouts.names import split_of_name
from drkit.records.layouts.tables import RawTable


def _parse(table: RawTable) -> pd.DataFrame:
    roles = find_roles(table)
    return photograph_rows(
        table,
        table.ids(roles.image),
        path=table.ids(roles.path),
        eye_grade=table.grades(roles.grade or "eye_grade"),
        patient_grade=table.grades("patient_grade"),
    )


def _fits(table: RawTable) -> bool:
    return find_image(table) is not None and (states_grades(table) or split_of_name(table.stem) == "test")


def _folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return (*folders_of_split(table, split), *(f"../{name}" for name in folders_of_split(table, split)))


PLAIN = Layout(
    title="a plain table",
    summary="any CSV with a column of images (image_id, file, ...) and one of grades (grade, label, ...)",
    needs=(),
    marks=frozenset(),
    parse=_parse,
    fits=_fits,
    folders=_folders,
    root=above_labels,
)
