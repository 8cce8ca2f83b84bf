"""Scales that are taken for the ICDR's: refused where they are known, warned of where they are likely."""

import re
from dataclasses import dataclass

import pandas as pd

from drkit.errors import InputError
from drkit.grades import MAX_GRADE, UNGRADABLE
from drkit.records.layouts.grade_words import read_grades
from drkit.records.layouts.tables import RawTable

_FEW = 5  # photographs: fewer may well be of two grades only
_MANY = 1000  # photographs: among so many there is a proliferative one


@dataclass(frozen=True)
class ForeignScale:
    """A data set that states something other than ICDR grades.

    Args:
        title: Whose it is.
        marks: Columns that betray it, all of them.
        states: What it states instead.
        advice: What to do.
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
        "its own retinopathy grade 0-3, which is not the ICDR scale",
        "Messidor-2's messidor_data.csv has adjudicated ICDR grades of most of these photographs",
    ),
    ForeignScale("RFMiD", ("disease_risk",), "whether a disease is there (0 or 1), and no grade", _BY_HAND),
    ForeignScale(
        "ODIR-5K",
        ("left-diagnostic keywords", "right-diagnostic keywords"),
        "a patient's diseases (0 or 1) and keywords, and no grade",
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
    """The scale, other than the ICDR's, that a column's name names."""
    words = re.sub(r"[\W_]+", " ", column.lower())
    return next((title for pattern, title in _FOREIGN_COLUMNS.items() if re.search(pattern, words)), None)


def check_scale(table: RawTable) -> None:
    """Check that a table is not known to state something other than ICDR grades.

    Raises:
        InputError: it is; says what it states and what to do.
    """
    for scale in FOREIGN_SCALES:
        if table.has(*scale.marks):
            raise InputError(f"{table.path} is {scale.title}: it states {scale.states}: {scale.advice}")
    if re.match(r"annotation[ _]base\d", table.stem.lower()):
        scale = FOREIGN_SCALES[0]
        raise InputError(f"{table.path} is {scale.title}: it states {scale.states}: {scale.advice}")
    beside = [column for column in _DISEASES if table.has(column)]
    if table.has("dr") and len(beside) > 1 and set(read_grades(table.peek("dr")).dropna()) <= {0, 1}:
        named = ", ".join(table.header[table.find(column) or column] for column in ("dr", *beside))
        raise InputError(f"{table.path} states whether diseases are there ({named}: 0 or 1), and no grade: {_BY_HAND}")


def doubt_scale(grades: pd.Series) -> str | None:
    """Why a whole data set's grades look like those of another scale; None where they do not.

    Args:
        grades: Null where unknown, 5 ("cannot be graded") still among them.
    """
    known = grades.dropna()
    found = {int(grade) for grade in known.unique()}
    if found == {0, 1} and len(known) >= _FEW:
        return "only 0 and 1: is it whether retinopathy is there, and not how severe?"
    if found and max(found) < MAX_GRADE and len(known) >= _MANY:
        return f"nothing above {max(found)} in {len(known)} photographs: is it another scale than ICDR 0-4?"
    if UNGRADABLE in found and 0 not in found and len(known) >= _FEW:
        return "5 (read as: cannot be graded) but no 0: is it a scale from 1 to 5?"
    return None
