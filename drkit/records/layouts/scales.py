"""Scales that could be mistaken for the ICDR's: known ones are refused, likely ones give a warning."""

import re
from dataclasses import dataclass

import pandas as pd

from drkit.errors import InputError
from drkit.grades import MAX_GRADE, UNGRADABLE
from drkit.records.layouts.grade_words import read_grades
from drkit.records.layouts.tables import RawTable

_MIN_PHOTOGRAPHS = 5  # fewer may have only two grades by chance
_MIN_FOR_GRADE_4 = 1000  # photographs, of which some are expected to have grade 4


@dataclass(frozen=True)
class ForeignScale:
    """A data set that states something other than ICDR grades.

    Args:
        title: Name of the data set.
        marks: Columns that together identify it.
        states: What it states instead, as the object of "states".
        advice: What the user can do.
    """

    title: str
    marks: tuple[str, ...]
    states: str
    advice: str


_BY_HAND = "write a CSV with image_id and eye_grade (0-4) for the photographs whose ICDR grade is known"
FOREIGN_SCALES = (
    ForeignScale(
        "Messidor (the first one)",
        ("ophthalmologic department",),
        "its own retinopathy grade 0-3, not ICDR grades",
        "Messidor-2's messidor_data.csv has adjudicated ICDR grades of most of these photographs",
    ),
    ForeignScale("RFMiD", ("disease_risk",), "whether a disease is present (0 or 1), not a grade", _BY_HAND),
    ForeignScale(
        "ODIR-5K",
        ("left-diagnostic keywords", "right-diagnostic keywords"),
        "a patient's diseases (0 or 1) and keywords, not a grade",
        _BY_HAND,
    ),
)
_DISEASES = ("armd", "amd", "mh", "odc", "brvo", "crvo", "glaucoma", "cataract", "myopia", "hypertension", "normal")
_FOREIGN_COLUMNS = {
    r"scottish|sdrg": "the Scottish scale",
    r"american ?academy|\baao\b": "the scale of the American Academy of Ophthalmology",
    r"etdrs|airlie": "the ETDRS scale",
    r"\bnhs\b|\bnsc\b|\bdesp\b": "the English screening scale",
}


def foreign_scale_of_column(column: str) -> str | None:
    """The scale in a column's name if it is another than the ICDR's, or None."""
    words = re.sub(r"[\W_]+", " ", column.lower())
    return next((title for pattern, title in _FOREIGN_COLUMNS.items() if re.search(pattern, words)), None)


def check_scale(table: RawTable) -> None:
    """Check that a table does not belong to a data set without ICDR grades.

    Raises:
        InputError: it does; the message says what the table states instead.
    """
    for scale in FOREIGN_SCALES:
        if table.has(*scale.marks):
            raise InputError(f"{table.path} is {scale.title}, which states {scale.states}: {scale.advice}")
    if re.match(r"annotation[ _]base\d", table.stem.lower()):
        scale = FOREIGN_SCALES[0]
        raise InputError(f"{table.path} is {scale.title}, which states {scale.states}: {scale.advice}")
    others = [column for column in _DISEASES if table.has(column)]
    if table.has("dr") and len(others) > 1 and set(read_grades(table.peek("dr")).dropna()) <= {0, 1}:
        names = ", ".join(table.header[table.find(column) or column] for column in ("dr", *others))
        raise InputError(f"{table.path} states whether diseases are present ({names}: 0 or 1), not a grade: {_BY_HAND}")


def doubt_scale(grades: pd.Series) -> str | None:
    """Why a data set's grades could be on another scale; None if they look like ICDR grades.

    Args:
        grades: Grades of all photographs, including 5 ("cannot be graded"); null where unknown.
    """
    known = grades.dropna()
    distinct = {int(grade) for grade in known.unique()}
    if distinct == {0, 1} and len(known) >= _MIN_PHOTOGRAPHS:
        return "only 0 and 1: do they state whether retinopathy is present, not how severe it is?"
    if distinct and max(distinct) < MAX_GRADE and len(known) >= _MIN_FOR_GRADE_4:
        return f"no grade above {max(distinct)} in {len(known)} photographs: is this a scale other than ICDR 0-4?"
    if UNGRADABLE in distinct and 0 not in distinct and len(known) >= _MIN_PHOTOGRAPHS:
        return "5 (which means that a photograph cannot be graded) but no 0: is this a scale from 1 to 5?"
    return None
