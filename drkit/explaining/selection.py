"""Selection of the photographs to explain, by id, split or score, and of those that must be graded first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.config.explain import SelectionCriteria
from drkit.data.units import build_units
from drkit.errors import InputError, did_you_mean, first_few
from drkit.grades import SPLITS, Split, grade_column
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels, image_stem
from drkit.records.predictions import PROBABILITY_COLUMNS, SCHEMA, Predictions, patient_keys

MAX_BETWEEN = 12  # photographs
MAX_UNCERTAIN = 6  # photographs, if no reference grade is known
NO_REFERENCE = "select by --ids or --split, or leave the selection to drkit"  # advice


@dataclass(frozen=True)
class Selection:
    """The photographs to explain.

    Args:
        image_ids: Their ids, in the order in which they are shown.
        reason: How they were selected, in words.
    """

    image_ids: tuple[str, ...]
    reason: str


def select_photographs(predictions: Predictions, criteria: SelectionCriteria, split: Split | None) -> Selection:
    """Select photographs by the criteria among those that a run has graded.

    Without criteria all photographs of the split are selected; without a split as well, a typical photograph of each
    grade and the one with the largest error, or the least certain ones if no reference grade is known.

    Args:
        predictions: The predictions of the run.
        criteria: Ids, or the kind and number of photographs to select.
        split: Split to select from; None for val, or for all photographs if there is no val.

    Raises:
        InputError: the predictions lack the split, or reference grades that are needed.
    """
    if criteria.ids:
        return Selection(criteria.ids, "selected by id")
    rows, source = _of_split(predictions, split)
    if criteria.is_any and split:
        return Selection(tuple(rows["image_id"]), f"all of {source}")
    rows = _one_per_unit(rows.assign(reference=rows[grade_column(predictions.meta.target)]), predictions.meta.unit)
    graded = rows[rows["reference"].notna()]
    if criteria.is_any and graded.empty:
        chosen = _first(rows, rows[list(PROBABILITY_COLUMNS)].max(axis=1), MAX_UNCERTAIN)
        return Selection(chosen, f"the {len(chosen)} of {source} with the least certain grades")
    if graded.empty:
        raise InputError(f"{predictions.name}: no reference grade in {source}: {NO_REFERENCE}")
    return _select_graded(graded, criteria, source)


def _select_graded(rows: pd.DataFrame, criteria: SelectionCriteria, source: str) -> Selection:
    errors = (rows["score"].astype(float) - rows["reference"].astype(float)).abs()
    if criteria.between:
        return _select_between(rows, criteria.between, source)
    if criteria.per_grade:
        return Selection(_typical(rows, criteria.per_grade), f"{criteria.per_grade} typical of each grade in {source}")
    if criteria.worst:
        chosen = _first(rows, -errors, criteria.worst)
        return Selection(chosen, f"the {len(chosen)} of {source} whose score is furthest from the reference grade")
    if criteria.best:
        chosen = _first(rows, errors, criteria.best)
        return Selection(chosen, f"the {len(chosen)} of {source} whose score is nearest to the reference grade")
    chosen = tuple(dict.fromkeys((*_typical(rows, 1), *_first(rows, -errors, 1))))
    return Selection(chosen, f"one typical photograph of each grade in {source}, and the largest error")


def _select_between(rows: pd.DataFrame, grades: tuple[int, int], source: str) -> Selection:
    """Select photographs whose grades are confused, then those with a score between them, nearest to the middle."""
    low, high = grades
    pair = np.sort(rows[["reference", "predicted_grade"]].to_numpy(dtype=np.int64), axis=1)
    confused = (pair == [low, high]).all(1)
    scores = rows["score"].to_numpy(dtype=np.float64)
    candidates = rows[confused | ((scores > low) & (scores < high))]
    if candidates.empty:
        raise InputError(f"no photograph of {source} is between grades {low} and {high}")
    distance = np.abs(scores - (low + high) / 2) - 10.0 * confused
    chosen = _first(candidates, pd.Series(distance, rows.index)[candidates.index], MAX_BETWEEN)
    return Selection(
        chosen, f"{len(chosen)} of {source} between grades {low} and {high}, starting with those that confuse them"
    )


def _of_split(predictions: Predictions, split: Split | None) -> tuple[pd.DataFrame, str]:
    """The rows of a split in the order of their ids, and the name of the split in words."""
    if split:
        predictions.check_split(split)
    chosen = split or ("val" if "val" in predictions.splits else None)
    rows = predictions.rows if chosen is None else predictions.rows[predictions.rows["split"] == chosen]
    return rows.sort_values("image_id"), f"split {chosen}" if chosen else "all photographs"


def _one_per_unit(rows: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The first photograph of each unit, because all photographs of a unit have the same score."""
    if unit == "image":
        return rows
    keys = pd.Series(patient_keys(rows), rows.index)
    if unit == "eye":
        keys += " " + rows["eye"].fillna(rows["image_id"])
    return rows[~keys.duplicated()]


def _first(rows: pd.DataFrame, key: pd.Series, num: int) -> tuple[str, ...]:
    """The ids of the `num` lowest keys; equal keys are in the order of the ids."""
    return tuple(rows.loc[key.sort_values(kind="stable").index[:num], "image_id"])


def _typical(rows: pd.DataFrame, num: int) -> tuple[str, ...]:
    """The ids of the `num` photographs of each reference grade with scores nearest to its median score."""
    chosen: list[str] = []
    for _, group in rows.groupby(rows["reference"].astype(int), sort=True):
        scores = group["score"].astype(float)
        chosen += _first(group, (scores - scores.median()).abs(), num)
    return tuple(chosen)


def resolve_ids(names: Sequence[str], labels: Labels, graded: Predictions) -> tuple[str, ...]:
    """Return the ids of photographs as the data set spells them.

    Args:
        names: Ids, file names or paths.
        labels: The data set.
        graded: The predictions of the run, for advice on an id of another data set.

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
        hint = near if near.startswith("did") else f"its ids look like {ids[0]}"
        if stem in elsewhere:
            hint = "also give the data set that it was graded from with --data"
        raise InputError(f"--ids: {labels.title} has no photograph {first_few(missing)}: {hint}")
    return tuple(dict.fromkeys(image_id for image_id in resolved.values() if image_id is not None))


def find_candidates(
    labels: Labels, graded: Predictions, criteria: SelectionCriteria, split: Split | None
) -> NDArray[np.bool_]:
    """Whether each photograph (N,) of a data set may be selected.

    The candidates are those with the ids of the criteria, or those of the split. Without either they are those that the
    run has graded; if it has graded none, those of val, or all photographs if there is no val.

    Args:
        labels: N photographs.
        graded: The run's predictions of them, whose splits replace those of the data set.
        criteria: The criteria, with ids as the data set spells them.
        split: Split to select from, or None.

    Raises:
        InputError: the data set has no photographs of the split.
    """
    ids = labels.rows["image_id"]
    if criteria.ids:
        return ids.isin(criteria.ids).to_numpy()
    graded_splits = dict(zip(graded.rows["image_id"], graded.rows["split"], strict=True))
    splits = pd.Series(map(graded_splits.get, ids, labels.rows["split"]), dtype="string")
    if split:
        chosen = (splits == split).to_numpy(dtype=bool)
        if not chosen.any():
            others = " and ".join(name for name in SPLITS if (splits == name).any())
            raise InputError(f"{labels.title} has no photographs of split {split}, only of {others}")
        return chosen
    if len(graded):
        return ids.isin(graded.rows["image_id"]).to_numpy()
    is_val = (splits == "val").to_numpy(dtype=bool)
    return is_val if is_val.any() else ~is_val


def find_ungraded(
    labels: Labels, graded: Predictions, candidates: NDArray[np.bool_], architecture: Architecture
) -> Labels:
    """Find all photographs of units with candidates that the run has not graded.

    Args:
        labels: N photographs.
        graded: The run's predictions of them.
        candidates: (N,) whether each photograph may be selected.
        architecture: Architecture of the run's networks, which defines the units.
    """
    ungraded = candidates & ~labels.rows["image_id"].isin(graded.rows["image_id"]).to_numpy()
    if not ungraded.any():
        return replace(labels, rows=labels.rows[ungraded])
    unit = build_units(labels, architecture.unit, architecture.num_slots).unit_of
    return replace(labels, rows=labels.rows[np.isin(unit, unit[ungraded])].reset_index(drop=True))


def add_graded(earlier: Predictions, fresh: Predictions) -> Predictions:
    """Join earlier and fresh predictions of a run; fresh ones replace earlier ones of the same photograph.

    The photographs that the run was trained on are listed one by one, because splits of two data sets can differ.
    """
    others = earlier.where(~earlier.rows["image_id"].isin(fresh.rows["image_id"]))
    if not len(others):
        return fresh
    trained_on = [image_id for part in (others, fresh) for image_id in part.rows["image_id"][part.leaked_rows()]]
    meta = replace(others.meta, trained_on=(), trained_on_images=tuple(sorted(trained_on)), seeds=())
    rows = pd.concat([others.rows[SCHEMA.names], fresh.rows[SCHEMA.names]], ignore_index=True)
    return Predictions(rows, meta, others.name)
