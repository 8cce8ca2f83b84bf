"""Photographs in a folder, with a CSV of one's own or with none."""

from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.records.labels import build_rows, image_stem
from drkit.records.layouts.layout import Layout, folders_of_split, photograph_rows, split_of_table
from drkit.records.layouts.names import parse_eye, parse_name, split_of_name
from drkit.records.layouts.tables import Table

IMAGE_COLUMNS = (
    "image_id", "image", "image_name", "name", "filename", "file_name", "file", "image_path", "img_path",
    "path", "id",
)  # fmt: skip
_PATH_COLUMNS = (
    "path",
    "image_path",
    "img_path",
    "filename",
    "file_name",
    "file",
    "image",
    "image_name",
    "name",
)
UNNAMED_GRADES = (
    "grade", "label", "level", "diagnosis", "dr", "dr_grade", "dr_level", "retinopathy_grade",
    "adjudicated_dr_grade",
)  # fmt: skip
NAMED_GRADES = ("eye_grade", "patient_grade")


def names_target(table: Table) -> bool:
    """Whether the table says whose grade it holds."""
    return table.first(NAMED_GRADES) is not None


def eyes(table: Table, column: str) -> pd.Series:
    """Left or right, null where blank.

    Raises:
        InputError: another word.
    """
    cells = table.text(column)
    return _translate(table, cells, cells.map(parse_eye, na_action="ignore"), "left or right")


def splits(table: Table, column: str) -> pd.Series:
    """Train, val or test; the file's own where blank.

    Raises:
        InputError: another word.
    """
    cells = table.text(column)
    found = _translate(table, cells, cells.map(split_of_name, na_action="ignore"), "train, val or test")
    return found.fillna(split_of_table(table))


def list_photographs(root: Path, photographs: list[Path]) -> pd.DataFrame:
    """Rows of a folder without a CSV: no grades, split test; `347_l1` still tells patient, eye and view."""
    names = [parse_name(image_stem(photograph.name)) for photograph in photographs]
    return build_rows(
        image_id=[image_stem(photograph.name) for photograph in photographs],
        path=[str(photograph) for photograph in photographs],
        patient_id=[name.patient_id for name in names],
        eye=[name.eye for name in names],
        view=[name.view for name in names],
        split=["test"] * len(photographs),
    )


def _parse(table: Table) -> pd.DataFrame:
    image = table.first(IMAGE_COLUMNS)
    assert image is not None, "a table that fits has an image column"
    unnamed = None if names_target(table) else table.first(UNNAMED_GRADES)
    return photograph_rows(
        table,
        table.ids(image),
        path=table.ids(table.first(_PATH_COLUMNS) or image),
        patient_id=table.text("patient_id"),
        eye=eyes(table, "eye"),
        eye_grade=table.grades(unnamed or "eye_grade"),
        patient_grade=table.grades("patient_grade"),
        split=splits(table, "split"),
    )


def _translate(table: Table, cells: pd.Series, found: pd.Series, expected: str) -> pd.Series:
    odd = cells.notna() & found.isna()
    table.refuse(odd, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is not {expected}")
    return found.astype("string")


def _fits(table: Table) -> bool:
    graded = table.first(NAMED_GRADES + UNNAMED_GRADES) is not None
    return graded or split_of_name(table.path.stem) == "test"


def _parse_nothing(table: Table) -> pd.DataFrame:
    raise InputError(f"{table.path}: a folder without a CSV has no table")


PLAIN = Layout(
    title="a plain table",
    summary="a CSV of one's own with an image column (image_id, file, ...) and grades (grade, label, ...)",
    needs=(IMAGE_COLUMNS,),
    marks=frozenset({*IMAGE_COLUMNS, *UNNAMED_GRADES, *NAMED_GRADES}),
    parse=_parse,
    fits=_fits,
    folders=folders_of_split,
)

FOLDER = Layout(
    title="a folder of photographs",
    summary="a folder of photographs without a CSV: no grades, all of split test",
    needs=(),
    marks=frozenset(),
    parse=_parse_nothing,
)
