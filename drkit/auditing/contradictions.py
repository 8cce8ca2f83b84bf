"""Grades, eyes and splits that contradict each other."""

from collections.abc import Iterator

import pandas as pd

from drkit.auditing.findings import Finding, finding_about
from drkit.auditing.rows import describe
from drkit.errors import first_few
from drkit.grades import EYES, SPLITS, TARGETS, grade_column
from drkit.records.layouts.names import parse_name

_PATIENT = ["root", "patient_id"]  # other data sets number anew


def find_contradictions(rows: pd.DataFrame) -> Iterator[Finding]:
    """What can be told from the tables alone.

    Args:
        rows: As `concat_surveys` returns them. Patients are compared within a data set only, because ids are
            unique only there.
    """
    yield from _find_side_conflicts(rows)
    known = rows[rows["patient_id"].notna()]
    for patient in _disagreeing(known, _PATIENT, "split"):
        yield _across_splits(patient)
    for eye in _disagreeing(known[known["eye"].notna()], [*_PATIENT, "eye"], "eye_grade"):
        whose = f"the {eye['eye'].iloc[0]} eye of patient {eye['patient_id'].iloc[0]}"
        yield _unequal("eye", whose, eye)
    for patient in _disagreeing(known, _PATIENT, "patient_grade"):
        yield _unequal("patient", f"patient {patient['patient_id'].iloc[0]}", patient)
    yield from _find_against_eyes(known)
    ungradable = rows[~rows["gradable"]]
    for place, name in zip(ungradable["where"], ungradable["image_id"], strict=True):
        yield finding_about("ungradable", f"{place}: {name} cannot be graded", rows[rows["where"] == place])


def find_contradicting_grades(copies: pd.DataFrame, how: str) -> Iterator[Finding]:
    """Different grades of what is one photograph.

    Args:
        copies: Its rows, as `concat_surveys` returns them.
        how: What makes them one, for the sentence.
    """
    for target in TARGETS:
        graded = copies[copies[grade_column(target)].notna()]
        grades = graded[grade_column(target)]
        if grades.nunique() > 1:
            pairs = zip(graded["image_id"], grades, strict=True)
            listed = ", ".join(f"{name} is graded {grade}" for name, grade in pairs)
            yield finding_about("contradicting-grades", f"{how}, but by {target} grade {listed}", graded)


def _find_side_conflicts(rows: pd.DataFrame) -> Iterator[Finding]:
    named = rows["image_id"].map(lambda name: parse_name(name).eye).astype("string")
    conflicts = rows[(named != rows["eye"]).fillna(False)]
    for index, row in conflicts.iterrows():
        sentence = f"{row['where']}: {row['image_id']} is named {named[index]}, but graded as a {row['eye']} eye"
        yield finding_about("side-conflict", sentence, conflicts.loc[[index]])


def _disagreeing(rows: pd.DataFrame, by: list[str], column: str) -> Iterator[pd.DataFrame]:
    """The groups in which `column` has several values; whole groups are compared at once, few are looked at."""
    several = rows.groupby(by, sort=False)[column].transform("nunique") > 1
    yield from (group for _, group in rows[several].groupby(by, sort=False))


def _across_splits(photographs: pd.DataFrame) -> Finding:
    splits = [split for split in SPLITS if (photographs["split"] == split).any()]
    patient = photographs["patient_id"].iloc[0]
    sentence = f"patient {patient} is in {' and '.join(splits)}: {describe(photographs)}"
    return finding_about("patient-across-splits", sentence, photographs)


def _unequal(target: str, whose: str, photographs: pd.DataFrame) -> Finding:
    grades = photographs[grade_column(target)].dropna()
    listed = first_few([f"{photographs['image_id'][index]} {grade}" for index, grade in grades.items()])
    sentence = f"{whose} has several {target} grades: {listed}"
    return finding_about(f"contradicting-{target}-grade", sentence, photographs.loc[grades.index])


def _find_against_eyes(known: pd.DataFrame) -> Iterator[Finding]:
    """Only where both eyes are graded, each with one grade: an eye that is not there may be the worse."""
    patients = known.groupby(_PATIENT, sort=False)
    odd = (patients["eye_grade"].transform("max") != patients["patient_grade"].transform("max")).fillna(False)
    for (_, patient), photographs in known[odd].groupby(_PATIENT, sort=False):
        eyes = photographs.groupby("eye")["eye_grade"].agg(["min", "max"]).dropna()
        stated = photographs["patient_grade"].dropna().unique()
        if len(eyes) < len(EYES) or len(stated) != 1 or (eyes["min"] != eyes["max"]).any():
            continue
        listed = " and ".join(f"{eye} {grade}" for eye, grade in eyes["max"].items())
        sentence = f"patient {patient} has grade {stated[0]}, but the eyes have {listed}"
        yield finding_about("patient-grade-against-eyes", sentence, photographs)
