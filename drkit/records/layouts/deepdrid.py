"""DeepDRiD, as distributed by the course and as published by its authors."""

from collections.abc import Sequence

import pandas as pd

from drkit.grades import Split
from drkit.records.layouts.columns import NAMED_GRADES, UNNAMED_GRADES
from drkit.records.layouts.layout import (
    Layout,
    check_graded,
    folders_of_split,
    photograph_rows,
    split_of_table,
)
from drkit.records.layouts.names import split_of_name
from drkit.records.layouts.tables import RawTable

_LEFT, _RIGHT, _PATIENT = "left_eye_dr_level", "right_eye_dr_level", "patient_dr_level"
_GRADES = (_LEFT, _RIGHT, _PATIENT)
_CHALLENGE_GRADES = ("dr_level", "dr_levels")


def _parse_course(table: RawTable) -> pd.DataFrame:
    return _parse(table, table.ids("img_path"))


def _parse_official(table: RawTable) -> pd.DataFrame:
    if not table.has("image_path"):
        return _parse_challenge(table)
    paths = table.ids("image_path").str.replace("\\", "/", regex=False).str.lstrip("/")
    return _parse(table, paths.map(_without_split_folder))


def _parse(table: RawTable, paths: pd.Series) -> pd.DataFrame:
    check_graded(table, _GRADES)
    eye, grade = _eye_and_grade(table)
    return photograph_rows(
        table,
        table.ids("image_id"),
        path=paths,
        patient_id=table.text("patient_id"),
        eye=eye,
        eye_grade=grade,
        patient_grade=table.grades(_PATIENT),
        split=split_of_table(table, graded=table.has(_PATIENT)),
    )


def _parse_challenge(table: RawTable) -> pd.DataFrame:
    return photograph_rows(
        table,
        table.ids("image_id"),
        eye_grade=table.grades(table.first(_CHALLENGE_GRADES)),
        split="test",
    )


def _eye_and_grade(table: RawTable) -> tuple[pd.Series, pd.Series]:
    """The eye whose column is filled, and its grade; the eye is null, to be read from the name, if both or none are."""
    left, right = table.grades(_LEFT), table.grades(_RIGHT)
    contradictory = (left != right).fillna(False)
    table.refuse(
        contradictory,
        "two-eyes-graded",
        lambda row: (
            f"the left eye is graded {left[row]} and the right eye {right[row]}, but a photograph shows one eye:"
            " leave the other eye's cell empty"
        ),
    )
    left, right = left.mask(contradictory), right.mask(contradictory)
    filled = left.notna().map({True: "left", False: "right"}).astype("string")
    return filled.where(left.notna() != right.notna()), left.fillna(right)


def _without_split_folder(path: str) -> str:
    """Drop the first folder of `regular-fundus-training/1/1_r1.jpg`: the files lie in `Images/1/` below it."""
    first, _, rest = path.partition("/")
    return rest if rest and split_of_name(first) else path


def _is_course(table: RawTable) -> bool:
    return table.has(_PATIENT) or not table.first(NAMED_GRADES + UNNAMED_GRADES)


def _is_official(table: RawTable) -> bool:
    return table.has("image_path", *_GRADES) or (
        table.name.lower().startswith("challenge1") and table.first(_CHALLENGE_GRADES) is not None
    )


def _official_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return ("Images", ".", f"{table.stem}/Images", table.stem)


def _choose_official(tables: Sequence[RawTable]) -> list[RawTable]:
    """Ignore the challenge's table without grades if the table with its grades is there."""
    labelled = any(table.name.lower().startswith("challenge1_labels") for table in tables)
    return [table for table in tables if not (labelled and table.name.lower().startswith("challenge1_upload"))]


COURSE = Layout(
    title="the course's DeepDRiD",
    summary="the course's DeepDRiD: train.csv, val.csv, test.csv with image_id and img_path, train/PATIENT/",
    needs=(("image_id",), ("img_path",)),
    marks=frozenset({"img_path", *_GRADES}),
    names_tell_patients=True,
    parse=_parse_course,
    fits=_is_course,
    folders=folders_of_split,
)

OFFICIAL = Layout(
    title="the official DeepDRiD",
    summary="the official DeepDRiD: regular-fundus-training.csv and similar tables with image_path, Images/",
    needs=(("image_id",), ("image_path", *_CHALLENGE_GRADES)),
    marks=frozenset({"image_path", *_GRADES}),
    names_tell_patients=True,
    parse=_parse_official,
    fits=_is_official,
    folders=_official_folders,
    choose=_choose_official,
)
