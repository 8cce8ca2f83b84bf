"""BRSET and mBRSET, two Brazilian data sets on PhysioNet."""

import pandas as pd

from drkit.grades import Eye, Split
from drkit.records.layouts.layout import Layout, photograph_rows
from drkit.records.layouts.names import parse_eye
from drkit.records.layouts.tables import RawTable

_EYES: dict[str, Eye] = {"1": "right", "1.0": "right", "2": "left", "2.0": "left"}


def _parse_brset(table: RawTable) -> pd.DataFrame:
    return _parse(table, image="image_id", patient="patient_id", eye="exam_eye", grade="dr_icdr")


def _parse_mbrset(table: RawTable) -> pd.DataFrame:
    return _parse(table, image="file", patient="patient", eye="laterality", grade="final_icdr")


def _parse(table: RawTable, *, image: str, patient: str, eye: str, grade: str) -> pd.DataFrame:
    return photograph_rows(
        table,
        table.ids(image),
        patient_id=table.text(patient),
        eye=table.words(eye, _parse_eye, "1 (right), 2 (left), right or left"),
        eye_grade=table.grades(grade),
    )


def _parse_eye(text: str) -> Eye | None:
    return _EYES.get(text) or parse_eye(text)


def _brset_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return ("fundus_photos", "images", ".")


def _mbrset_folders(table: RawTable, split: Split) -> tuple[str, ...]:
    return ("images", ".")


BRSET = Layout(
    title="BRSET",
    summary="BRSET: labels_brset.csv with image_id, patient_id, exam_eye and DR_ICDR, fundus_photos/",
    needs=(("image_id",), ("dr_icdr",), ("exam_eye",)),
    marks=frozenset({"dr_icdr", "exam_eye"}),
    parse=_parse_brset,
    folders=_brset_folders,
)

MBRSET = Layout(
    title="mBRSET",
    summary="mBRSET: labels_mbrset.csv with file, patient, laterality and final_icdr, images/",
    needs=(("file",), ("final_icdr",)),
    marks=frozenset({"final_icdr"}),
    parse=_parse_mbrset,
    folders=_mbrset_folders,
)
