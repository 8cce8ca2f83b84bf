"""Two comparable runs, on the photographs that both are evaluated on."""

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
    """Pair the cases of two runs on the same photographs, for each of their seeds.

    They are the photographs that both runs are evaluated on, without those that either was trained on.

    Args:
        before: The predictions of the first run, checked by `check_pair`.
        after: The predictions of the second run.

    Raises:
        LeakageError: no photograph is left.
    """
    first, second = (evaluated_rows(run) for run in (before, after))
    shared = np.intersect1d(*(run.rows["image_id"][scorable_rows(run)] for run in (first, second)))
    if not len(shared):
        raise LeakageError(f"{after.name} and {before.name} share no photograph that neither was trained on")
    return _cases_of(first, shared), _cases_of(second, shared)


def evaluated_rows(predictions: Predictions) -> Predictions:
    """The graded rows that a run is evaluated on: those that a fold held out, or without folds those of val."""
    is_held_out = predictions.rows["fold"].notna() if predictions.meta.folds else predictions.rows["split"] == "val"
    return predictions.where(is_held_out & predictions.reference().notna())


def check_pair(before: Predictions, target: Target, unit: str, folds: int, reference: pd.Series) -> None:
    """Check that a run can be compared with another run.

    Args:
        before: The predictions of the run.
        target: Target of the other run.
        unit: Unit of the other run.
        folds: Number of folds of the other run; 0 without folds.
        reference: Reference grades of the photographs that the other run is evaluated on, by image id.

    Raises:
        InputError: another target or unit, another number of folds, other photographs, or other reference grades.
    """
    meta, rows = before.meta, evaluated_rows(before)
    if meta.target != target:
        raise InputError(
            f"{before.name} gives the {meta.target}'s grade, not the {target}'s: compare runs of one target"
        )
    if meta.unit != unit:
        raise InputError(f"{before.name} has the unit {meta.unit}, not {unit}: compare runs of one --unit")
    if meta.folds != folds:
        raise InputError(
            f"{before.name} has {meta.folds or 'no'} folds, not {folds or 'none'}: compare runs with the same --folds"
        )
    known = rows.reference().set_axis(rows.rows["image_id"])
    different = sorted(set(known.index) ^ set(reference.index))
    if different:
        raise InputError(
            f"{before.name} is evaluated on {len(known)} photographs, not on the same {len(reference)}; different:"
            f" {first_few(different)}: compare runs of one data set and one split"
        )
    regraded = [name for name, grade in known.items() if grade != reference[name]]
    if regraded:
        raise InputError(
            f"{before.name} was evaluated with other reference grades of {first_few(regraded)}: train it again"
        )


def remark_pair(before: Predictions, after: Predictions, incidental: Collection[str]) -> tuple[str, ...]:
    """Caveats of a comparison of two trainings.

    Args:
        before: The predictions of the first run.
        after: The predictions of the second run.
        incidental: Options in which the runs may differ.
    """
    differences = differing_options(before.meta.provenance, after.meta.provenance, incidental)
    chosen = [_selected_on_val(run) for run in (before, after) if run.meta.chosen_on == "val" and not run.meta.folds]
    remarks = []
    if differences:
        remarks.append(
            f"{before.name} differs in more than attention, so the difference is not attention's alone:"
            f" {first_few(differences, shown=8)}"
        )
    if chosen:
        remarks.append(
            f"the epoch of {' and of '.join(chosen)} was selected on the photographs that are compared: use --choose"
            " inner or last"
        )
    return tuple(remarks)


def differing_options(before: Mapping[str, Any], after: Mapping[str, Any], allowed: Collection[str] = ()) -> list[str]:
    """List `epochs (6, here 12)` for each option that differs between two trainings, except the allowed ones."""
    keys = sorted((set(before) | set(after)) - set(allowed))
    changes = [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
    return [key if isinstance(old, dict | list) else f"{key} ({old}, here {new})" for key, old, new in changes]


def _selected_on_val(run: Predictions) -> str:
    """The training whose epoch was selected on val: the run, or the weights that it started from."""
    own = run.meta.provenance.get("choose", "val") == "val"
    return run.name if own else f"the weights that {run.name} started from"


def _cases_of(predictions: Predictions, image_ids: NDArray[np.object_]) -> tuple[Cases, ...]:
    """The cases of each seed on the photographs with these ids, in the order of the ids."""
    chosen = predictions.where(predictions.rows["image_id"].isin(image_ids))
    ordered = replace(chosen, rows=chosen.rows.sort_values("image_id", ignore_index=True))
    return aggregate_by_seed(ordered, ordered.reference().to_numpy(dtype=np.int64), "photograph")
