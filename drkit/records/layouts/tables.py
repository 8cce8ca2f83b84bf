"""Tables of text cells, with columns that are found by name."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.records.layouts.cells import TABLE_SUFFIXES, read_cells
from drkit.records.layouts.grade_words import describe_off_scale, on_scale, read_grades

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
BLANK = ("", "nan", "na", "n/a", "null", "none", "<na>")


@dataclass(frozen=True)
class RawTable:
    """A table whose cells are still text.

    Case, spaces, hyphens and underscores in the names of columns are ignored.

    Args:
        path: The table's file.
        cells: Stripped text. Column names are in lower case with single spaces, without repetitions; the index is the
            row number in an editor minus two.
        header: Column names as the file spells them, by their name in `cells`.
        taken: Columns that have been read, by their name in `cells`.
        guesses: The canonical columns that were read from columns of other names, by the name in `cells`.
    """

    path: Path
    cells: pd.DataFrame
    header: dict[str, str]
    taken: set[str] = field(default_factory=set)
    guesses: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The file's name without its suffix (`.csv`, `.csv.gz`, ...)."""
        return stem_of(self.path)

    @property
    def columns(self) -> str:
        """The columns as the file spells them, for messages."""
        return ", ".join(self.header.values()) or "none"

    @property
    def unread(self) -> list[str]:
        """The columns that have not been read, as the file spells them, except a saved index."""
        return [name for key, name in self.header.items() if key not in self.taken and not key.startswith("unnamed:")]

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {_loosen(key): key for key in reversed(self.header)} | {key: key for key in self.header}

    def guess(self, canonical: str, key: str | None) -> str | None:
        """Note that a canonical column is read from column `key` of another name, unless `key` has been read before."""
        if key and key not in (canonical, *self.taken):
            self.guesses[key] = canonical
        return key

    def find(self, column: str) -> str | None:
        """Find the name in `cells` of a column that is called `column`, or None."""
        return self._keys.get(column) or self._keys.get(_loosen(column))

    def has(self, *columns: str) -> bool:
        """Whether the table has all of `columns`."""
        return all(self.find(column) for column in columns)

    def first(self, columns: Iterable[str]) -> str | None:
        """The first of `columns` that the table has, by its name in `cells`, or None."""
        return next(filter(None, map(self.find, columns)), None)

    def where(self, index: int) -> str:
        """A row's location for messages: `train.csv row 12`."""
        return f"{self.name} row {index + 2}"

    def refuse(self, wrong: pd.Series, kind: str, sentence: Callable[[int], str]) -> None:
        """Raise an error for the first wrong row; a survey's tables note all wrong rows instead.

        Args:
            wrong: Whether each row of the table is wrong (bool).
            kind: Kind of the problem, such as `grade-off-scale`.
            sentence: Returns what is wrong with the row of an index.

        Raises:
            InputError: a row is wrong.
        """
        if wrong.any():
            row = int(wrong.idxmax())
            raise InputError(f"{self.where(row)}: {sentence(row)}")

    def text(self, column: str | None) -> pd.Series:
        """A column's cells, null where blank; all null if the table does not have the column."""
        key = self.find(column) if column else None
        if key:
            self.taken.add(key)
        return self.peek(column)

    def peek(self, column: str | None) -> pd.Series:
        """Like `text`, but the column does not count as read."""
        key = self.find(column) if column else None
        if key is None:
            return pd.Series(pd.NA, index=self.cells.index, dtype="string")
        cells = self.cells[key]
        return cells.mask(cells.str.lower().isin(BLANK)).rename(self.header[key])

    def ids(self, column: str) -> pd.Series:
        """A column's cells, all of which must be filled.

        Raises:
            InputError: an empty cell.
        """
        key = self.find(column) or column
        self.taken.add(key)
        cells = self.cells[key]
        sentence = f"column {self.header[key]} is empty: every photograph needs an id"
        self.refuse(cells == "", "empty-id", lambda row: sentence)
        return cells

    def grades(self, column: str | None) -> pd.Series:
        """A column's grades, written as numbers or words, as Int8 0-5; null where blank.

        Raises:
            InputError: a cell is off the scale.
        """
        cells = self.text(column)
        grades = read_grades(cells)
        off = cells.notna() & ~on_scale(grades)
        self.refuse(off, "grade-off-scale", lambda row: describe_off_scale(cells, off, row))
        return grades.mask(off).astype("Int8")

    def integers(self, column: str) -> pd.Series:
        """A column's integers as Int16; null where blank.

        Raises:
            InputError: a cell is not an integer from -9999 to 9999.
        """
        cells = self.text(column)
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = cells.notna() & (numbers.isna() | (numbers % 1 != 0) | (numbers.abs() > 9999)).fillna(True)
        self.refuse(wrong, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is not a whole number: correct it")
        return numbers.mask(wrong).astype("Int16")

    def words(self, column: str | None, parse: Callable[[str], object], expected: str) -> pd.Series:
        """A column's cells, converted by `parse`, as strings; null where blank.

        Args:
            column: Name of the column, or None for all null.
            parse: Returns the value of a cell, or None for an invalid one.
            expected: The accepted words, for the message.

        Raises:
            InputError: a cell is invalid.
        """
        cells = self.text(column)
        parsed = cells.map(parse, na_action="ignore")
        invalid = cells.notna() & parsed.isna()
        self.refuse(invalid, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is not {expected}: correct it")
        return parsed.astype("string")

    def flags(self, column: str, blank: bool) -> pd.Series:
        """A column of true and false (or 1 and 0, yes and no) as bool.

        Args:
            column: Name of the column.
            blank: Value of a blank cell.

        Raises:
            InputError: a cell has another word.
        """
        cells = self.text(column)
        parsed = cells.str.lower().str.removesuffix(".0").map(_BOOLEANS)
        invalid = cells.notna() & parsed.isna()
        self.refuse(
            invalid,
            "unknown-word",
            lambda row: f"{cells.name} '{cells[row]}' is not True or False (1 or 0): correct it",
        )
        return parsed.astype("boolean").fillna(blank).astype(bool)


def open_table(path: Path) -> RawTable:
    """Read a table from a file of any kind that `read_cells` accepts.

    Raises:
        InputError: as `read_cells`.
    """
    cells = read_cells(path)
    names = cells.iloc[0].tolist()
    keys = [" ".join(name.lower().split()) for name in names]
    distinct = [i for i, key in enumerate(keys) if key and key not in keys[:i]]
    cells = cells.iloc[1:, distinct].set_axis([keys[i] for i in distinct], axis=1)
    return RawTable(path, cells[(cells != "").any(axis=1)], {keys[i]: names[i] for i in distinct})


def stem_of(path: Path) -> str:
    """A table's file name without its suffix (`.csv`, `.csv.gz`, ...)."""
    suffix = next((suffix for suffix in TABLE_SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]


def _loosen(column: str) -> str:
    """The same key for `Patient ID`, `patient_id`, `patient-id` and `PatientID`."""
    return re.sub(r"[\W_]+", "", column.casefold())
