"""From a folder or a table to labels."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from drkit import progress
from drkit.errors import InputError, first_few
from drkit.grades import TARGETS, Target, grade_column
from drkit.records.filenames import check_spelling
from drkit.records.labels import Labels, check_rows, withhold_ungradable
from drkit.records.layouts.listing import list_photographs
from drkit.records.layouts.photographs import PhotographFolder, locate
from drkit.records.layouts.recognise import LAYOUTS, find_tables, recognise_table
from drkit.records.layouts.remarks import remark_on_skipped, speak
from drkit.records.layouts.settling import WHERE, check_unique, parse_tables, settle
from drkit.records.layouts.tables import RawTable, open_table


def read_dataset(path: Path) -> Labels:
    """Read a data set in any of `LAYOUTS`.

    Args:
        path: Its folder, or one of its tables for that one alone.

    Returns:
        Labels whose photographs exist, with absolute paths. Photographs that no table lists are left out.

    Raises:
        InputError: nothing there, an unknown or ambiguous layout, a broken table, or missing photographs.
    """
    layout, tables, root = open_dataset(path)
    if not tables:
        return _read_folder(root, path)
    parts = parse_tables(layout, tables)
    paths = locate(PhotographFolder(root), LAYOUTS[layout], parts)
    settled = settle(layout, parts, paths)
    rows = settled.rows.assign(path=pd.array(paths, dtype="string"))
    check_unique(rows)
    speak(settled.remarks, str(path))
    rows = rows.drop(columns=WHERE)
    check_rows(rows, str(path))
    return Labels(_withhold(rows, str(path)), root, layout, stated_targets(rows))


def read_table(csv_path: Path) -> pd.DataFrame:
    """The canonical rows of a table in any layout; `path` as the file spells it, not looked for.

    Raises:
        InputError: an unknown layout or a broken table.
    """
    table = open_table(csv_path)
    rows = read_rows(recognise_table(table), [table], str(csv_path))
    check_rows(rows, str(csv_path))
    return _withhold(rows, str(csv_path))


def read_rows(layout: str, tables: Sequence[RawTable], source: str) -> pd.DataFrame:
    """The canonical rows of tables, 5 still among the grades; photographs are not looked for.

    Raises:
        InputError: an id that stands twice, or what the layout's own parser refuses.
    """
    settled = settle(layout, parse_tables(layout, tables))
    check_unique(settled.rows)
    speak((remark for remark in settled.remarks if not remark.kind.startswith("patients")), source)
    return settled.rows.drop(columns=WHERE)


def stated_targets(rows: pd.DataFrame) -> tuple[Target, ...]:
    """Whose grade stands in the rows."""
    return tuple(target for target in TARGETS if rows[grade_column(target)].notna().any())  # type: ignore[misc]


def open_dataset(path: Path) -> tuple[str, list[RawTable], Path]:
    """The layout of a folder or a table, its tables, still unread, and the data set's folder, absolute.

    Raises:
        InputError: nothing there, or an unknown or ambiguous layout.
    """
    check_spelling([path.absolute()])
    absolute = Path(os.path.normpath(path.absolute()))  # not resolved: a linked folder keeps the name it was given
    if absolute.is_dir():
        return *find_tables(absolute), absolute
    if not absolute.exists():
        raise InputError(f"{path} does not exist: the folder of a data set, or one of its tables, was expected")
    table = open_table(absolute)
    layout = recognise_table(table)
    return layout, [table], LAYOUTS[layout].root(absolute)


def _read_folder(root: Path, path: Path) -> Labels:
    folder = PhotographFolder(root)
    photographs = folder.photographs()
    skipped = list(remark_on_skipped(folder.others(), folder.masks()))
    if not photographs:
        told = "".join(f" ({remark.sentence})" for remark in skipped)
        raise InputError(f"{root} holds neither photographs nor a table of labels{told}: give a data set's own folder")
    layout, rows, remarks = list_photographs(root, photographs)
    remarks += skipped
    twice = rows["image_id"].duplicated(keep=False)
    if twice.any():
        same = [p.relative_to(root).as_posix() for p, is_twice in zip(photographs, twice, strict=True) if is_twice]
        raise InputError(f"{root}: photographs of the same name: {first_few(same)}: names are their ids, rename them")
    speak(remarks, str(path))
    return Labels(_withhold(rows, str(path)), root, layout, stated_targets(rows))


def _withhold(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    rows = withhold_ungradable(rows)
    ungradable = int((~rows["gradable"]).sum())
    if ungradable:
        progress.warn(f"{source}: {ungradable} photographs cannot be graded: kept, but never trained on")
    return rows
