"""CSV files as text cells, with the row numbers an editor shows."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from drkit.errors import InputError
from drkit.records.labels import parse_grades

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
BLANK = ("", "nan", "na", "n/a", "null", "none", "<na>")


@dataclass(frozen=True)
class Table:
    """A CSV whose cells are still text.

    Args:
        path: Where it was read.
        cells: Stripped text; columns in lower case with single spaces, the first of equal ones; the index is
            the row number that an editor shows, less two.
        header: The columns as the file spells them, by their name in `cells`.
    """

    path: Path
    cells: pd.DataFrame
    header: dict[str, str]

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    @property
    def columns(self) -> str:
        """The columns as the file spells them, for messages."""
        return ", ".join(self.header.values()) or "none"

    def has(self, *columns: str) -> bool:
        """Whether all these columns are there."""
        return all(column in self.header for column in columns)

    def first(self, columns: tuple[str, ...]) -> str | None:
        """The first of `columns` that is there."""
        return next((column for column in columns if column in self.header), None)

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
        if column is None or column not in self.header:
            return pd.Series(pd.NA, index=self.cells.index, dtype="string")
        cells = self.cells[column]
        return cells.mask(cells.str.lower().isin(BLANK)).rename(self.header[column])

    def ids(self, column: str) -> pd.Series:
        """A column that no row may leave empty.

        Raises:
            InputError: an empty cell.
        """
        cells = self.cells[column]
        sentence = f"column {self.header[column]} is empty: every photograph needs its id"
        self.refuse(cells == "", "empty-id", lambda row: sentence)
        return cells

    def grades(self, column: str | None) -> pd.Series:
        """A column's grades as Int8 0-5, null where blank.

        Raises:
            InputError: a cell off the scale.
        """
        return parse_grades(self.text(column), self.name)

    def whole(self, column: str) -> pd.Series:
        """A column's whole numbers as Int16, null where blank.

        Raises:
            InputError: a cell that is no whole number.
        """
        cells = self.text(column)
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = cells.notna() & (numbers.isna() | (numbers % 1 != 0) | (numbers.abs() > 9999)).fillna(True)
        name = self.header[column]
        self.refuse(wrong, "unknown-word", lambda row: f"{name} '{cells[row]}' is no whole number: correct it")
        return numbers.mask(wrong).astype("Int16")

    def flags(self, column: str, blank: bool) -> pd.Series:
        """A column of true and false (or 1 and 0, yes and no) as bool; `blank` where a cell is.

        Raises:
            InputError: another word.
        """
        cells = self.text(column)
        found = cells.str.lower().str.removesuffix(".0").map(_TRUTHS)
        odd = cells.notna() & found.isna()
        self.refuse(odd, "unknown-word", lambda row: f"{cells.name} '{cells[row]}' is neither True nor False (1 nor 0)")
        return found.astype("boolean").fillna(blank).astype(bool)


def open_table(path: Path) -> Table:
    """Read a CSV: comma, semicolon or tab, any line ends, with or without a byte order mark.

    Raises:
        InputError: missing, empty, no text, not UTF-8, or rows longer than the header.
    """
    text = _decode(path)
    cells = _split(text, path)
    names = cells.iloc[0].tolist()
    keys = [" ".join(name.lower().split()) for name in names]
    kept = [i for i, key in enumerate(keys) if key and key not in keys[:i]]
    cells = cells.iloc[1:, kept].set_axis([keys[i] for i in kept], axis=1)
    cells.index = pd.RangeIndex(len(cells))
    return Table(path, cells[(cells != "").any(axis=1)], {keys[i]: names[i] for i in kept})


def _decode(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if content.startswith(b"PK\x03\x04"):
        raise InputError(f"{path} is a spreadsheet or an archive: save the table as CSV (UTF-8)")
    if b"\0" in content:
        raise InputError(f"{path} is no CSV in UTF-8 but binary or UTF-16: save the table as CSV (UTF-8)")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path} line {line} is not UTF-8 text: save the table as CSV (UTF-8)") from None
    if not text.strip():
        raise InputError(f"{path} is empty: a CSV with a header was expected")
    return text


def _split(text: str, path: Path) -> pd.DataFrame:
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    separator = "," if "," in header else next((mark for mark in ";\t" if mark in header), ",")
    try:
        cells = pd.read_csv(
            StringIO(text),
            header=None,
            dtype=str,
            sep=separator,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error:").split())
        raise InputError(f"{path} is no CSV table: {reason}") from None
    return cells.fillna("").astype("string").apply(lambda column: column.str.strip())
