"""Tables by the names of their columns."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.records.layouts.cells import TABLE_SUFFIXES, read_cells
from drkit.records.layouts.grade_words import describe_off_scale, on_scale, read_grades

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
BLANK = ("", "nan", "na", "n/a", "null", "none", "<na>")


@dataclass(frozen=True)
class RawTable:
    """A table whose cells are still text.

    Columns are asked for by name without regard to case, blanks, hyphens and underscores.

    Args:
        path: Where it was read.
        cells: Stripped text; columns in lower case with single spaces, the first of equal ones; the index is
            the row number that an editor shows, less two.
        header: The columns as the file spells them, by their name in `cells`.
        taken: The columns, by their name in `cells`, whose cells were asked for.
        guesses: What was taken from a column that is called otherwise, by the column's name in `cells`.
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
        """The file's name without `.csv`, `.csv.gz` and their like."""
        return stem_of(self.path)

    @property
    def columns(self) -> str:
        """The columns as the file spells them, for messages."""
        return ", ".join(self.header.values()) or "none"

    @property
    def unread(self) -> list[str]:
        """The columns that nobody asked for, as the file spells them; a saved index is none."""
        return [name for key, name in self.header.items() if key not in self.taken and not key.startswith("unnamed:")]

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {_loosen(key): key for key in reversed(self.header)} | {key: key for key in self.header}

    def guess(self, what: str, key: str | None) -> str | None:
        """Note that a canonical column is read from the one called `key`, unless that is its name or already taken."""
        if key and key not in (what, *self.taken):
            self.guesses[key] = what
        return key

    def find(self, column: str) -> str | None:
        """A column's name in `cells`, where there is one called like `column`."""
        return self._keys.get(column) or self._keys.get(_loosen(column))

    def has(self, *columns: str) -> bool:
        """Whether all these columns are there."""
        return all(self.find(column) for column in columns)

    def first(self, columns: Iterable[str]) -> str | None:
        """The first of `columns` that is there, by its name in `cells`."""
        return next(filter(None, map(self.find, columns)), None)

    def where(self, index: int) -> str:
        """`train.csv row 12`."""
        return f"{self.name} row {index + 2}"

    def refuse(self, wrong: pd.Series, kind: str, sentence: Callable[[int], str]) -> None:
        """Refuse the table for its first wrong row; a table that is only surveyed notes them all and goes on.

        Args:
            wrong: bool, over the table's rows.
            kind: A word for what is wrong with them, as `grade-off-scale`.
            sentence: What is wrong with the row of an index.

        Raises:
            InputError: a row is wrong.
        """
        if wrong.any():
            row = int(wrong.idxmax())
            raise InputError(f"{self.where(row)}: {sentence(row)}")

    def text(self, column: str | None) -> pd.Series:
        """A column's cells, null where blank; all null where there is no such column."""
        key = self.find(column) if column else None
        if key:
            self.taken.add(key)
        return self.peek(column)

    def peek(self, column: str | None) -> pd.Series:
        """As `text`, but the column does not count as taken."""
        key = self.find(column) if column else None
        if key is None:
            return pd.Series(pd.NA, index=self.cells.index, dtype="string")
        cells = self.cells[key]
        return cells.mask(cells.str.lower().isin(BLANK)).rename(self.header[key])

    def ids(self, column: str) -> pd.Series:
        """A column that no row may leave empty.

        Raises:
            InputError: an empty cell.
        """
        key = self.find(column) or column
        self.taken.add(key)
        cells = self.cells[key]
        sentence = f"column {self.header[key]} is empty: every photograph needs its id"
        self.refuse(cells == "", "empty-id", lambda row: sentence)
        return cells

    def grades(self, column: str | None) -> pd.Series:
        """A column's grades, numbers or words, as Int8 0-5, null where blank.

        Raises:
            InputError: a cell off the scale.
        """
        cells = self.text(column)
        grades = read_grades(cells)
        off = cells.notna() & ~on_scale(grades)
        self.refuse(off, "grade-off-scale", lambda row: describe_off_scale(cells, off, row))
        return grades.mask(off).astype("Int8")

    def whole(self, column: str) -> pd.Series:
        """A column's whole numbers as Int16, null where blank.

        Raises:
            InputError: a cell that is no whole number.
        """
        cells = self.text(column)
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = cells.notna() & (numbers.isna() | (numbers % 1 != 0) | (numbers.abs() > 9999)).fillna(True)
        self.refuse(wrong, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is no whole number: correct it")
        return numbers.mask(wrong).astype("Int16")

    def words(self, column: str | None, parse: Callable[[str], object], expected: str) -> pd.Series:
        """A column's cells as `parse` understands them, null where blank.

        Raises:
            InputError: a cell that `parse` makes None of; says what was `expected`.
        """
        cells = self.text(column)
        parsed = cells.map(parse, na_action="ignore")
        odd = cells.notna() & parsed.isna()
        self.refuse(odd, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is not {expected}")
        return parsed.astype("string")

    def flags(self, column: str, blank: bool) -> pd.Series:
        """A column of true and false (or 1 and 0, yes and no) as bool; `blank` where a cell is.

        Raises:
            InputError: another word.
        """
        cells = self.text(column)
        parsed = cells.str.lower().str.removesuffix(".0").map(_TRUTHS)
        odd = cells.notna() & parsed.isna()
        self.refuse(odd, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is neither True nor False (1 nor 0)")
        return parsed.astype("boolean").fillna(blank).astype(bool)


def open_table(path: Path) -> RawTable:
    """Read a table, however it was saved (`read_cells`).

    Raises:
        InputError: as `read_cells`.
    """
    cells = read_cells(path)
    names = cells.iloc[0].tolist()
    keys = [" ".join(name.lower().split()) for name in names]
    kept = [i for i, key in enumerate(keys) if key and key not in keys[:i]]
    cells = cells.iloc[1:, kept].set_axis([keys[i] for i in kept], axis=1)
    return RawTable(path, cells[(cells != "").any(axis=1)], {keys[i]: names[i] for i in kept})


def stem_of(path: Path) -> str:
    """A table's name without `.csv`, `.csv.gz` and their like."""
    suffix = next((suffix for suffix in TABLE_SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[: len(path.name) - len(suffix)]


def _loosen(column: str) -> str:
    """`Patient ID`, `patient_id`, `patient-id` and `PatientID` are one."""
    return re.sub(r"[\W_]+", "", column.casefold())
