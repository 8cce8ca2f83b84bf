"""What every layout shares once its tables are parsed: one row a photograph, one name a person, one id a photograph."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from drkit.errors import InputError
from drkit.grades import TARGETS, grade_column
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.patients import read_subjects, tell_apart, tell_patients, unify_patients
from drkit.records.layouts.recognise import LAYOUTS
from drkit.records.layouts.remarks import DatasetRemark, remark_on_columns, remark_on_scale
from drkit.records.layouts.scales import check_scale
from drkit.records.layouts.tables import RawTable

WHERE = "where"  # a column of settled rows: the file and its row, as `train.csv row 12`

ParsedTables = list[tuple[RawTable, pd.DataFrame]]


@dataclass(frozen=True)
class ResolvedPhotographs:
    """The photographs of all tables.

    Args:
        rows: Canonical rows, one table after another, `path` as the tables spell it, and `WHERE`. Patients are told
            by names where the tables leave them open, and each is written in one way; ids may still stand twice.
        remarks: What is to be said of it.
    """

    rows: pd.DataFrame
    remarks: tuple[DatasetRemark, ...]


def parse_tables(layout: str, tables: Sequence[RawTable]) -> ParsedTables:
    """Each table with its canonical rows.

    Raises:
        InputError: a scale other than the ICDR's, or what the layout's own parser refuses.
    """
    for table in tables:
        check_scale(table)
    return [(table, LAYOUTS[layout].parse(table)) for table in tables]


def settle(layout: str, parts: ParsedTables, paths: Sequence[str | None] | None = None) -> ResolvedPhotographs:
    """The rows of all tables, settled.

    Args:
        layout: Name of their layout.
        parts: As `parse_tables` gives them.
        paths: Where the photographs were found, in row order, so that equal names in different folders are told
            apart although no table says where they lie; None: they were not looked for.
    """
    rows = pd.concat([rows for _, rows in parts], ignore_index=True)
    rows[WHERE] = [table.where(int(index)) for table, part in parts for index in part.index]
    written = rows["path"].fillna("").tolist()
    ids = tell_apart(rows["image_id"].fillna("").tolist(), written)
    if paths is not None:
        ids = tell_apart(ids, [found or spelled for found, spelled in zip(paths, written, strict=True)])
    rows["image_id"] = pd.array(ids, dtype="string")
    if paths is not None:
        rows = read_subjects(rows, paths)
    stated = rows["patient_id"]
    told = tell_patients(rows)
    patients, respelled = unify_patients(told["patient_id"])
    rows = told.assign(patient_id=patients)
    remarks = [
        *remark_on_columns([table for table, _ in parts]),
        *_remark_on_patients(rows, stated, respelled, LAYOUTS[layout]),
        *remark_on_scale(rows),
    ]
    return ResolvedPhotographs(rows, tuple(remarks))


def check_unique(rows: pd.DataFrame) -> None:
    """Check that no id stands twice, and where photographs were looked for, that no two ids are one.

    Args:
        rows: One a photograph, `path` as written or absolute.

    Raises:
        InputError: names the first one's rows.
    """
    _check_paths(rows)
    twice = rows[rows["image_id"].duplicated(keep=False)]
    if twice.empty:
        return
    name = twice["image_id"].iloc[0]
    first, second = twice.loc[twice["image_id"] == name, WHERE].iloc[:2]
    raise InputError(
        f"{first} and {second}: image id '{name}' stands twice ({twice['image_id'].nunique()} such ids):"
        " keep one row a photograph, in one split"
    )


def _check_paths(rows: pd.DataFrame) -> None:
    same = rows[rows.duplicated("path", keep=False) & rows["path"].map(os.path.isabs).astype(bool)]
    if not same.empty:
        path = same["path"].iloc[0]
        first, second = same.loc[same["path"] == path, [WHERE, "image_id"]].iloc[:2].itertuples(index=False)
        if first.image_id != second.image_id:
            raise InputError(
                f"{first.where} and {second.where}: {first.image_id} and {second.image_id} are both {path}:"
                " keep one row a photograph"
            )


def _remark_on_patients(
    rows: pd.DataFrame, stated: pd.Series, respelled: str, layout: Layout
) -> Iterator[DatasetRemark]:
    if respelled:
        yield DatasetRemark("patients-respelled", respelled)
    graded = rows[list(map(grade_column, TARGETS))].notna().any(axis=1)
    told = stated.isna() & rows["patient_id"].notna()
    if told.any() and not layout.named:
        example = rows[told].iloc[0]
        yield DatasetRemark(
            "patients-from-names",
            f"the patients of {int(told.sum())} photographs are told by their names"
            f" ({example['image_id']} is of patient {example['patient_id']})",
        )
    unknown = int((graded & rows["patient_id"].isna()).sum())
    if unknown:
        photographs = f"{unknown} of {len(rows)} photographs" if unknown < len(rows) else "the photographs"
        yield DatasetRemark(
            "patients-unknown",
            f"nothing tells the patients of {photographs}, so each counts as a patient of its own, and both eyes of a"
            f" person may come into different splits: {layout.patients_from} would tell",
        )
