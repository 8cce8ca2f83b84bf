"""Reference grades for scoring, from a file or folder of any layout."""

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
        rows: One row for each photograph: `image_id`, unique and without suffix; `eye_grade`, `patient_grade` and
            `grade` (of a file that does not state the target), 0-4 or null (Int8); and `split`, or null.
        source: The file, for messages.
    """

    rows: pd.DataFrame
    source: str

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that the file states; empty if it has only a column `grade`."""
        return stated_targets(self.rows)

    def grades_for(self, target: Target) -> pd.Series:
        """The known grades of `target` (Int8), by image_id; grades without a target are used for either.

        Raises:
            InputError: the file has no grade of that target.
        """
        column = grade_column(target) if target in self.targets else "grade"
        grades = self.rows.set_index("image_id")[column].dropna()
        if grades.empty:
            stated = " and ".join(f"{other} grades" for other in self.targets) or "no grades at all"
            raise InputError(f"{self.source} has no {target} grade (it has {stated}): give a file that states it")
        return grades


def read_truth(path: Path) -> GroundTruth:
    """Read reference grades; photographs are not searched.

    Args:
        path: A table with `ID,TARGET`, or with `image_id` and `eye_grade`, `patient_grade` or `grade`; a table of any
            layout; or a data set's folder. Ids may have a photographic suffix.

    Raises:
        InputError: the file is missing or damaged, or its layout is unknown.
    """
    rows = _open(path).reindex(columns=[*_COLUMNS, "gradable"])
    if rows.empty:
        raise InputError(f"{path} has no rows below its header: expected one for each photograph")
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
        # A training uses a plain table's `grade` as the eye's, but the table does not state the target.
        rows = rows.assign(grade=rows["eye_grade"], eye_grade=pd.array([pd.NA] * len(rows), dtype="Int8"))
    return rows


def _folder_rows(path: Path) -> pd.DataFrame:
    layout, rows, remarks = list_photographs(path, PhotographFolder(path).photographs())
    if layout == "folder":
        raise InputError(f"{path}: this folder has neither a table with grades nor folders of classes")
    report_remarks(remarks, str(path))
    return rows


def _submission_rows(table: RawTable) -> pd.DataFrame:
    ids = table.ids("id").map(image_stem).astype("string")
    repeated = ids.duplicated()
    if repeated.any():
        row = int(repeated.idxmax())
        raise InputError(f"{table.where(row)}: id '{ids[row]}' occurs twice: keep one row for each photograph")
    return pd.DataFrame({"image_id": ids, "grade": table.grades("target")})


def _withhold(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    grades = list(_GRADES)
    ungradable = (rows[grades] == UNGRADABLE).fillna(False).any(axis=1) | ~rows["gradable"].fillna(True).astype(bool)
    if ungradable.any():
        progress.warn(f"{source}: {int(ungradable.sum())} photographs cannot be graded (grade 5): they are not scored")
        rows.loc[ungradable, grades] = pd.NA
    return rows[list(_COLUMNS)].reset_index(drop=True)
