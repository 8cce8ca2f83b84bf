"""Which layout a folder or a table is in."""

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

# Lists that come with data sets but label nothing that is read here; sample submissions look like labels.
_NO_LABELS = re.compile(
    r"sample.*|.*submission.*|.*-source-.*|challenge[23]_.*|ultra-widefield.*|test_grades\.csv|lesions\.csv",
    re.IGNORECASE,
)
_DEEPEST = 2  # folders below the data set's in which a table is looked for


def layout_of(table: RawTable) -> str | None:
    """The name of the layout that a table is in, or None."""
    return next((name for name, layout in LAYOUTS.items() if layout.recognises(table)), None)


def recognise_table(table: RawTable) -> str:
    """As `layout_of`.

    Raises:
        InputError: no layout fits; says which comes near, or what else it is.
    """
    name = layout_of(table)
    if name is None:
        check_scale(table)
        raise InputError(f"{table.path}: {_describe(table)}")
    return name


def find_tables(root: Path) -> tuple[str, list[RawTable]]:
    """The layout of a folder and its tables; `folder` and none where it has no table.

    Tables are looked for in the folder itself, and only where it has none up to two folders below. A spreadsheet
    counts only where nothing else does.

    Raises:
        InputError: several layouts, or a table that is nearly one.
    """
    paths = _list_tables(root)
    texts = [path for path in paths if not is_spreadsheet(path)]
    tables = [open_table(path) for path in texts]
    if not any(map(layout_of, tables)):
        tables += [open_table(path) for path in paths if is_spreadsheet(path)]
    names = {id(table): layout_of(table) for table in tables}
    known = [table for table in tables if names[id(table)]]
    unknown = [table for table in tables if not names[id(table)]]
    if not tables:
        return "folder", []
    found = sorted({str(names[id(table)]) for table in known})
    if len(found) > 1:
        raise InputError(_several(root, [(table, str(names[id(table)])) for table in known]))
    _pass_over(root, known, unknown)
    return found[0], LAYOUTS[found[0]].choose(known)


def _list_tables(root: Path) -> list[Path]:
    at_top: list[Path] = []
    below: list[Path] = []
    for folder, inside, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        inside[:] = sorted(name for name in inside if not name.startswith(".")) if depth < _DEEPEST else []
        tables = [Path(folder, name) for name in sorted(files) if not _is_passed_over(name)]
        (below if depth else at_top).extend(path for path in tables if is_table_file(path))
        if at_top:
            break
    return sorted(at_top or below, key=_in_order)


def _in_order(path: Path) -> tuple[int, str]:
    split = split_of_name(stem_of(path))
    return SPLITS.index(split) if split else len(SPLITS), str(path)


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or is_pairs_file(name) or _NO_LABELS.fullmatch(name) is not None


def _pass_over(root: Path, known: Sequence[RawTable], unknown: Sequence[RawTable]) -> None:
    """Leave foreign tables aside, but none that was meant to be read."""
    meant = [table for table in unknown if not known or split_of_name(table.stem) or _nearest(table)]
    for table in meant:
        check_scale(table)
    if meant:
        described = first_few([f"{table.name}: {_describe(table)}" for table in meant])
        raise InputError(f"{root}: {described}")
    if unknown:
        progress.notify(f"{first_few([table.name for table in unknown])}: no labels in there, left aside")


def _several(root: Path, tables: Sequence[tuple[RawTable, str]]) -> str:
    listed = first_few([f"{table.name} ({LAYOUTS[name].title})" for table, name in tables])
    example = " ".join(f"--data {shlex.quote(str(table.path))}" for table, _ in tables[:2])
    return f"{root} holds tables of several layouts: {listed}: name those to read, one by one: {example}"


def _describe(table: RawTable) -> str:
    near = _nearest(table)
    if near is None and find_image(table):
        return f"columns {table.columns}: there is no column of grades (grade, label, level, diagnosis, ...)"
    if near is None:
        understood = "; ".join(layout.summary for layout in LAYOUTS.values())
        return f"no layout has columns {table.columns}: understood are {understood}"
    missing = " and ".join(near.missing(table)) or " and ".join(m for m in sorted(near.marks) if not table.has(m))
    return f"looks like {near.title}, but column {missing} is missing (found: {table.columns})"


def _nearest(table: RawTable) -> Layout | None:
    """The layout that most of the table's telling columns belong to."""
    best = max(LAYOUTS.values(), key=lambda layout: len(layout.marks_of(table)))
    return best if set(best.marks_of(table)) - {"path", "level"} else None
