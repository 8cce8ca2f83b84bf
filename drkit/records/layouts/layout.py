"""The definition of a data set's layout, and functions that all layouts share."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.grades import Split
from drkit.records.labels import QUALITY_COLUMNS, build_rows, image_stem
from drkit.records.layouts.columns import read_people
from drkit.records.layouts.names import split_folders, split_of_name
from drkit.records.layouts.tables import RawTable

_TABLE_FOLDERS = ("labels", "label", "annotations", "annotation", "csv", "csvs", "metadata", "tables", "splits")


def _fits_every_table(table: RawTable) -> bool:
    return True


def _refuse_to_parse(table: RawTable) -> pd.DataFrame:
    raise InputError(f"{table.path}: a folder of photographs has no table")


def _no_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return ()


def _folder_of(csv_path: Path) -> Path:
    return csv_path.parent


def above_labels(csv_path: Path) -> Path:
    """The folder of a table or, if that is a folder of tables as in `labels/train.csv`, its parent."""
    folder = csv_path.parent
    return folder.parent if folder.name.lower() in _TABLE_FOLDERS else folder


def _choose_all(tables: Sequence[RawTable]) -> list[RawTable]:
    return list(tables)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The files, columns and folders in which a data set is distributed.

    Args:
        title: Name of the layout in messages.
        summary: One line with the files and columns by which the layout is recognised.
        needs: Accepted names of each required column.
        marks: Columns that indicate this layout even if a required column is missing.
        names_tell_patients: Whether the layout defines that a photograph's name states its patient and eye.
        patients_from: What a message recommends to add if the patients are unknown.
        parse: Converts a table to canonical rows, with `path` as the table spells it.
        fits: Whether a table with the required columns is of this layout.
        folders: Folders of the photographs of a table and split, relative to the table's, most likely first.
        root: Returns the data set's folder for the path of one of its tables.
        choose: Selects the tables to read if the source contains alternatives.
        package: Name and version of the package that adds the layout, set by `drkit.plugins.Registry`; empty for
            drkit's own.
    """

    title: str
    summary: str
    needs: tuple[tuple[str, ...], ...] = ()
    marks: frozenset[str] = frozenset()
    parse: Callable[[RawTable], pd.DataFrame] = _refuse_to_parse
    names_tell_patients: bool = False
    patients_from: str = "a column patient_id"
    fits: Callable[[RawTable], bool] = _fits_every_table
    folders: Callable[[RawTable, Split], tuple[str, ...]] = _no_folders
    root: Callable[[Path], Path] = _folder_of
    choose: Callable[[Sequence[RawTable]], list[RawTable]] = _choose_all
    package: str = ""

    def missing(self, table: RawTable) -> list[str]:
        """The required columns that a table does not have."""
        return [" or ".join(names) for names in self.needs if table.first(names) is None]

    def marks_of(self, table: RawTable) -> list[str]:
        """The columns among `marks` that a table has, by their names in the table's cells."""
        return [key for key in map(table.find, sorted(self.marks)) if key]

    def recognises(self, table: RawTable) -> bool:
        """Whether a table is of this layout."""
        return not self.missing(table) and self.fits(table)


def photograph_rows(table: RawTable, ids: pd.Series, **columns: object) -> pd.DataFrame:
    """Canonical rows of a table's photographs.

    Args:
        table: The table that lists the photographs. Its columns of patient, eye and quality are read in addition to
            `columns`; its column of splits overrides `split` in `columns`.
        ids: Ids or file names; also the default of `path`.
        columns: Other canonical columns; each is a Series over the table's rows, or one value for all rows.
    """
    quality = {name: table.first((name, name.replace("_", " "))) for name in QUALITY_COLUMNS}
    columns = {
        "path": ids,
        "split": split_of_table(table),
        **{name: table.integers(column) for name, column in quality.items() if column is not None},
        **columns,
    }
    rows = build_rows(
        image_id=ids.map(image_stem).astype("string"),
        **{
            name: value if isinstance(value, pd.Series) else pd.Series(value, index=table.cells.index)
            for name, value in columns.items()
        },
    )
    people = read_people(table)
    return rows.assign(
        patient_id=rows["patient_id"].fillna(people["patient_id"]),
        eye=rows["eye"].fillna(people["eye"]),
        split=people["split"].fillna(rows["split"]),
    )


def split_of_table(table: RawTable, graded: bool = True) -> Split:
    """The split in the table's file name; otherwise train for a table with grades and test for one without."""
    return split_of_name(table.stem) or ("train" if graded else "test")


def check_graded(table: RawTable, columns: Sequence[str]) -> None:
    """Check that a table has all of its columns of grades, or is a test table without any.

    Raises:
        InputError: some of `columns` are missing, or all of them in a train or val table.
    """
    missing = [column for column in columns if not table.has(column)]
    if missing and (len(missing) < len(columns) or split_of_name(table.stem) in ("train", "val")):
        raise InputError(
            f"{table.path} lacks column {' and '.join(missing)} (found: {table.columns}):"
            " only a test table may have no grades"
        )


def folders_of_split(table: RawTable, split: Split) -> tuple[str, ...]:
    """Folders named after a split (`train`, `training`), preceded by the folder named after the table."""
    return (table.stem, *split_folders(split))


def resized_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    """`resized train 15` beside `labels/` for `labels/trainLabels15.csv`, as in the collection of both competitions."""
    year = re.search(r"(?<![0-9])(?:20)?(15|19)$", table.stem)
    return (f"../resized {split} {year[1]}", f"resized {split} {year[1]}") if year else ()
