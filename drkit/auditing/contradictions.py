"""Grades, eyes and splits that contradict each other."""

from collections.abc import Iterator

import pandas as pd

from drkit.auditing.findings import Finding, finding_about
from drkit.auditing.rows import describe
from drkit.errors import first_few
from drkit.grades import EYES, SPLITS, TARGETS, grade_column
from drkit.records.layouts.names import parse_name

_PATIENT = ["root", "patient_id"]  # patient ids are unique only within a data set


def find_contradictions(rows: pd.DataFrame) -> Iterator[Finding]:
    """Find contradictions in the tables of the data sets.

    Args:
        rows: The result of `concat_surveys`. Patients are compared only within a data set.
    """
    yield from _find_side_conflicts(rows)
    known = rows[rows["patient_id"].notna()]
    for patient in _disagreeing(known, _PATIENT, "split"):
        splits = " and ".join(split for split in SPLITS if (patient["split"] == split).any())
        sentence = f"patient {patient['patient_id'].iloc[0]} is in {splits}: {describe(patient)}"
        yield finding_about("patient-across-splits", sentence, patient)
    for eye in _disagreeing(known[known["eye"].notna()], [*_PATIENT, "eye"], "eye_grade"):
        owner = f"the {eye['eye'].iloc[0]} eye of patient {eye['patient_id'].iloc[0]}"
        yield _several_grades("eye", owner, eye)
    for patient in _disagreeing(known, _PATIENT, "patient_grade"):
        yield _several_grades("patient", f"patient {patient['patient_id'].iloc[0]}", patient)
    yield from _find_grades_against_eyes(known)
    for index, row in rows[~rows["gradable"]].iterrows():
        yield finding_about("ungradable", f"{row['where']}: {row['image_id']} cannot be graded", rows.loc[[index]])


def find_contradicting_grades(copies: pd.DataFrame, title: str) -> Iterator[Finding]:
    """Find copies of one photograph that have different grades.

    Args:
        copies: The rows of the copies, from `concat_surveys`.
        title: Description of the copies, for the sentence.
    """
    for target in TARGETS:
        graded = copies[copies[grade_column(target)].notna()]
        grades = graded[grade_column(target)]
        if grades.nunique() > 1:
            pairs = zip(graded["image_id"], grades, strict=True)
            listed = ", ".join(f"{name} is graded {grade}" for name, grade in pairs)
            yield finding_about("contradicting-grades", f"{title}, but by {target} grade {listed}", graded)


def _find_side_conflicts(rows: pd.DataFrame) -> Iterator[Finding]:
    named = rows["image_id"].map(lambda name: parse_name(name).eye).astype("string")
    conflicts = rows[(named != rows["eye"]).fillna(False)]
    for index, row in conflicts.iterrows():
        sentence = f"{row['where']}: {row['image_id']} is named {named[index]}, but graded as a {row['eye']} eye"
        yield finding_about("side-conflict", sentence, conflicts.loc[[index]])


def _disagreeing(rows: pd.DataFrame, by: list[str], column: str) -> Iterator[pd.DataFrame]:
    """The groups in which `column` has several values."""
    several = rows.groupby(by, sort=False)[column].transform("nunique") > 1
    yield from (group for _, group in rows[several].groupby(by, sort=False))


def _several_grades(target: str, owner: str, photographs: pd.DataFrame) -> Finding:
    grades = photographs[grade_column(target)].dropna()
    listed = first_few([f"{photographs['image_id'][index]} {grade}" for index, grade in grades.items()])
    sentence = f"{owner} has several {target} grades: {listed}"
    return finding_about(f"contradicting-{target}-grade", sentence, photographs.loc[grades.index])


def _find_grades_against_eyes(known: pd.DataFrame) -> Iterator[Finding]:
    """Patients with both eyes graded, whose grade is not that of the worse eye; a missing eye may be the worse one."""
    patients = known.groupby(_PATIENT, sort=False)
    differs = (patients["eye_grade"].transform("max") != patients["patient_grade"].transform("max")).fillna(False)
    for (_, patient), photographs in known[differs].groupby(_PATIENT, sort=False):
        eyes = photographs.groupby("eye")["eye_grade"].agg(["min", "max"]).dropna()
        stated = photographs["patient_grade"].dropna().unique()
        if len(eyes) < len(EYES) or len(stated) != 1 or (eyes["min"] != eyes["max"]).any():
            continue
        listed = " and ".join(f"{eye} {grade}" for eye, grade in eyes["max"].items())
        sentence = f"patient {patient} has grade {stated[0]}, but the eyes have {listed}"
        yield finding_about("patient-grade-against-eyes", sentence, photographs)
