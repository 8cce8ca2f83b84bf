"""Reading of a data set's folder or table into labels."""

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
from drkit.records.layouts.remarks import remark_on_skipped, report_remarks
from drkit.records.layouts.resolving import WHERE, check_unique, parse_tables, resolve_photographs
from drkit.records.layouts.tables import RawTable, open_table


def read_dataset(path: Path) -> Labels:
    """Read a data set in any of `LAYOUTS`.

    Args:
        path: The data set's folder, or one of its tables to read only that.

    Returns:
        Labels of existing photographs, with absolute paths, without photographs that no table lists.

    Raises:
        InputError: `path` does not exist, its layout is unknown or ambiguous, a table is damaged, or photographs are
            missing.
    """
    layout, tables, root = open_dataset(path)
    if not tables:
        return _read_folder(root, path)
    parts = parse_tables(layout, tables)
    paths = locate(PhotographFolder(root), LAYOUTS[layout], parts)
    resolved = resolve_photographs(layout, parts, paths)
    rows = resolved.rows.assign(path=pd.array(paths, dtype="string"))
    check_unique(rows)
    report_remarks(resolved.remarks, str(path))
    rows = rows.drop(columns=WHERE)
    check_rows(rows, str(path))
    return Labels(_withhold(rows, str(path)), root, layout, stated_targets(rows))


def read_table(csv_path: Path) -> pd.DataFrame:
    """Read the canonical rows of a table in any layout, with `path` as the table spells it; no photograph is searched.

    Raises:
        InputError: the layout is unknown, or the table is damaged.
    """
    table = open_table(csv_path)
    rows = read_rows(recognise_table(table), [table], str(csv_path))
    check_rows(rows, str(csv_path))
    return _withhold(rows, str(csv_path))


def read_rows(layout: str, tables: Sequence[RawTable], source: str) -> pd.DataFrame:
    """Read the canonical rows of tables, with grade 5 (cannot be graded) included; photographs are not searched.

    Raises:
        InputError: an id is repeated, or an error of the layout's parser.
    """
    resolved = resolve_photographs(layout, parse_tables(layout, tables))
    check_unique(resolved.rows)
    report_remarks((remark for remark in resolved.remarks if not remark.kind.startswith("patients")), source)
    return resolved.rows.drop(columns=WHERE)


def stated_targets(rows: pd.DataFrame) -> tuple[Target, ...]:
    """The targets for which at least one row has a grade."""
    return tuple(target for target in TARGETS if rows[grade_column(target)].notna().any())  # type: ignore[misc]


def open_dataset(path: Path) -> tuple[str, list[RawTable], Path]:
    """Return the layout of a folder or a table, its tables before parsing, and the data set's folder (absolute).

    Raises:
        InputError: `path` does not exist, or its layout is unknown or ambiguous.
    """
    check_spelling([path.absolute()])
    absolute = Path(os.path.normpath(path.absolute()))  # not resolved: a linked folder keeps the name it was given
    if absolute.is_dir():
        return *find_tables(absolute), absolute
    if not absolute.exists():
        raise InputError(f"{path} does not exist: expected the folder of a data set, or one of its tables")
    table = open_table(absolute)
    layout = recognise_table(table)
    return layout, [table], LAYOUTS[layout].root(absolute)


def _read_folder(root: Path, path: Path) -> Labels:
    folder = PhotographFolder(root)
    photographs = folder.photographs()
    skipped = list(remark_on_skipped(folder.other_files(), folder.masks()))
    if not photographs:
        reasons = "".join(f" ({remark.sentence})" for remark in skipped)
        raise InputError(
            f"{root} holds neither photographs nor a table of labels{reasons}: give the folder of a data set"
        )
    layout, rows, remarks = list_photographs(root, photographs)
    repeated = rows["image_id"].duplicated(keep=False)
    if repeated.any():
        names = [photographs[row].relative_to(root).as_posix() for row in repeated.to_numpy().nonzero()[0]]
        raise InputError(
            f"{root}: photographs have the same name: {first_few(names)}: names are used as ids, so rename these"
        )
    report_remarks([*remarks, *skipped], str(path))
    return Labels(_withhold(rows, str(path)), root, layout, stated_targets(rows))


def _withhold(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    rows = withhold_ungradable(rows)
    ungradable = int((~rows["gradable"]).sum())
    if ungradable:
        progress.warn(f"{source}: {ungradable} photographs cannot be graded: they are kept, but not trained on")
    return rows
