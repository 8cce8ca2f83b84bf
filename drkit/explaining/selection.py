"""Which photographs are explained: by id, by split, or by their scores; and which must be graded first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.config.explain import SelectionCriteria
from drkit.data.units import Unit, build_units
from drkit.errors import InputError, did_you_mean, first_few
from drkit.grades import SPLITS, Split, grade_column
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels, image_stem
from drkit.records.predictions import PROBABILITY_COLUMNS, SCHEMA, Predictions, patient_keys

MOST_BETWEEN = 12  # photographs
WITHOUT_GRADES = 6  # photographs, where no reference grade is known
NO_REFERENCE = "select by --ids or --split, or leave the selection to drkit"  # what to do without reference grades


@dataclass(frozen=True)
class Selection:
    """The photographs that are explained.

    Args:
        image_ids: In the order in which they are shown.
        reason: Why these, in words.
    """

    image_ids: tuple[str, ...]
    reason: str


def select_photographs(predictions: Predictions, criteria: SelectionCriteria, split: Split | None) -> Selection:
    """Select photographs among a run's predictions.

    Without criteria and with a split, all of the split; without both, one typical photograph of each
    grade and the worst error, or where no reference grade is known those whose grade is least certain.

    Args:
        predictions: Whatever the run has graded.
        criteria: Which of them.
        split: Only of this one; None: val where there is one, else whatever there is.

    Raises:
        InputError: a split that the predictions do not hold, or no reference grades where they are needed.
    """
    if criteria.ids:
        return Selection(criteria.ids, "selected by id")
    rows, where = _of_split(predictions, split)
    if criteria.is_any and split:
        return Selection(tuple(rows["image_id"]), f"all of {where}")
    rows = _one_a_unit(rows.assign(reference=rows[grade_column(predictions.meta.target)]), predictions.meta.unit)
    graded = rows[rows["reference"].notna()]
    if criteria.is_any and graded.empty:
        chosen = _first(rows, rows[list(PROBABILITY_COLUMNS)].max(axis=1), WITHOUT_GRADES)
        return Selection(chosen, f"the {len(chosen)} of {where} with the least certain grades")
    if graded.empty:
        raise InputError(f"{predictions.name}: no reference grade in {where}: {NO_REFERENCE}")
    return _select_graded(graded, criteria, where)


def _select_graded(rows: pd.DataFrame, criteria: SelectionCriteria, where: str) -> Selection:
    errors = (rows["score"].astype(float) - rows["reference"].astype(float)).abs()
    if criteria.between:
        return _select_between(rows, criteria.between, where)
    if criteria.per_grade:
        return Selection(_typical(rows, criteria.per_grade), f"{criteria.per_grade} typical of each grade in {where}")
    if criteria.worst:
        chosen = _first(rows, -errors, criteria.worst)
        return Selection(chosen, f"the {len(chosen)} of {where} whose score is furthest from the reference grade")
    if criteria.best:
        chosen = _first(rows, errors, criteria.best)
        return Selection(chosen, f"the {len(chosen)} of {where} whose score is nearest to the reference grade")
    both = dict.fromkeys((*_typical(rows, 1), *_first(rows, -errors, 1)))
    return Selection(tuple(both), f"one typical photograph of each grade in {where}, and the largest error")


def _select_between(rows: pd.DataFrame, grades: tuple[int, int], where: str) -> Selection:
    """First those that take one grade for the other, then those whose score lies between, nearest the middle."""
    low, high = grades
    pair = np.sort(rows[["reference", "predicted_grade"]].to_numpy(dtype=np.int64), axis=1)
    confused = (pair == [low, high]).all(1)
    scores = rows["score"].to_numpy(dtype=np.float64)
    among = rows[confused | ((scores > low) & (scores < high))]
    if among.empty:
        raise InputError(f"no photograph of {where} is between grades {low} and {high}")
    distance = np.abs(scores - (low + high) / 2) - 10.0 * confused
    chosen = _first(among, pd.Series(distance, rows.index)[among.index], MOST_BETWEEN)
    return Selection(
        chosen, f"{len(chosen)} of {where} between grades {low} and {high}, starting with those that confuse them"
    )


def _of_split(predictions: Predictions, split: Split | None) -> tuple[pd.DataFrame, str]:
    """Rows of a split, in the order of their ids, and what they are called."""
    if split:
        predictions.check_split(split)
    chosen = split or ("val" if "val" in predictions.splits else None)
    rows = predictions.rows if chosen is None else predictions.rows[predictions.rows["split"] == chosen]
    return rows.sort_values("image_id"), f"split {chosen}" if chosen else "all photographs"


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


def resolve_ids(names: Sequence[str], labels: Labels, graded: Predictions) -> tuple[str, ...]:
    """Ids as the data set spells them.

    Args:
        names: Ids, file names or paths.
        labels: Where they are looked for.
        graded: All that the run has graded, to tell what is only missing from the data sets named.

    Raises:
        InputError: an id that the data set does not have.
    """
    ids = labels.rows["image_id"].tolist()
    known = {image_stem(image_id): image_id for image_id in ids} | {image_id: image_id for image_id in ids}
    resolved = {name: known.get(name, known.get(image_stem(name))) for name in names}
    missing = [name for name, image_id in resolved.items() if image_id is None]
    elsewhere = {image_stem(image_id) for image_id in graded.rows["image_id"]}
    if missing:
        stem = image_stem(missing[0])
        near = did_you_mean(stem, ids)
        hint = near if near.startswith("did") else f"its ids are such as {ids[0]}"
        if stem in elsewhere:
            hint = "name the data set it was graded from with --data, too"
        raise InputError(f"--ids: {labels.title} has no photograph {first_few(missing)}: {hint}")
    return tuple(dict.fromkeys(image_id for image_id in resolved.values() if image_id is not None))


def find_candidates(
    labels: Labels, graded: Predictions, criteria: SelectionCriteria, split: Split | None
) -> NDArray[np.bool_]:
    """Which photographs (N,) of a data set may be picked.

    Those of the ids or of the split; without either those that the run has graded; of a data set that it has not,
    val where there is one, else all.

    Args:
        labels: N photographs.
        graded: What the run has graded of them; the split it graded them as is theirs.
        criteria: Its ids spelled as in the data set.
        split: Only of this one.

    Raises:
        InputError: there are none.
    """
    ids = labels.rows["image_id"]
    if criteria.ids:
        return ids.isin(criteria.ids).to_numpy()
    of_graded = dict(zip(graded.rows["image_id"], graded.rows["split"], strict=True))
    splits = pd.Series(map(of_graded.get, ids, labels.rows["split"]), dtype="string")
    if split:
        chosen = (splits == split).to_numpy(dtype=bool)
        if not chosen.any():
            there = " and ".join(name for name in SPLITS if (splits == name).any())
            raise InputError(f"{labels.title} has no photographs of split {split}, only of {there}")
        return chosen
    if len(graded):
        return ids.isin(graded.rows["image_id"]).to_numpy()
    is_val = (splits == "val").to_numpy(dtype=bool)
    return is_val if is_val.any() else ~is_val


def find_ungraded(
    labels: Labels, graded: Predictions, candidates: NDArray[np.bool_], architecture: Architecture
) -> Labels:
    """The units of those candidates that the run has not graded, with all their photographs.

    Args:
        labels: N photographs.
        graded: What the run has graded of them.
        candidates: (N,).
        architecture: Of the run's networks, which says what a unit is.
    """
    ungraded = candidates & ~labels.rows["image_id"].isin(graded.rows["image_id"]).to_numpy()
    if not ungraded.any():
        return replace(labels, rows=labels.rows[ungraded])
    unit = build_units(labels, cast(Unit, architecture.unit), architecture.num_slots).unit_of
    return replace(labels, rows=labels.rows[np.isin(unit, unit[ungraded])].reset_index(drop=True))


def add_graded(earlier: Predictions, fresh: Predictions) -> Predictions:
    """What a run graded earlier and now; of photographs in both, what it says now.

    Which of them it was trained on stands photograph by photograph: the splits of two data sets are not one another's.
    """
    kept = earlier.where(~earlier.rows["image_id"].isin(fresh.rows["image_id"]))
    if not len(kept):
        return fresh
    trained_on = [image_id for part in (kept, fresh) for image_id in part.rows["image_id"][part.leaked_rows()]]
    meta = replace(kept.meta, trained_on=(), trained_on_images=tuple(sorted(trained_on)), seeds=())
    return Predictions(
        pd.concat([kept.rows[SCHEMA.names], fresh.rows[SCHEMA.names]], ignore_index=True), meta, kept.name
    )
