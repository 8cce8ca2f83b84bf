"""Which photographs of the data sets may be picked, and which of them the run has yet to grade."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.data.units import Unit, build_units
from drkit.errors import InputError, did_you_mean, first_few
from drkit.explaining.picking import Interest
from drkit.grades import SPLITS, Split
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels, image_stem
from drkit.records.predictions import SCHEMA, Predictions


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
    found = {name: known.get(name, known.get(image_stem(name))) for name in names}
    missing = [name for name, image_id in found.items() if image_id is None]
    elsewhere = {image_stem(image_id) for image_id in graded.rows["image_id"]}
    if missing:
        stem = image_stem(missing[0])
        hint = "name the data set it was graded from with --data, too" if stem in elsewhere else _hint(stem, ids)
        raise InputError(f"--ids: {labels.title} has no photograph {first_few(missing)}: {hint}")
    return tuple(dict.fromkeys(image_id for image_id in found.values() if image_id is not None))


def find_candidates(labels: Labels, graded: Predictions, interest: Interest, split: Split | None) -> NDArray[np.bool_]:
    """Which photographs (N,) of a data set may be picked.

    Those of the ids or of the split; without either those that the run has graded; of a data set that it has not,
    val where there is one, else all.

    Args:
        labels: N photographs.
        graded: What the run has graded of them; the split it graded them as is theirs.
        interest: Whose ids are the data set's.
        split: Only of this one.

    Raises:
        InputError: there are none.
    """
    ids = labels.rows["image_id"]
    if interest.ids:
        return ids.isin(interest.ids).to_numpy()
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


def _hint(stem: str, ids: Sequence[str]) -> str:
    hint = did_you_mean(stem, ids)
    return hint if hint.startswith("did") else f"its ids are such as {ids[0]}"
