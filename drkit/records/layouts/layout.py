"""What a layout is, and what all of them share."""

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

_FOLDERS_OF_TABLES = ("labels", "label", "annotations", "annotation", "csv", "csvs", "metadata", "tables", "splits")


def _always(table: RawTable) -> bool:
    return True


def _no_rows(table: RawTable) -> pd.DataFrame:
    raise InputError(f"{table.path}: a folder of photographs has no table")


def _no_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return ()


def _beside(csv_path: Path) -> Path:
    return csv_path.parent


def above_labels(csv_path: Path) -> Path:
    """The folder of a table, or the one above it where the table lies in a folder of tables: `labels/train.csv`."""
    folder = csv_path.parent
    return folder.parent if folder.name.lower() in _FOLDERS_OF_TABLES else folder


def _all(tables: Sequence[RawTable]) -> list[RawTable]:
    return list(tables)


@dataclass(frozen=True)
class Layout:
    """One way in which a data set comes.

    Args:
        title: How sentences call it.
        summary: One line: the files and columns it is recognised by.
        needs: For every needed column its accepted names.
        marks: Columns that betray a table as this layout's although a needed one is missing.
        named: Whether the layout's own rule is that names tell patient and eye.
        patients_from: What would tell the patients where nothing does.
        parse: Turns a table into canonical rows, `path` still as the file spells it.
        fits: Whether a table that has the needed columns is this layout's.
        folders: Where the photographs of a table and split lie, from the CSV's folder, likeliest first.
        root: The data set's folder, from the path of one of its CSVs.
        choose: Which of several tables count, where the source ships alternatives.
        package: Name and version of the package that adds it, set by `drkit.plugins.Registry`; empty: drkit itself.
    """

    title: str
    summary: str
    needs: tuple[tuple[str, ...], ...] = ()
    marks: frozenset[str] = frozenset()
    parse: Callable[[RawTable], pd.DataFrame] = _no_rows
    named: bool = False
    patients_from: str = "a column patient_id"
    fits: Callable[[RawTable], bool] = _always
    folders: Callable[[RawTable, Split], tuple[str, ...]] = _no_folders
    root: Callable[[Path], Path] = _beside
    choose: Callable[[Sequence[RawTable]], list[RawTable]] = _all
    package: str = ""

    def missing(self, table: RawTable) -> list[str]:
        """The needed columns that a table lacks."""
        return [" or ".join(names) for names in self.needs if table.first(names) is None]

    def marks_of(self, table: RawTable) -> list[str]:
        """Those of its marks that the table has, by their names in the table's cells."""
        return [key for key in map(table.find, sorted(self.marks)) if key]

    def recognises(self, table: RawTable) -> bool:
        """Whether the table is this layout's."""
        return not self.missing(table) and self.fits(table)


def photograph_rows(table: RawTable, ids: pd.Series, **columns: object) -> pd.DataFrame:
    """Canonical rows of a table's photographs.

    Args:
        table: Gives patient, eye and split where it has columns for them (split goes before that of `columns`), and
            the quality columns.
        ids: Ids or file names; `path` defaults to them.
        columns: Other canonical columns, each a Series over the table's rows or one value.
    """
    found = {name: table.first((name, name.replace("_", " "))) for name in QUALITY_COLUMNS}
    given = {
        "path": ids,
        "split": split_of_table(table),
        **{name: table.whole(column) for name, column in found.items() if column is not None},
        **columns,
    }
    rows = build_rows(
        image_id=ids.map(image_stem).astype("string"),
        **{name: _series(value, table) for name, value in given.items()},
    )
    people = read_people(table)
    return rows.assign(
        patient_id=rows["patient_id"].fillna(people["patient_id"]),
        eye=rows["eye"].fillna(people["eye"]),
        split=people["split"].fillna(rows["split"]),
    )


def split_of_table(table: RawTable, graded: bool = True) -> Split:
    """The split a file's name tells; else train with grades, test without."""
    return split_of_name(table.stem) or ("train" if graded else "test")


def check_graded(table: RawTable, columns: Sequence[str]) -> None:
    """Check that only a test table goes without grades.

    Raises:
        InputError: a train or val table without one of `columns`.
    """
    lacking = [column for column in columns if not table.has(column)]
    if lacking and (len(lacking) < len(columns) or split_of_name(table.stem) in ("train", "val")):
        raise InputError(
            f"{table.path} lacks column {' and '.join(lacking)} (found: {table.columns}):"
            " only a test table may go without grades"
        )


def folders_of_split(table: RawTable, split: Split) -> tuple[str, ...]:
    """`train` and its like, first the folder called as the CSV."""
    return (table.stem, *split_folders(split))


def resized_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    """`resized train 15` above `labels/trainLabels15.csv`, as the collection of both contests has them."""
    year = re.search(r"(?<![0-9])(?:20)?(15|19)$", table.stem)
    return (f"../resized {split} {year[1]}", f"resized {split} {year[1]}") if year else ()


def _series(value: object, table: RawTable) -> pd.Series:
    return value if isinstance(value, pd.Series) else pd.Series(value, index=table.cells.index)
