"""Recognition of the layout of a folder or a table."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from drkit import progress
from drkit.errors import InputError, first_few
from drkit.grades import SPLITS
from drkit.plugins import Registry
from drkit.records.layouts.aptos import APTOS
from drkit.records.layouts.brset import BRSET, MBRSET
from drkit.records.layouts.canonical import CANONICAL
from drkit.records.layouts.cells import is_spreadsheet, is_table_file
from drkit.records.layouts.columns import find_image
from drkit.records.layouts.deepdrid import COURSE, OFFICIAL
from drkit.records.layouts.eyepacs import EYEPACS
from drkit.records.layouts.idrid import IDRID
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.listing import CLASS_FOLDERS, FOLDER
from drkit.records.layouts.messidor import MESSIDOR_2
from drkit.records.layouts.names import is_pairs_file, split_of_name
from drkit.records.layouts.plain import PLAIN
from drkit.records.layouts.scales import check_scale
from drkit.records.layouts.tables import RawTable, open_table, stem_of

LAYOUTS = Registry(
    "layout",
    "drkit.layouts",
    Layout,
    {
        "drkit": CANONICAL,
        "deepdrid-course": COURSE,
        "deepdrid": OFFICIAL,
        "eyepacs": EYEPACS,
        "messidor-2": MESSIDOR_2,
        "aptos": APTOS,
        "idrid": IDRID,
        "brset": BRSET,
        "mbrset": MBRSET,
    },
    last={"csv": PLAIN, "class-folders": CLASS_FOLDERS, "folder": FOLDER},
)

# Tables that come with data sets and do not label photographs, and sample submissions, which look like labels.
_NO_LABELS = re.compile(
    r"sample.*|.*submission.*|.*-source-.*|challenge[23]_.*|ultra-widefield.*|test_grades\.csv|lesions\.csv",
    re.IGNORECASE,
)
_MAX_DEPTH = 2  # of folders below the data set's in which tables are searched


def layout_of(table: RawTable) -> str | None:
    """The name of a table's layout, or None."""
    return next((name for name, layout in LAYOUTS.items() if layout.recognises(table)), None)


def recognise_table(table: RawTable) -> str:
    """Return the name of a table's layout.

    Raises:
        InputError: no layout fits; the message names the most similar layout, or the scale that the table is on.
    """
    name = layout_of(table)
    if name is None:
        check_scale(table)
        raise InputError(f"{table.path}: {_describe(table)}")
    return name


def find_tables(root: Path) -> tuple[str, list[RawTable]]:
    """Find the layout of a folder and its tables, or `folder` and no tables.

    The folder itself is searched first and, if it has no table, up to two levels of folders below it. Spreadsheets are
    read only if no other table has a known layout.

    Raises:
        InputError: tables of several layouts, or a table that was probably meant to be read but has no known layout.
    """
    paths = _list_tables(root)
    tables = [open_table(path) for path in paths if not is_spreadsheet(path)]
    if not any(map(layout_of, tables)):
        tables += [open_table(path) for path in paths if is_spreadsheet(path)]
    if not tables:
        return "folder", []
    layouts = [layout_of(table) for table in tables]
    known = [(table, layout) for table, layout in zip(tables, layouts, strict=True) if layout]
    if len({layout for _, layout in known}) > 1:
        listed = first_few([f"{table.name} ({LAYOUTS[layout].title})" for table, layout in known])
        example = " ".join(f"--data {shlex.quote(str(table.path))}" for table, _ in known[:2])
        raise InputError(f"{root} holds tables of several layouts: {listed}: give the tables to read: {example}")
    unknown = [table for table, layout in zip(tables, layouts, strict=True) if not layout]
    _check_ignored(root, unknown, has_labels=bool(known))
    layout = known[0][1]
    return layout, LAYOUTS[layout].choose([table for table, _ in known])


def _list_tables(root: Path) -> list[Path]:
    at_top: list[Path] = []
    below: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        subfolders[:] = sorted(name for name in subfolders if name[0] != ".") if depth < _MAX_DEPTH else []
        names = [name for name in sorted(files) if name[0] != "." and not is_pairs_file(name)]
        tables = [Path(folder, name) for name in names if not _NO_LABELS.fullmatch(name)]
        (below if depth else at_top).extend(path for path in tables if is_table_file(path))
        if at_top:
            break
    return sorted(at_top or below, key=_split_order)


def _split_order(path: Path) -> tuple[int, str]:
    split = split_of_name(stem_of(path))
    return SPLITS.index(split) if split else len(SPLITS), str(path)


def _check_ignored(root: Path, tables: Sequence[RawTable], *, has_labels: bool) -> None:
    """Check that tables without a known layout can be ignored.

    Args:
        root: The data set's folder, for messages.
        tables: The tables without a known layout.
        has_labels: Whether the folder has other tables that can be read.

    Raises:
        InputError: one of them was probably meant to be read.
    """
    intended = [table for table in tables if not has_labels or split_of_name(table.stem) or _most_similar(table)]
    for table in intended:
        check_scale(table)
    if intended:
        described = first_few([f"{table.name}: {_describe(table)}" for table in intended])
        raise InputError(f"{root}: {described}")
    if tables:
        progress.notify(f"tables without labels are ignored: {first_few([table.name for table in tables])}")


def _describe(table: RawTable) -> str:
    """Describe why a table has no known layout."""
    similar = _most_similar(table)
    if similar is None and find_image(table):
        return f"columns {table.columns}: there is no column of grades (grade, label, level, diagnosis, ...)"
    if similar is None:
        summaries = "; ".join(layout.summary for layout in LAYOUTS.values())
        return f"no layout has columns {table.columns}: known layouts are {summaries}"
    missing = similar.missing(table) or [mark for mark in sorted(similar.marks) if not table.has(mark)]
    return f"looks like {similar.title}, but column {' and '.join(missing)} is missing (found: {table.columns})"


def _most_similar(table: RawTable) -> Layout | None:
    """The layout with most of its marks among the table's columns."""
    best = max(LAYOUTS.values(), key=lambda layout: len(layout.marks_of(table)))
    return best if set(best.marks_of(table)) - {"path", "level"} else None
