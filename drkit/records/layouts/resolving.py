"""The photographs of all tables of a data set as one table, with unique ids and one spelling for each patient."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from drkit.errors import InputError
from drkit.grades import TARGETS, grade_column
from drkit.records.layouts.layout import Layout
from drkit.records.layouts.patients import disambiguate_ids, fill_from_dicom, fill_from_names, unify_patients
from drkit.records.layouts.recognise import LAYOUTS
from drkit.records.layouts.remarks import DatasetRemark, remark_on_columns, remark_on_scale
from drkit.records.layouts.scales import check_scale
from drkit.records.layouts.tables import RawTable

WHERE = "where"  # column of the resolved rows: file and row, such as `train.csv row 12`

ParsedTables = list[tuple[RawTable, pd.DataFrame]]


@dataclass(frozen=True)
class ResolvedPhotographs:
    """The photographs of all tables.

    Args:
        rows: Canonical rows in the order of the tables, with `path` as the tables spell it, and `WHERE`. Patients that
            the tables do not state are read from names, and each patient has one spelling; ids may still be repeated.
        remarks: What the user should know about patients, columns and the scale.
    """

    rows: pd.DataFrame
    remarks: tuple[DatasetRemark, ...]


def parse_tables(layout: str, tables: Sequence[RawTable]) -> ParsedTables:
    """Convert each table to canonical rows.

    Raises:
        InputError: grades on another scale than the ICDR's, or an error of the layout's parser.
    """
    for table in tables:
        check_scale(table)
    return [(table, LAYOUTS[layout].parse(table)) for table in tables]


def resolve_photographs(
    layout: str, parts: ParsedTables, paths: Sequence[str | None] | None = None
) -> ResolvedPhotographs:
    """Join the rows of all tables, and complete ids and patients.

    Args:
        layout: Name of the tables' layout.
        parts: The tables with their rows, from `parse_tables`.
        paths: The path of each row's photograph, None for a missing one. The folders in the paths distinguish
            photographs of the same name even if no table states them. None if photographs were not searched.
    """
    rows = pd.concat([rows for _, rows in parts], ignore_index=True)
    rows[WHERE] = [table.where(int(index)) for table, part in parts for index in part.index]
    written = rows["path"].fillna("").tolist()
    ids = disambiguate_ids(rows["image_id"].fillna("").tolist(), written)
    if paths is not None:
        ids = disambiguate_ids(ids, [path or spelled for path, spelled in zip(paths, written, strict=True)])
    rows["image_id"] = pd.array(ids, dtype="string")
    if paths is not None:
        rows = fill_from_dicom(rows, paths)
    stated = rows["patient_id"]
    rows = fill_from_names(rows)
    patients, respelled = unify_patients(rows["patient_id"])
    rows = rows.assign(patient_id=patients)
    remarks = [
        *remark_on_columns([table for table, _ in parts]),
        *_remark_on_patients(rows, stated, respelled, LAYOUTS[layout]),
        *remark_on_scale(rows),
    ]
    return ResolvedPhotographs(rows, tuple(remarks))


def check_unique(rows: pd.DataFrame) -> None:
    """Check that no id is repeated and, where `path` is absolute, that no two ids are of one file.

    Args:
        rows: Canonical rows and `WHERE`, with `path` as written or absolute.

    Raises:
        InputError: an id or a file is repeated; the message names the rows of the first.
    """
    _check_paths(rows)
    repeated = rows[rows["image_id"].duplicated(keep=False)]
    if repeated.empty:
        return
    name = repeated["image_id"].iloc[0]
    first, second = repeated.loc[repeated["image_id"] == name, WHERE].iloc[:2]
    raise InputError(
        f"{first} and {second}: image id '{name}' occurs twice ({repeated['image_id'].nunique()} such ids):"
        " keep one row for each photograph, in one split"
    )


def _check_paths(rows: pd.DataFrame) -> None:
    repeated = rows[rows.duplicated("path", keep=False) & rows["path"].map(os.path.isabs).astype(bool)]
    if not repeated.empty:
        path = repeated["path"].iloc[0]
        first, second = repeated.loc[repeated["path"] == path, [WHERE, "image_id"]].iloc[:2].itertuples(index=False)
        if first.image_id != second.image_id:
            raise InputError(
                f"{first.where} and {second.where}: {first.image_id} and {second.image_id} are both {path}:"
                " keep one row for each photograph"
            )


def _remark_on_patients(
    rows: pd.DataFrame, stated: pd.Series, respelled: str, layout: Layout
) -> Iterator[DatasetRemark]:
    if respelled:
        yield DatasetRemark("patients-respelled", respelled)
    graded = rows[list(map(grade_column, TARGETS))].notna().any(axis=1)
    from_names = stated.isna() & rows["patient_id"].notna()
    if from_names.any() and not layout.names_tell_patients:
        example = rows[from_names].iloc[0]
        yield DatasetRemark(
            "patients-from-names",
            f"the patients of {int(from_names.sum())} photographs are read from the photographs' names"
            f" ({example['image_id']} is of patient {example['patient_id']})",
        )
    unknown = int((graded & rows["patient_id"].isna()).sum())
    if unknown:
        photographs = f"{unknown} of {len(rows)} photographs" if unknown < len(rows) else "the photographs"
        yield DatasetRemark(
            "patients-unknown",
            f"the patients of {photographs} are unknown, so each photograph counts as a separate patient, and both eyes"
            f" of a person may be in different splits: add {layout.patients_from}",
        )
