"""Reference grades to score against, from whatever file states them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drkit import talk
from drkit.errors import InputError
from drkit.grades import UNGRADABLE, Target, grade_column
from drkit.records.labels import image_stem
from drkit.records.layouts.plain import names_target
from drkit.records.layouts.reading import join_parts, parse_tables, stated_targets
from drkit.records.layouts.recognise import find_tables, recognise_table
from drkit.records.layouts.tables import Table, open_table

_GRADES = ("eye_grade", "patient_grade", "grade")
_COLUMNS = ("image_id", *_GRADES, "split")


@dataclass(frozen=True)
class Truth:
    """The reference grades of photographs.

    Args:
        rows: A row a photograph: `image_id` unique and without suffix; `eye_grade`, `patient_grade` and
            `grade` (of a file that does not say whose it is) 0-4 or null, Int8; `split` or null.
        source: The file, for messages.
    """

    rows: pd.DataFrame
    source: str

    @property
    def targets(self) -> tuple[Target, ...]:
        """Whose grades the file names; empty where it only has unnamed ones."""
        return stated_targets(self.rows)

    def grades_for(self, target: Target) -> pd.Series:
        """The known grades of `target`, Int8, indexed by image_id; unnamed grades serve either target.

        Raises:
            InputError: the file has no grade of that target.
        """
        column = grade_column(target) if target in self.targets else "grade"
        grades = self.rows.set_index("image_id")[column].dropna()
        if grades.empty:
            stated = " and ".join(f"{other} grades" for other in self.targets) or "no grades at all"
            raise InputError(f"{self.source} has no {target} grade (it has {stated}): name a file that states it")
        return grades


def read_truth(path: Path) -> Truth:
    """Read reference grades; photographs are not looked for.

    Args:
        path: `ID,TARGET`; `image_id` with `eye_grade`, `patient_grade` or `grade`; any layout's CSV; or a
            data set's folder. Ids with or without a photographic suffix.

    Raises:
        InputError: missing, an unknown layout, or a broken table.
    """
    tables = _open(path)
    rows = pd.concat([_rows(group) for group in tables], ignore_index=True)
    rows = _withhold(rows, str(path))
    return Truth(rows, str(path))


def _open(path: Path) -> list[tuple[str, list[Table]]]:
    if path.is_dir():
        layout, tables = find_tables(path)
        if not tables:
            raise InputError(f"{path}: no CSV in this folder states grades")
        return [(layout, tables)]
    table = open_table(path)
    return [("submission" if table.has("id", "target") else recognise_table(table), [table])]


def _rows(group: tuple[str, Sequence[Table]]) -> pd.DataFrame:
    layout, tables = group
    if layout == "submission":
        return _submission_rows(tables[0])
    parts = [(table, _hide_target(layout, table, rows)) for table, rows in parse_tables(layout, tables)]
    return join_parts(parts).reindex(columns=[*_COLUMNS, "gradable"]).astype({"grade": "Int8"})


def _hide_target(layout: str, table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """A plain table's `grade` is taken for the eye's when learning, but does not say so."""
    if layout != "csv" or names_target(table):
        return rows
    return rows.assign(grade=rows["eye_grade"], eye_grade=pd.array([pd.NA] * len(rows), dtype="Int8"))


def _submission_rows(table: Table) -> pd.DataFrame:
    ids = table.ids("id").map(image_stem).astype("string")
    twice = ids.duplicated()
    if twice.any():
        where = table.where(int(twice.idxmax()))
        raise InputError(f"{where}: id '{ids[twice.idxmax()]}' stands twice: keep one row a photograph")
    rows = pd.DataFrame({"image_id": ids, "grade": table.grades("target")}).reindex(columns=_COLUMNS)
    return rows.astype({"eye_grade": "Int8", "patient_grade": "Int8", "split": "string"})


def _withhold(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    ungradable = (rows[list(_GRADES)] == UNGRADABLE).fillna(False).any(axis=1)
    if "gradable" in rows:
        ungradable |= ~rows["gradable"]
    if ungradable.any():
        talk.warn(f"{source}: {int(ungradable.sum())} photographs cannot be graded (grade 5): left out of scores")
        rows.loc[ungradable, list(_GRADES)] = pd.NA
    return rows[list(_COLUMNS)].reset_index(drop=True)
