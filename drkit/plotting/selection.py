"""Selection of the photographs of a predictions file that are drawn: graded ones that the run was not trained on."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from drkit.errors import InputError
from drkit.evaluation import EvaluationSet, select_scorable
from drkit.grades import MAX_GRADE, Level, Split
from drkit.plotting.style import MAX_RUNS
from drkit.progress import warn
from drkit.records.json_records import read_json_record
from drkit.records.predictions import Predictions, name_predictions, read_predictions
from drkit.records.runs import data_names

T = TypeVar("T")


def select(
    predictions: Predictions, split: Split | None = None, by: Level = "photograph", *, data: str = ""
) -> EvaluationSet:
    """Select the photographs to draw as `select_scorable` does, with a warning if the run was trained on some.

    Args:
        predictions: The predictions of the run.
        split: The split; None for all splits with reference grades.
        by: Level of the cases.
        data: Names of the data sets, used in titles if the predictions do not name several data sets.

    Raises:
        InputError: no photograph is left, or photographs cannot be joined to cases.
        LeakageError: the run was trained on all photographs.
    """
    selection = select_scorable(predictions, None, split=split, by=by, data=data)
    if selection.trained_on:
        name = predictions.name if split is None else f"{predictions.name}, split {split}"
        warn(f"{name}: {selection.trained_on} photographs that the run was trained on are left out")
    return selection


def read_selected(files: Iterable[Path], split: Split | None, by: Level = "photograph") -> list[EvaluationSet]:
    """Read predictions files and select the photographs to draw; the data sets' names come from the runs' records.

    Args:
        files: Predictions files or runs.
        split: The split; None for all splits with reference grades.
        by: Level of the cases.

    Raises:
        InputError: a file cannot be read, or an error of `select`.
        LeakageError: a run was trained on all photographs.
    """
    selected = []
    for name, path in name_predictions(files).items():
        predictions = replace(read_predictions(path), name=name)
        data = find_data(path) or name_data(predictions.meta.provenance)
        selected.append(select(predictions, split, by, data=data))
    return selected


def find_data(path: Path) -> str:
    """Names of the data sets in the record beside a predictions file, for an ensemble in those of its members.

    Returns:
        The names, such as `APTOS2019 + IDRiD`; empty without readable records.
    """
    with suppress(InputError):  # the names are only for titles
        record = read_json_record(path.with_suffix(".json"))
        members = [member for member in record.get("members") or [] if isinstance(member, dict)]
        paths = [path.parent / str(member.get("path")) for member in members]
        names = [name_data(read_json_record(member.with_suffix(".json"))) for member in paths]
        return name_data(record) or " + ".join(dict.fromkeys(filter(None, names)))
    return ""


def name_data(record: Mapping[str, Any]) -> str:
    """Names of the data sets in a run's record, such as `APTOS2019 + IDRiD`; empty if it states none."""
    return " + ".join(data_names(record))


def narrow_to_shared(first: EvaluationSet, other: EvaluationSet) -> tuple[EvaluationSet, EvaluationSet]:
    """Reduce two runs to the photographs that both have, so that they have the same cases in the same order.

    Raises:
        InputError: the runs share no photograph, or state different patients for a shared photograph.
    """
    shared = np.intersect1d(first.predictions.rows["image_id"], other.predictions.rows["image_id"])
    if not len(shared):
        raise InputError(f"{first.name} and {other.name} share no photograph")
    pair = first.shared_with(shared), other.shared_with(shared)
    if not np.array_equal(pair[0].cases.patients, pair[1].cases.patients):
        raise InputError(f"{first.name} and {other.name} do not have the same patients for the same photographs")
    return pair


def limit_runs(runs: Sequence[T]) -> list[T]:
    """The first `MAX_RUNS` runs, with a warning if there are more."""
    if len(runs) > MAX_RUNS:
        warn(f"only the first {MAX_RUNS} of {len(runs)} runs are drawn: more would be indistinguishable")
    return list(runs[:MAX_RUNS])


def shared_title(runs: Sequence[EvaluationSet]) -> str:
    """The title of all runs, or what their titles have in common."""
    if len({run.title for run in runs}) == 1:
        return runs[0].title
    shared = _shared_parts(runs)
    if not shared:
        return "the runs are scored on different cases"
    return f"{', '.join(shared)}; other conditions differ between runs"


def panel_title(run: EvaluationSet, runs: Sequence[EvaluationSet]) -> str:
    """The run's name, with the parts of its title that not all runs have."""
    shared = _shared_parts(runs)
    own = [part for part in _split_title(run.title) if part not in shared]
    return f"{run.name}: {', '.join(own)}" if own else run.name


def _shared_parts(runs: Sequence[EvaluationSet]) -> list[str]:
    parts = [_split_title(run.title) for run in runs]
    return [part for part in parts[0] if all(part in other for other in parts)]


def _split_title(title: str) -> list[str]:
    """Data sets, grade, splits, cases, and their number."""
    return title.replace(": ", ", ", 1).split(", ")


def decision_thresholds(predictions: Predictions) -> tuple[float, ...] | None:
    """The scores at which the predicted grade rises, or None if the grade does not depend on the score alone."""
    meta = predictions.meta
    if meta.decision == "rounding":
        return tuple(grade + 0.5 for grade in range(MAX_GRADE))
    return meta.cut_points if meta.decision == "cut_points" else None
