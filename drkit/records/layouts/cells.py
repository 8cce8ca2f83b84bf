"""Files of tables, however they were saved, as text cells with the row numbers an editor shows."""

import csv
import gzip
import io
import re
import zipfile
import zlib
from itertools import islice
from pathlib import Path

import pandas as pd

from drkit.errors import InputError, first_few
from drkit.records.labels import PHOTOGRAPH_SUFFIXES

_LIST_SUFFIX = ".txt"  # a photograph and its grade a line, as DDR has them
_TEXT_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".csv.zip", ".tsv.gz", ".tsv.zip")
_SPREADSHEET_SUFFIXES = (".xlsx", ".xls")
TABLE_SUFFIXES = (*_TEXT_SUFFIXES, *_SPREADSHEET_SUFFIXES, _LIST_SUFFIX)

_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"\"?sep=(?P<separator>.|\\t)\"?\s*", re.IGNORECASE)
_LIST_LINE = re.compile(rf".*({'|'.join(map(re.escape, PHOTOGRAPH_SUFFIXES))})[ \t]+[^\s,;]+\s*", re.IGNORECASE)
_ENGINES = {".xlsx": "openpyxl", ".xls": "xlrd"}
_MOST_BYTES = 2**26  # of a decompressed table
_MOST_LINES = 2**22  # of a table, however it was saved
_LONGEST_LINE = 2**17  # letters of those that the separator is told by
_LOOKED_AT = 20  # lines that the separator is told by


def is_table_file(path: Path) -> bool:
    """Whether a file is called as a table; of text files only lists of photographs are tables."""
    name = path.name.lower()
    return name.endswith(TABLE_SUFFIXES) and (not name.endswith(_LIST_SUFFIX) or _is_list(path))


def is_spreadsheet(path: Path) -> bool:
    """Whether a file is called as a spreadsheet."""
    return path.name.lower().endswith(_SPREADSHEET_SUFFIXES)


def read_cells(path: Path) -> pd.DataFrame:
    """A table's cells, stripped; its first row is the header, columns are numbered.

    Comma, semicolon, tab, bar or, in a list of photographs, the last blank of a line; UTF-8, or UTF-16 with its mark;
    plain, gzipped, zipped, or a spreadsheet. Blank lines, comments (`#`) and `sep=;` before the header are skipped. A
    table that begins with a photograph has no header: it gets one.

    Returns:
        Strings; the index is the number of the row as an editor shows it, less two.

    Raises:
        InputError: missing, empty, no text, not UTF-8, rows longer than the header, or a spreadsheet without the
            package that reads it.
    """
    content = _read(path)
    if _is_spreadsheet(content):
        cells, skipped = _read_spreadsheet(content, path), 0
    else:
        lines, separator, skipped = _open_text(_decode(_unpack(content, path), path), path)
        if not lines:
            raise InputError(f"{path} is empty: a table with a header was expected")
        cells = _split(lines, separator or _find_separator(lines, path), path)
    cells = cells.fillna("").astype("string").apply(lambda column: column.str.strip())
    cells.index = pd.RangeIndex(skipped - 1, skipped - 1 + len(cells))
    return _with_header(cells)


def _is_list(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="strict") as stream:
            lines = [line for line in islice(stream, _LOOKED_AT) if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError):
        return False
    return bool(lines) and all(_LIST_LINE.fullmatch(line) for line in lines)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _is_spreadsheet(content: bytes) -> bool:
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        return True
    return content.startswith(b"PK\x03\x04") and b"xl/" in content and zipfile.is_zipfile(io.BytesIO(content))


def _read_spreadsheet(content: bytes, path: Path) -> pd.DataFrame:
    engine = _ENGINES[".xls" if content.startswith(b"\xd0\xcf") else ".xlsx"]
    try:
        _check_unpacked(content, path)
        sheets = pd.read_excel(
            io.BytesIO(content), sheet_name=None, header=None, dtype=str, keep_default_na=False, engine=engine
        )
    except ImportError:
        raise InputError(
            f"{path} is a spreadsheet: save the table as CSV (UTF-8), or install the package that reads it"
            f" (pip install {engine})"
        ) from None
    except InputError:
        raise
    except Exception as error:  # whatever the engine raises over a damaged file
        raise InputError(f"{path} is a damaged spreadsheet ({error}): save the table as CSV (UTF-8)") from None
    filled = {name: cells for name, cells in sheets.items() if not cells.empty}
    if not filled:
        raise InputError(f"{path} is empty: a table with a header was expected")
    if len(filled) > 1:
        raise InputError(f"{path} has {len(filled)} sheets ({first_few(list(filled))}): save the one to read as CSV")
    return next(iter(filled.values()))


def _unpack(content: bytes, path: Path) -> bytes:
    try:
        if content.startswith(b"\x1f\x8b"):
            unpacked = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MOST_BYTES + 1)
        elif content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            unpacked = _unzip(content, path)
        else:
            return content
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is a damaged archive ({error}): save the table as CSV (UTF-8)") from None
    if len(unpacked) > _MOST_BYTES:
        raise _too_much(path)
    return unpacked


def _check_unpacked(content: bytes, path: Path) -> None:
    """Check what the parts of a spreadsheet unpack to: a reader takes no more of a part than its header says."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MOST_BYTES:
                raise _too_much(path)


def _too_much(path: Path) -> InputError:
    return InputError(f"{path} holds more than {_MOST_BYTES >> 20} MiB: is it a table?")


def _unzip(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            listed = first_few(names) or "none"
            raise InputError(
                f"{path} is an archive of {len(names)} files ({listed}): unpack it, and name the table in it"
            )
        with archive.open(names[0]) as member:
            return member.read(_MOST_BYTES + 1)


def _decode(content: bytes, path: Path) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise InputError(f"{path} is damaged UTF-16: save the table as CSV (UTF-8)") from None
    if b"\0" in content:
        raise InputError(f"{path} is no table in UTF-8 but binary or UTF-16: save the table as CSV (UTF-8)")
    if content.lstrip()[:15].lower().startswith((b"<html", b"<table", b"<!doctype html")):
        raise InputError(f"{path} is a web page, not a table: save the table as CSV (UTF-8)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path} line {line} is not UTF-8 text: save the table as CSV (UTF-8)") from None


def _open_text(text: str, path: Path) -> tuple[list[str], str | None, int]:
    """The lines from the header on, the separator that a line before it states, and how many lines were skipped."""
    plain = io.StringIO(text, newline=None).read()
    if plain.count("\n") > _MOST_LINES:
        raise InputError(f"{path} has more than {_MOST_LINES} lines: is it a table?")
    lines = plain.split("\n")
    separator = None
    for skipped, line in enumerate(lines):
        stated = _SEPARATOR_LINE.fullmatch(line)
        if stated:
            separator = stated["separator"].replace("\\t", "\t")
        elif line.strip() and not line.lstrip().startswith("#"):
            return lines[skipped:], separator, skipped
    return [], None, 0


def _find_separator(lines: list[str], path: Path) -> str | None:
    """The one that cuts most lines into as many cells as the header; None for a list of photographs."""
    looked_at = [line for line in lines[:_LOOKED_AT] if line.strip()]
    if max(map(len, looked_at)) > _LONGEST_LINE:
        raise InputError(f"{path} has lines of more than {_LONGEST_LINE} letters: is it a table?")
    if all(_LIST_LINE.fullmatch(line) for line in looked_at):
        return None
    try:
        widths = {mark: [len(row) for row in csv.reader(looked_at, delimiter=mark)] for mark in _SEPARATORS}
    except csv.Error as error:  # a quotation mark that is never closed
        raise InputError(f"{path} is no table: {error}") from None
    cutting = [mark for mark in _SEPARATORS if widths[mark][0] > 1]
    return max(cutting, key=lambda mark: widths[mark].count(widths[mark][0]), default=",")


def _split(lines: list[str], separator: str | None, path: Path) -> pd.DataFrame:
    if separator is None:
        return pd.DataFrame([line.rsplit(None, 1) or ["", ""] for line in lines])
    try:
        return pd.read_csv(
            io.StringIO("\n".join(lines)),
            header=None,
            dtype=str,
            sep=separator,
            keep_default_na=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = " ".join(str(error).removeprefix("Error tokenizing data. C error:").split())
        raise InputError(f"{path} is no table: {reason}") from None


def _with_header(cells: pd.DataFrame) -> pd.DataFrame:
    """A header for a table whose first row names a photograph: `image`, and `grade` for the only other column."""
    photographs = cells.iloc[0].str.lower().str.endswith(PHOTOGRAPH_SUFFIXES).fillna(False)
    if photographs.sum() != 1:
        return cells
    others = iter(["grade"] if cells.shape[1] == 2 else [f"column {number}" for number in range(cells.shape[1])])
    names = ["image" if photograph else next(others) for photograph in photographs]
    header = pd.DataFrame([names], columns=cells.columns, index=[cells.index[0] - 1], dtype="string")
    return pd.concat([header, cells])
