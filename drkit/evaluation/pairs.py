"""Two runs of one kind, brought to the same photographs."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.errors import InputError, LeakageError, first_few
from drkit.evaluation.aggregation import Cases, aggregate_by_seed
from drkit.evaluation.selection import scorable_rows
from drkit.grades import Target
from drkit.records.predictions import Predictions


def pair_cases(before: Predictions, after: Predictions) -> tuple[tuple[Cases, ...], tuple[Cases, ...]]:
    """The photographs that two runs of one kind are judged on, without those that either was trained on.

    Of a run of several seeds each seed's networks alone.

    Args:
        before: A run's predictions, checked by `check_pair`.
        after: Another's.

    Raises:
        LeakageError: nothing is left.
    """
    first, second = (judged(run) for run in (before, after))
    shared = np.intersect1d(*(run.rows["image_id"][scorable_rows(run)] for run in (first, second)))
    if not len(shared):
        raise LeakageError(f"{after.name} and {before.name} share no photograph that neither was trained on")
    return _cases_of(first, shared), _cases_of(second, shared)


def judged(predictions: Predictions) -> Predictions:
    """The graded rows that a run is judged on: those that a fold held out, or without folds the val split's."""
    in_part = predictions.rows["fold"].notna() if predictions.meta.folds else predictions.rows["split"] == "val"
    return predictions.where(in_part & predictions.reference().notna())


def check_pair(before: Predictions, target: Target, unit: str, folds: int, reference: pd.Series) -> None:
    """Check that a run can be compared with one that is judged on certain photographs.

    Args:
        before: The run's predictions.
        target: Whose grade the other grades.
        unit: What it sees in one forward pass.
        folds: How many the other has, 0 without.
        reference: Reference grades of the photographs that the other is judged on, by image id.

    Raises:
        InputError: another target or unit, another number of folds, other photographs, or other reference grades.
    """
    meta, rows = before.meta, judged(before)
    if meta.target != target:
        raise InputError(
            f"{before.name} gives the {meta.target}'s grade, not the {target}'s: compare runs of one target"
        )
    if meta.unit != unit:
        raise InputError(f"{before.name} has the unit {meta.unit}, not {unit}: compare runs of one --unit")
    if meta.folds != folds:
        raise InputError(f"{before.name} has {meta.folds or 'no'} folds, not {folds or 'none'}: compare like with like")
    known = rows.reference().set_axis(rows.rows["image_id"])
    odd = sorted(set(known.index) ^ set(reference.index))
    if odd:
        raise InputError(
            f"{before.name} is judged on {len(known)} photographs, not on the same {len(reference)}; different:"
            f" {first_few(odd)}: compare runs of one data set and one split"
        )
    regraded = [name for name, grade in known.items() if grade != reference[name]]
    if regraded:
        raise InputError(f"{before.name} was judged by other reference grades of {first_few(regraded)}: train it again")


def remark_pair(before: Predictions, after: Predictions, incidental: Collection[str]) -> tuple[str, ...]:
    """What must be known to read a comparison of two trainings rightly.

    Args:
        before: A run's predictions.
        after: Another's.
        incidental: Options in which they may differ.
    """
    odd = differing_options(before.meta.provenance, after.meta.provenance, incidental)
    chosen = [_choice_of(run) for run in (before, after) if run.meta.chosen_on == "val" and not run.meta.folds]
    remarks = []
    if odd:
        remarks.append(
            f"{before.name} differs in more than attention, so the difference is not attention's alone:"
            f" {first_few(odd, shown=8)}"
        )
    if chosen:
        remarks.append(
            f"the epoch of {' and of '.join(chosen)} was chosen on the photographs that are compared: use --choose"
            " inner or last"
        )
    return tuple(remarks)


def differing_options(before: Mapping[str, Any], after: Mapping[str, Any], allowed: Collection[str] = ()) -> list[str]:
    """`epochs (6, here 12)`, for every option of two trainings that is not the same, but those allowed."""
    keys = sorted((set(before) | set(after)) - set(allowed))
    odd = [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
    return [key if isinstance(old, dict | list) else f"{key} ({old}, here {new})" for key, old, new in odd]


def _choice_of(run: Predictions) -> str:
    """Whose epoch val picked, that of the run or of the weights that it started from."""
    own = run.meta.provenance.get("choose", "val") == "val"
    return run.name if own else f"the weights that {run.name} started from"


def _cases_of(predictions: Predictions, image_ids: NDArray[np.object_]) -> tuple[Cases, ...]:
    """The photographs called so, in the order of their names."""
    chosen = predictions.where(predictions.rows["image_id"].isin(image_ids))
    ordered = replace(chosen, rows=chosen.rows.sort_values("image_id", ignore_index=True))
    return aggregate_by_seed(ordered, ordered.reference().to_numpy(dtype=np.int64), "photograph")
