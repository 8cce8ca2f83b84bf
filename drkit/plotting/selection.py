"""Which rows of a predictions file may be drawn: graded, and not trained on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.evaluation import EvaluationSet, select_scorable
from drkit.evaluation.aggregation import Cases, Index, aggregate, describe_level, level_of
from drkit.grades import MAX_GRADE, REFERABLE_FROM, SPLITS, Level, Split
from drkit.plotting.style import MOST_ON_AXES
from drkit.progress import warn
from drkit.records.comparisons import read_json_record
from drkit.records.predictions import Predictions, name_predictions, read_predictions

T = TypeVar("T")
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class PlottedPredictions:
    """The rows of one predictions file that are drawn.

    Args:
        predictions: N photographs, in the order of their ids.
        reference: (N,) grades 0-4 of the target, or of the patient where cases are patients.
        cases: The same, aggregated to cases.
        by: What counts as a case.
        data: Names of the data sets; empty if unknown.
    """

    predictions: Predictions
    reference: Index
    cases: Cases
    by: Level
    data: str = ""

    @property
    def name(self) -> str:
        """The run's."""
        return self.predictions.name

    @property
    def evaluated(self) -> EvaluationSet:
        """The same photographs, to be scored and compared."""
        return EvaluationSet(self.predictions, self.reference, 0, 0)

    @property
    def is_ensemble(self) -> bool:
        """Whether other predictions were combined: an ensemble has no weights of its own."""
        return self.predictions.meta.checkpoint_sha256 is None

    @property
    def is_optimistic(self) -> bool:
        """Whether the epoch or the settings were selected on photographs that are drawn."""
        return bool((self.predictions.rows["split"] == self.predictions.meta.chosen_on).any())

    @property
    def title(self) -> str:
        """What all figures depend on, in a line: `DeepDRiD: patient's grade, val, by patient, 100 patients`."""
        target = "patient" if self.by == "patient" else self.predictions.meta.target
        splits = "+".join(split for split in SPLITS if (self.predictions.rows["split"] == split).any())
        num_patients = len(np.unique(self.cases.patients))
        counted = f"{len(self.reference)} photographs of " if self.by == "photograph" else ""
        reading = describe_level(self.by, level_of(self.predictions.meta))
        data = f"{self.data}: " if self.data else ""
        return f"{data}{target}'s grade, {splits}, {reading}, {counted}{num_patients} patients"

    def read(self, by: Level) -> "PlottedPredictions":
        """The same photographs, aggregated to other cases.

        Raises:
            InputError: photographs that cannot be aggregated.
        """
        return self if by == self.by else replace(self, cases=aggregate(self.predictions, self.reference, by), by=by)

    def by_dataset(self) -> dict[str, "PlottedPredictions"]:
        """The photographs of each data set by its name, if there are several; called `RUN on NAME`."""
        parts = {name: _rows(self, rows) for name, rows in self.predictions.rows_by_dataset().items()}
        return {
            name: replace(part, predictions=replace(part.predictions, name=f"{self.name} on {name}"), data=name)
            for name, part in parts.items()
        }

    def referable(self) -> NDArray[np.float64]:
        """(C,) probability of grade 2 or worse."""
        return self.cases.probabilities[:, REFERABLE_FROM:].sum(1)

    def scores(self) -> NDArray[np.float64]:
        """(C,) in [0, 4]."""
        return self.cases.score


def select(
    predictions: Predictions, split: Split | None = None, by: Level = "photograph", *, data: str = ""
) -> PlottedPredictions:
    """Take the rows that have a reference grade and were not trained on, and warn of the others.

    Args:
        predictions: Of any splits.
        split: Only its rows; None: all splits with reference grades.
        by: What counts as a case.
        data: Names of the data sets, for titles, if the rows do not name them.

    Raises:
        InputError: no such rows, or photographs that cannot be aggregated.
        LeakageError: the run was trained on all of them.
    """
    selection = select_scorable(predictions, None, split=split, by=by)
    if selection.trained_on:
        where = predictions.name if split is None else f"{predictions.name}, split {split}"
        warn(f"{where}: {selection.trained_on} photographs the run was trained on are left out")
    selected, reference = selection.predictions, selection.reference
    names = " + ".join(selected.rows_by_dataset()) or data
    return PlottedPredictions(selected, reference, aggregate(selected, reference, by), by, names)


def read_selected(files: Iterable[Path], split: Split | None, by: Level = "photograph") -> list[PlottedPredictions]:
    """Read several predictions files, each with the names of its data sets from the run's JSON beside it; see `select`.

    Raises:
        InputError: files that cannot be read, or as `select`.
        LeakageError: as `select`.
    """
    selected = []
    for name, path in name_predictions(files).items():
        predictions = replace(read_predictions(path), name=name)
        selected.append(select(predictions, split, by, data=find_data(path)))
    return selected


def find_data(path: Path) -> str:
    """The data sets that the record beside a predictions file names, of an ensemble those of its members' records.

    Empty without readable records.
    """
    with suppress(InputError):  # a title does without
        record = read_json_record(path.with_suffix(".json"))
        members = [member for member in record.get("members") or [] if isinstance(member, dict)]
        paths = [path.parent / str(member.get("path")) for member in members]
        named = [name_data(read_json_record(member.with_suffix(".json"))) for member in paths]
        return name_data(record) or " + ".join(dict.fromkeys(filter(None, named)))
    return ""


def name_data(record: Mapping[str, Any]) -> str:
    """`APTOS2019 + IDRiD`: the data sets that a run's JSON names; empty if it names none."""
    paths = record.get("data")
    return " + ".join(Path(str(path)).name for path in paths) if isinstance(paths, list) else ""


def narrow_to_shared(
    first: PlottedPredictions, other: PlottedPredictions
) -> tuple[PlottedPredictions, PlottedPredictions]:
    """Both, with only the photographs that both have, so that their cases are the same in the same order.

    Raises:
        InputError: they share none, or have them of different patients.
    """
    ids = [run.predictions.rows["image_id"].to_numpy(dtype=str) for run in (first, other)]
    shared = np.intersect1d(*ids)
    if not len(shared):
        raise InputError(f"{first.name} and {other.name} share no photograph")
    before, after = (_rows(run, np.isin(names, shared)) for run, names in zip((first, other), ids, strict=True))
    if not np.array_equal(before.cases.patients, after.cases.patients):
        raise InputError(f"{first.name} and {other.name} do not have the same patients for the same photographs")
    return before, after


def _rows(run: PlottedPredictions, chosen: NDArray[np.bool_]) -> PlottedPredictions:
    predictions, reference = run.predictions.where(chosen), run.reference[chosen]
    cases = aggregate(predictions, reference, run.by)
    return replace(run, predictions=predictions, reference=reference, cases=cases)


def limit_runs(runs: Sequence[T]) -> list[T]:
    """The first `MOST_ON_AXES` runs, with a warning if there are more."""
    if len(runs) > MOST_ON_AXES:
        warn(f"only the first {MOST_ON_AXES} of {len(runs)} runs are drawn: more on the same axes cannot be told apart")
    return list(runs[:MOST_ON_AXES])


def shared_title(runs: Sequence[PlottedPredictions]) -> str:
    """What all runs are measured on, or that it differs."""
    titles = {run.title for run in runs}
    return titles.pop() if len(titles) == 1 else "the runs were not evaluated on the same grades and photographs"


def panel_title(run: PlottedPredictions, runs: Sequence[PlottedPredictions]) -> str:
    """The run's name, with what it is measured on where that is not what all are measured on."""
    return run.name if len({other.title for other in runs}) == 1 else f"{run.name}: {run.title}"


def decision_thresholds(predictions: Predictions) -> tuple[float, ...] | None:
    """The scores at which the predicted grade rises, or None where it does not hang on the score alone."""
    meta = predictions.meta
    if meta.decision == "rounding":
        return tuple(grade + 0.5 for grade in range(MAX_GRADE))
    return meta.cut_points if meta.decision == "cut_points" else None


def resample_patients(patients: NDArray[np.str_], num_resamples: int, seed: int = 0) -> Iterator[Weights]:
    """Draw as many patients as there are, with replacement, again and again.

    Args:
        patients: (C,) whose case it is.
        num_resamples: How often.
        seed: Of the draws.

    Yields:
        (C,) how often each case was drawn.
    """
    names, patient = np.unique(patients, return_inverse=True)
    generator = np.random.default_rng(seed)
    for _ in range(num_resamples):
        drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)))
        yield drawn[patient].astype(np.float64)
