"""Grades as tables and folders write them: numbers, or words of the ICDR scale."""

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
    """The ICDR grade that a word or a class's name means, 5 for "cannot be graded", None for others.

    `No_DR`, `Mild`, `Moderate NPDR`, `Severe`, `Proliferate_DR`, `grade 3`, `2 - Moderate`; not `1. No DR signs`, whose
    number is another scale's.
    """
    if text.strip().startswith("-"):
        return None
    words = " ".join(re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)).lower().split())
    numbered = _NUMBERED.fullmatch(words)
    number, words = (int(numbered[1]), numbered[2]) if numbered else (None, words)
    meant = next((grade for grade, pattern in _WORDS.items() if pattern.fullmatch(words)), None)
    if not words:
        return number if number is not None and number <= UNGRADABLE else None
    return meant if number in (None, meant) else None


def read_grades(cells: pd.Series) -> pd.Series:
    """Grades in a column's text, as numbers or in words; null where blank or neither (float64)."""
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    words = cells[cells.notna() & numbers.isna()]
    meant = {word: grade_of_word(word) for word in words.unique()}
    return numbers.fillna(words.map(meant).astype("float64"))


def on_scale(grades: pd.Series) -> pd.Series:
    """Whether a number is a grade or 5, "cannot be graded"."""
    return grades.isin(range(UNGRADABLE + 1))


def describe_off_scale(cells: pd.Series, off: pd.Series, row: int) -> str:
    """Why the cell of a row is no grade, and what to do."""
    told = f"grade '{cells[row]}' is off the scale 0-{MAX_GRADE} ({int(off.sum())} such in column {cells.name})"
    numbers = set(pd.to_numeric(cells, errors="coerce").dropna())
    if len(numbers) > 1 and numbers <= _ETDRS:
        return f"{told}: these are ETDRS levels: translate them to ICDR grades"
    if _ENGLISH.fullmatch(cells[row]):
        return f"{told}: this is the English screening scale (R0-R3): translate it to ICDR grades"
    return f"{told}: correct it, or leave it empty where unknown"
