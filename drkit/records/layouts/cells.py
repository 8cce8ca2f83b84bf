"""Reading of table files of any kind into text cells with the row numbers that an editor shows."""

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

_LIST_SUFFIX = ".txt"  # one photograph and its grade on each line, as in DDR
_TEXT_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".csv.zip", ".tsv.gz", ".tsv.zip")
_SPREADSHEET_SUFFIXES = (".xlsx", ".xls")
TABLE_SUFFIXES = (*_TEXT_SUFFIXES, *_SPREADSHEET_SUFFIXES, _LIST_SUFFIX)

_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"\"?sep=(?P<separator>.|\\t)\"?\s*", re.IGNORECASE)
_LIST_LINE = re.compile(rf".*({'|'.join(map(re.escape, PHOTOGRAPH_SUFFIXES))})[ \t]+[^\s,;]+\s*", re.IGNORECASE)
_ENGINES = {".xlsx": "openpyxl", ".xls": "xlrd"}
_MAX_BYTES = 2**26  # of a decompressed table
_MAX_LINES = 2**22  # of any table
_NUM_SAMPLED = 20  # first lines, from which the separator is detected
_MAX_SAMPLED_LENGTH = 2**17  # characters of each of these lines


def is_table_file(path: Path) -> bool:
    """Whether a file's suffix is that of a table; a `.txt` file also has to be a list of photographs."""
    name = path.name.lower()
    return name.endswith(TABLE_SUFFIXES) and (not name.endswith(_LIST_SUFFIX) or _is_list(path))


def is_spreadsheet(path: Path) -> bool:
    """Whether a file's suffix is that of a spreadsheet."""
    return path.name.lower().endswith(_SPREADSHEET_SUFFIXES)


def read_cells(path: Path) -> pd.DataFrame:
    """Read a table's cells, stripped, with the header as first row and numbered columns.

    Cells may be separated by commas, semicolons, tabs or bars, and in a list of photographs by the last space of a
    line. The file may be UTF-8 or UTF-16 (with a byte order mark), plain, gzipped or zipped, or a spreadsheet. Blank
    lines, comments (`#`) and `sep=;` before the header are skipped. A table whose first row names a photograph has no
    header, so one is added.

    Returns:
        Strings; the index is the row number in an editor minus two.

    Raises:
        InputError: the file is missing, empty, not text, not UTF-8, has rows longer than the header, or is a
            spreadsheet whose reader is not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if _is_spreadsheet(content):
        cells, skipped = _read_spreadsheet(content, path), 0
    else:
        lines, separator, skipped = _open_text(_decode(_unpack(content, path), path), path)
        if not lines:
            raise InputError(f"{path} is empty: expected a table with a header")
        cells = _split(lines, separator or _find_separator(lines, path), path)
    cells = cells.fillna("").astype("string").apply(lambda column: column.str.strip())
    if (cells == "").all(axis=None):
        raise InputError(f"{path} is empty: expected a table with a header")
    cells.index = pd.RangeIndex(skipped - 1, skipped - 1 + len(cells))
    return _with_header(cells)


def _is_list(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", errors="strict") as stream:
            lines = [line for line in islice(stream, _NUM_SAMPLED) if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError):
        return False
    return bool(lines) and all(_LIST_LINE.fullmatch(line) for line in lines)


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
    except Exception as error:  # engines raise many types for a damaged file
        raise InputError(f"{path} is a damaged spreadsheet ({error}): save the table as CSV (UTF-8)") from None
    filled = {name: cells for name, cells in sheets.items() if not cells.empty}
    if len(filled) > 1:
        raise InputError(f"{path} has {len(filled)} sheets ({first_few(list(filled))}): save the sheet to read as CSV")
    return next(iter(filled.values()), pd.DataFrame())


def _unpack(content: bytes, path: Path) -> bytes:
    try:
        if content.startswith(b"\x1f\x8b"):
            unpacked = gzip.GzipFile(fileobj=io.BytesIO(content)).read(_MAX_BYTES + 1)
        elif content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            unpacked = _unzip(content, path)
        else:
            return content
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is a damaged archive ({error}): save the table as CSV (UTF-8)") from None
    if len(unpacked) > _MAX_BYTES:
        raise _too_large(path)
    return unpacked


def _check_unpacked(content: bytes, path: Path) -> None:
    """Check the unpacked size in a spreadsheet's headers; a reader unpacks no more of a part than its header says."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > _MAX_BYTES:
                raise _too_large(path)


def _too_large(path: Path) -> InputError:
    return InputError(f"{path} holds more than {_MAX_BYTES >> 20} MiB: expected a table of labels")


def _unzip(content: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            listed = first_few(names) or "none"
            raise InputError(
                f"{path} is an archive of {len(names)} files ({listed}): unpack it, and give the table in it"
            )
        with archive.open(names[0]) as member:
            return member.read(_MAX_BYTES + 1)


def _decode(content: bytes, path: Path) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise InputError(f"{path} is damaged UTF-16: save the table as CSV (UTF-8)") from None
    if b"\0" in content:
        raise InputError(f"{path} is binary or unmarked UTF-16, not a UTF-8 table: save the table as CSV (UTF-8)")
    if content.lstrip()[:15].lower().startswith((b"<html", b"<table", b"<!doctype html")):
        raise InputError(f"{path} is a web page, not a table: save the table as CSV (UTF-8)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path} line {line} is not UTF-8 text: save the table as CSV (UTF-8)") from None


def _open_text(text: str, path: Path) -> tuple[list[str], str | None, int]:
    """Return the lines from the header on, the separator stated before it, and the number of skipped lines."""
    plain = io.StringIO(text, newline=None).read()
    if plain.count("\n") > _MAX_LINES:
        raise InputError(f"{path} has more than {_MAX_LINES} lines: expected a table of labels")
    lines = plain.split("\n")
    separator = None
    for skipped, line in enumerate(lines):
        match = _SEPARATOR_LINE.fullmatch(line)
        if match:
            separator = match["separator"].replace("\\t", "\t")
        elif line.strip() and not line.lstrip().startswith("#"):
            return lines[skipped:], separator, skipped
    return [], None, 0


def _find_separator(lines: list[str], path: Path) -> str | None:
    """Find the separator that gives most lines as many cells as the header; None for a list of photographs."""
    sample = [line for line in lines[:_NUM_SAMPLED] if line.strip()]
    if max(map(len, sample)) > _MAX_SAMPLED_LENGTH:
        raise InputError(f"{path} has lines of more than {_MAX_SAMPLED_LENGTH} characters: expected a table of labels")
    if all(_LIST_LINE.fullmatch(line) for line in sample):
        return None
    try:
        widths = {mark: [len(row) for row in csv.reader(sample, delimiter=mark)] for mark in _SEPARATORS}
    except csv.Error as error:  # a quotation mark that is never closed
        raise InputError(f"{path} is not a table: {error}") from None
    candidates = [mark for mark in _SEPARATORS if widths[mark][0] > 1]
    return max(candidates, key=lambda mark: widths[mark].count(widths[mark][0]), default=",")


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
        raise InputError(f"{path} is not a table: {reason}") from None


def _with_header(cells: pd.DataFrame) -> pd.DataFrame:
    """Add a header to a table whose first row names a photograph: `image`, and `grade` for a second column."""
    photographs = cells.iloc[0].str.lower().str.endswith(PHOTOGRAPH_SUFFIXES).fillna(False)
    if photographs.sum() != 1:
        return cells
    others = iter(["grade"] if cells.shape[1] == 2 else [f"column {number}" for number in range(cells.shape[1])])
    names = ["image" if photograph else next(others) for photograph in photographs]
    header = pd.DataFrame([names], columns=cells.columns, index=[cells.index[0] - 1], dtype="string")
    return pd.concat([header, cells])
