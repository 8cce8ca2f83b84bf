"""Grades in tables and the names of folders, as numbers or as words of the ICDR scale."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from drkit.grades import MAX_GRADE, UNGRADABLE

_DISEASE = r"(dr|diabetic ?retinopathy|retinopathy)"
_NON_PROLIFERATIVE = rf"( ?(npdr|non ?proliferative( ?{_DISEASE})?|{_DISEASE}))?"
_WORDS: Mapping[int, re.Pattern[str]] = MappingProxyType(
    {
        grade: re.compile(pattern)
        for grade, pattern in {
            0: rf"a?(no|non|without)( ?(apparent|visible|signs of))? ?{_DISEASE}( signs?)?"
            "|normal( (eye|fundus|retina))?|healthy",
            1: rf"b?mild( or early)?{_NON_PROLIFERATIVE}",
            2: rf"c?moderate{_NON_PROLIFERATIVE}",
            3: rf"d?severe{_NON_PROLIFERATIVE}",
            4: rf"e?(pdr|pro ?dr|prolifer(ative|ate|ation)( ?{_DISEASE})?)",
            UNGRADABLE: r"un ?grad(e?able|ed)|not gradable|cannot be graded",
        }.items()
    }
)
_NUMBERED = re.compile(r"(?:(?:class|grade|level|stage|label|icdr)\s*)?(\d+)\s*(.*)")
_ETDRS = frozenset({10, 12, 14, 15, 20, 35, 43, 47, 53, 60, 61, 65, 71, 75, 81, 85, 90})
_ENGLISH = re.compile(r"r[0-3][as]?(\s*m[01])?", re.IGNORECASE)


def grade_of_word(text: str) -> int | None:
    """The ICDR grade that a word or the name of a class means, 5 for "cannot be graded", or None.

    `No_DR`, `Mild`, `Moderate NPDR`, `Severe`, `Proliferate_DR`, `grade 3` and `2 - Moderate` are grades;
    `1. No DR signs` is not, because its number belongs to another scale.
    """
    if text.strip().startswith("-"):
        return None
    words = " ".join(re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).lower().split())
    numbered = _NUMBERED.fullmatch(words)
    number, words = (int(numbered[1]), numbered[2]) if numbered else (None, words)
    grade = next((grade for grade, pattern in _WORDS.items() if pattern.fullmatch(words)), None)
    if not words:
        return number if number is not None and number <= UNGRADABLE else None
    return grade if number in (None, grade) else None


def read_grades(cells: pd.Series) -> pd.Series:
    """Parse a column of numbers or words to grades (float64); null where a cell is blank or neither."""
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    words = cells[cells.notna() & numbers.isna()]
    grades = {word: grade_of_word(word) for word in words.unique()}
    return numbers.fillna(words.map(grades).astype("float64"))


def on_scale(grades: pd.Series) -> pd.Series:
    """Whether each number is a grade 0-4 or 5 ("cannot be graded")."""
    return grades.isin(range(UNGRADABLE + 1))


def describe_off_scale(cells: pd.Series, off: pd.Series, row: int) -> str:
    """Describe a cell that is not a grade.

    Args:
        cells: The column's text.
        off: Whether each cell is off the scale.
        row: Index of the cell.
    """
    problem = f"grade '{cells[row]}' is off the scale 0-{MAX_GRADE} ({int(off.sum())} such in column {cells.name})"
    numbers = set(pd.to_numeric(cells, errors="coerce").dropna())
    if len(numbers) > 1 and numbers <= _ETDRS:
        return f"{problem}: these are ETDRS levels: convert them to ICDR grades"
    if _ENGLISH.fullmatch(cells[row]):
        return f"{problem}: this is the English screening scale (R0-R3): convert it to ICDR grades"
    return f"{problem}: correct it, or leave it empty if unknown"
