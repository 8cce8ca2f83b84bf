"""Which rows of a predictions file may be drawn: graded, and not trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.evaluation import select_scorable
from drkit.evaluation.aggregation import Cases, Index, aggregate, describe_level, level_of
from drkit.grades import MAX_GRADE, REFERABLE_FROM, SPLITS, Level, Split
from drkit.progress import warn
from drkit.records.predictions import Predictions

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class PlottedPredictions:
    """What is drawn of one predictions file.

    Args:
        predictions: Its N photographs that are drawn, in the order of their ids.
        reference: (N,) grades 0-4 of the target, or of the patient where cases are patients.
        cases: The same, joined to what counts as a case.
        by: What counts as a case.
    """

    predictions: Predictions
    reference: Index
    cases: Cases
    by: Level

    @property
    def name(self) -> str:
        """The run's."""
        return self.predictions.name

    @property
    def title(self) -> str:
        """What kappa and all else depends on, in a line: `patient's grade, val, by photograph, 400 of 100 patients`."""
        target = "patient" if self.by == "patient" else self.predictions.meta.target
        splits = "+".join(split for split in SPLITS if (self.predictions.rows["split"] == split).any())
        num_patients = len(np.unique(self.cases.patients))
        counted = f"{len(self.reference)} photographs of " if self.by == "photograph" else ""
        reading = describe_level(self.by, level_of(self.predictions.meta))
        return f"{target}'s grade, {splits}, {reading}, {counted}{num_patients} patients"

    def read(self, by: Level) -> "PlottedPredictions":
        """The same photographs, joined to other cases.

        Raises:
            InputError: photographs that cannot be joined.
        """
        if by == self.by:
            return self
        return PlottedPredictions(self.predictions, self.reference, aggregate(self.predictions, self.reference, by), by)

    def by_dataset(self) -> dict[str, "PlottedPredictions"]:
        """The photographs of each data set, by name, where there are several; called `RUN on NAME`."""
        parts = {name: _rows(self, rows) for name, rows in self.predictions.rows_by_dataset().items()}
        return {
            name: replace(part, predictions=replace(part.predictions, name=f"{self.name} on {name}"))
            for name, part in parts.items()
        }

    def referable(self) -> NDArray[np.float64]:
        """(C,) probability of grade 2 or worse."""
        return self.cases.probabilities[:, REFERABLE_FROM:].sum(1)

    def scores(self) -> NDArray[np.float64]:
        """(C,) in [0, 4]."""
        return self.cases.score


def select(predictions: Predictions, split: Split | None = None, by: Level = "photograph") -> PlottedPredictions:
    """Take the rows that have a reference grade and were not trained on; what is left out is said.

    Args:
        predictions: Of any splits.
        split: Only its rows; None: all splits with reference grades.
        by: What counts as a case.

    Raises:
        InputError: no such rows, or photographs that cannot be joined.
        LeakageError: the run was trained on all of them.
    """
    selection = select_scorable(predictions, None, split=split, by=by)
    if selection.trained_on:
        where = predictions.name if split is None else f"{predictions.name}, split {split}"
        warn(f"{where}: {selection.trained_on} photographs the run was trained on are left out")
    kept, reference = selection.predictions, selection.reference
    return PlottedPredictions(kept, reference, aggregate(kept, reference, by), by)


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
    return PlottedPredictions(predictions, reference, aggregate(predictions, reference, run.by), run.by)


def shared_title(runs: Sequence[PlottedPredictions]) -> str:
    """What all runs are measured on, or that it differs."""
    titles = {run.title for run in runs}
    return titles.pop() if len(titles) == 1 else "not all measured alike"


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
