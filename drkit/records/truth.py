"""Reference grades to score against, from whatever file states them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drkit import progress
from drkit.errors import InputError
from drkit.grades import UNGRADABLE, Target, grade_column
from drkit.records.labels import image_stem
from drkit.records.layouts.columns import names_target
from drkit.records.layouts.listing import list_photographs
from drkit.records.layouts.photographs import PhotographFolder
from drkit.records.layouts.reading import read_rows, stated_targets
from drkit.records.layouts.recognise import find_tables, recognise_table
from drkit.records.layouts.remarks import remark_on_scale, report_remarks
from drkit.records.layouts.tables import RawTable, open_table

_GRADES = ("eye_grade", "patient_grade", "grade")
_COLUMNS = ("image_id", *_GRADES, "split")


@dataclass(frozen=True)
class GroundTruth:
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


def read_truth(path: Path) -> GroundTruth:
    """Read reference grades; photographs are not looked for.

    Args:
        path: `ID,TARGET`; `image_id` with `eye_grade`, `patient_grade` or `grade`; any layout's CSV; or a
            data set's folder. Ids with or without a photographic suffix.

    Raises:
        InputError: missing, an unknown layout, or a broken table.
    """
    rows = _open(path).reindex(columns=[*_COLUMNS, "gradable"])
    if rows.empty:
        raise InputError(f"{path} has no rows below its header: a row a photograph was expected")
    rows = rows.astype(dict.fromkeys(_GRADES, "Int8") | {"split": "string", "gradable": "boolean"})
    return GroundTruth(_withhold(rows, str(path)), str(path))


def _open(path: Path) -> pd.DataFrame:
    if path.is_dir():
        layout, tables = find_tables(path)
        return _table_rows(layout, tables, path) if tables else _folder_rows(path)
    table = open_table(path)
    if table.has("id", "target"):
        rows = _submission_rows(table)
        report_remarks(remark_on_scale(rows, ("grade",)), str(path))
        return rows
    return _table_rows(recognise_table(table), [table], path)


def _table_rows(layout: str, tables: Sequence[RawTable], path: Path) -> pd.DataFrame:
    rows = read_rows(layout, tables, str(path))
    if layout == "csv" and not any(map(names_target, tables)):
        # Training takes a plain table's `grade` for the eye's, but the table does not say whose it is.
        rows = rows.assign(grade=rows["eye_grade"], eye_grade=pd.array([pd.NA] * len(rows), dtype="Int8"))
    return rows


def _folder_rows(path: Path) -> pd.DataFrame:
    layout, rows, remarks = list_photographs(path, PhotographFolder(path).photographs())
    if layout == "folder":
        raise InputError(f"{path}: no table in this folder states grades, nor do folders of classes")
    report_remarks(remarks, str(path))
    return rows


def _submission_rows(table: RawTable) -> pd.DataFrame:
    ids = table.ids("id").map(image_stem).astype("string")
    twice = ids.duplicated()
    if twice.any():
        where = table.where(int(twice.idxmax()))
        raise InputError(f"{where}: id '{ids[twice.idxmax()]}' stands twice: keep one row a photograph")
    return pd.DataFrame({"image_id": ids, "grade": table.grades("target")})


def _withhold(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    grades = list(_GRADES)
    ungradable = (rows[grades] == UNGRADABLE).fillna(False).any(axis=1) | ~rows["gradable"].fillna(True).astype(bool)
    if ungradable.any():
        progress.warn(f"{source}: {int(ungradable.sum())} photographs cannot be graded (grade 5): left out of scores")
        rows.loc[ungradable, grades] = pd.NA
    return rows[list(_COLUMNS)].reset_index(drop=True)
