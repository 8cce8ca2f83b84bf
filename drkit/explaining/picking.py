"""Which photographs are explained: by name, by split, or because they are telling."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from drkit.errors import InputError, UsageError
from drkit.grades import NUM_GRADES, Split, grade_column
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions, patient_keys

MOST_BETWEEN = 12  # photographs
WITHOUT_GRADES = 6  # photographs, where no reference grade is known
NO_REFERENCE = "pick by --ids or --split, or leave the choice to drkit"  # what to do where none is known


@dataclass(frozen=True)
class Interest:
    """What makes a photograph worth explaining; at most one of the five.

    Args:
        ids: These very photographs, as the predictions spell them.
        worst: So many whose score is furthest from their reference grade.
        best: So many whose score is nearest to it.
        between: Photographs that are, or seem, on the edge of these two grades.
        per_grade: So many typical photographs of each reference grade.
    """

    ids: tuple[str, ...] = ()
    worst: int | None = None
    best: int | None = None
    between: tuple[int, int] | None = None
    per_grade: int | None = None

    def __post_init__(self) -> None:
        """Refuse two interests at once.

        Raises:
            UsageError: more than one is given, or grades that are off the scale or equal.
        """
        named = {"--ids": bool(self.ids), "--worst": self.worst, "--best": self.best, "--between": self.between}
        given = [name for name, value in {**named, "--per-grade": self.per_grade}.items() if value]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)}: one interest at a time")
        if self.between and not (0 <= self.between[0] < self.between[1] < NUM_GRADES):
            raise UsageError(f"--between {self.between[0]},{self.between[1]}: two rising grades are expected, as 2,3")

    @property
    def needs_references(self) -> bool:
        """Whether reference grades decide which photographs are picked."""
        return bool(self.worst or self.best or self.between or self.per_grade)

    @property
    def is_any(self) -> bool:
        """Whether nothing in particular is asked for."""
        return not self.ids and not self.needs_references


@dataclass(frozen=True)
class Picked:
    """The photographs that are explained.

    Args:
        image_ids: In the order in which they are shown.
        reason: Why these, in words.
    """

    image_ids: tuple[str, ...]
    reason: str


def pick_photographs(predictions: Predictions, interest: Interest, split: Split | None) -> Picked:
    """Pick photographs among a run's predictions.

    Without an interest and with a split, all of the split; without both, one typical photograph of each
    grade and the worst error, or where no reference grade is known those whose grade is least certain.

    Args:
        predictions: Whatever the run has graded.
        interest: What makes a photograph telling.
        split: Only of this one; None: val where there is one, else whatever there is.

    Raises:
        InputError: a split that the predictions do not hold, or no reference grades where they are needed.
    """
    if interest.ids:
        return Picked(interest.ids, "asked for by name")
    rows, where = _of_split(predictions, split)
    if interest.is_any and split:
        return Picked(tuple(rows["image_id"]), f"all of {where}")
    rows = _one_a_unit(rows.assign(reference=rows[grade_column(predictions.meta.target)]), predictions.meta.unit)
    graded = rows[rows["reference"].notna()]
    if interest.is_any and graded.empty:
        chosen = _least_certain(rows, WITHOUT_GRADES)
        return Picked(chosen, f"of {where}, the {len(chosen)} whose grade is least certain")
    if graded.empty:
        raise InputError(f"{predictions.name}: no reference grade in {where}: {NO_REFERENCE}")
    return _pick_graded(graded, interest, where)


def _pick_graded(rows: pd.DataFrame, interest: Interest, where: str) -> Picked:
    errors = (rows["score"].astype(float) - rows["reference"].astype(float)).abs()
    if interest.between:
        return _pick_between(rows, interest.between, where)
    if interest.per_grade:
        return Picked(_typical(rows, interest.per_grade), f"{interest.per_grade} typical of each grade, of {where}")
    if interest.worst:
        chosen = _first(rows, -errors, interest.worst)
        return Picked(chosen, f"of {where}, the {len(chosen)} whose score is furthest from their grade")
    if interest.best:
        chosen = _first(rows, errors, interest.best)
        return Picked(chosen, f"of {where}, the {len(chosen)} whose score is nearest to their grade")
    both = dict.fromkeys((*_typical(rows, 1), *_first(rows, -errors, 1)))
    return Picked(tuple(both), f"of {where}, one typical photograph of each grade, and the worst error")


def _pick_between(rows: pd.DataFrame, grades: tuple[int, int], where: str) -> Picked:
    """First those that take one grade for the other, then those whose score lies between, nearest the middle."""
    low, high = grades
    pair = np.sort(rows[["reference", "predicted_grade"]].to_numpy(dtype=np.int64), axis=1)
    confused = (pair == [low, high]).all(1)
    scores = rows["score"].to_numpy(dtype=np.float64)
    among = rows[confused | ((scores > low) & (scores < high))]
    if among.empty:
        raise InputError(f"no photograph of {where} lies between grades {low} and {high}")
    distance = np.abs(scores - (low + high) / 2) - 10.0 * confused
    chosen = _first(among, pd.Series(distance, rows.index)[among.index], MOST_BETWEEN)
    return Picked(chosen, f"of {where}, {len(chosen)} between grades {low} and {high}, those that confuse them first")


def _of_split(predictions: Predictions, split: Split | None) -> tuple[pd.DataFrame, str]:
    """Rows of a split, in the order of their ids, and what they are called."""
    if split:
        predictions.check_split(split)
    wanted = split or ("val" if "val" in predictions.splits else None)
    rows = predictions.rows if wanted is None else predictions.rows[predictions.rows["split"] == wanted]
    return rows.sort_values("image_id"), f"split {wanted}" if wanted else "all photographs"


def _one_a_unit(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The first photograph of each unit: those graded together have one score, and would be picked together."""
    if unit == "image":
        return rows
    keys = pd.Series(patient_keys(rows), rows.index)
    if unit == "eye":
        keys += " " + rows["eye"].fillna(rows["image_id"])
    return rows[~keys.duplicated()]


def _first(rows: pd.DataFrame, key: pd.Series, num: int) -> tuple[str, ...]:
    """The ids of the lowest keys; equal keys in the order of the ids."""
    return tuple(rows.loc[key.sort_values(kind="stable").index[:num], "image_id"])


def _typical(rows: pd.DataFrame, num: int) -> tuple[str, ...]:
    """Of each reference grade those nearest to its median score."""
    chosen: list[str] = []
    for _, group in rows.groupby(rows["reference"].astype(int), sort=True):
        scores = group["score"].astype(float)
        chosen += _first(group, (scores - scores.median()).abs(), num)
    return tuple(chosen)


def _least_certain(rows: pd.DataFrame, num: int) -> tuple[str, ...]:
    """The ids of the lowest probabilities of the likeliest grade."""
    return _first(rows, rows[list(PROBABILITY_COLUMNS)].max(axis=1), num)
