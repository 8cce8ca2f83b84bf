"""`drkit submit`: a competition's CSV from predictions, checked against its sample."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import drkit
from drkit import progress
from drkit.config.submit import SubmitConfig
from drkit.errors import InputError, first_few
from drkit.grades import GRADE_NAMES, NUM_GRADES, Target
from drkit.records.labels import image_stem
from drkit.records.predictions import Predictions, find_predictions, read_predictions
from drkit.records.provenance import circumstances, sha256_file
from drkit.records.submission import (
    COLUMNS,
    Sample,
    check_submission_writable,
    check_unique,
    read_sample,
    sidecar_path,
    write_submission,
)
from drkit.reporting import Table

SUFFIX = ".jpg"  # of the ids in a submission without a sample


@dataclass(frozen=True, kw_only=True)
class SubmitReport:
    """The submission that was written.

    Args:
        submission: The CSV.
        sidecar: The JSON that records how it was made.
        run: Name of the predictions.
        target: Whose grade it holds.
        unit: What the model sees in one forward pass.
        model: The network or the ensemble.
        checked_against: The sample, or None.
        rows: Number of photographs.
        grade_counts: Number of photographs with grade 0, 1, 2, 3 and 4.
        columns: Names of the columns of ids and grades.
        graded_differently: Patients (eyes, if the target is eye) whose photographs get different grades.
    """

    submission: Path
    sidecar: Path
    run: str
    target: Target
    unit: str
    model: str
    checked_against: Path | None
    rows: int
    grade_counts: tuple[int, ...]
    columns: tuple[str, str]
    graded_differently: tuple[str, ...]

    def render(self) -> Iterator[str | Table]:
        """Return the submission and the distribution of its grades."""
        yield f"wrote {self.submission}: {self.rows} photographs with the {self.target}'s grade predicted by {self.run}"
        rows = [
            (f"{grade} {name}", str(count), f"{count / self.rows:.0%}")
            for grade, (name, count) in enumerate(zip(GRADE_NAMES, self.grade_counts, strict=True))
        ]
        yield Table("Submitted grades", ("grade", "photographs", "share"), rows)


def run_submit(file: Path, config: SubmitConfig) -> SubmitReport:
    """Write a submission from predictions, which are not changed.

    Raises:
        InputError: ids of the sample without a prediction, test rows that the sample lacks, or duplicate ids.
        OutputExistsError: a file would be overwritten.
    """
    source = find_predictions(file)
    inputs = [source] if config.sample is None else [source, config.sample]
    check_submission_writable(config.out, force=config.force, inputs=inputs)
    predictions = read_predictions(source)
    sample = None if config.sample is None else read_sample(config.sample)
    ids, rows = _submitted_rows(predictions, source, sample)
    grades = rows["predicted_grade"].tolist()
    counts = Counter(grades)
    report = SubmitReport(
        submission=config.out,
        sidecar=sidecar_path(config.out),
        run=predictions.name,
        target=predictions.meta.target,
        unit=predictions.meta.unit,
        model=predictions.meta.model,
        checked_against=config.sample,
        rows=len(ids),
        grade_counts=tuple(counts[grade] for grade in range(NUM_GRADES)),
        columns=COLUMNS if sample is None else sample.columns,
        graded_differently=_graded_differently(rows, predictions.meta.target),
    )
    write_submission(config.out, ids, grades, _origin(report, source), columns=report.columns, force=config.force)
    progress.notify(f"{report.columns[1]} is the {report.target}'s grade: make sure that the competition asks for that")
    _warn_of_differences(report, file)
    return report


def _submitted_rows(
    predictions: Predictions, source: Path, sample: Sample | None
) -> tuple[tuple[str, ...], pd.DataFrame]:
    """Ids as they are submitted, and their predictions in the same order."""
    if sample is None:
        return _test_rows(predictions, source)
    rows = _dataset_of_sample(predictions, sample)
    check_unique(rows.index.tolist(), str(source))
    _check_ids(sample, rows, source)
    return sample.ids, rows.loc[list(sample.stems())]


def _dataset_of_sample(predictions: Predictions, sample: Sample) -> pd.DataFrame:
    """Predictions by image id; with several data sets, those of the sample's data set, under the sample's ids.

    An id that occurs in several data sets is prefixed with its data set's name in predictions, but not in a sample.

    Raises:
        InputError: several data sets have all ids of the sample.
    """
    stems, rows = predictions.rows["image_id"].map(image_stem), predictions.rows
    sample_stems, all_rows = set(sample.stems()), rows.set_index(stems)
    datasets = {
        name: rows[is_of].set_index(stems[is_of].str.removeprefix(f"{name}-"))
        for name, is_of in predictions.rows_by_dataset().items()
    }
    complete = {name: part for name, part in datasets.items() if sample_stems <= set(part.index)}
    exact = [part for part in complete.values() if set(part.index[part["split"] == "test"]) == sample_stems]
    if len(complete) == 1 or len(exact) == 1:
        return (exact or list(complete.values()))[0]
    if complete and not sample_stems <= set(all_rows.index):
        raise InputError(
            f"{sample.path}: its ids occur in several data sets of {predictions.name} ({', '.join(complete)}): predict"
            " only the data set that is meant, with drkit predict --data"
        )
    return max([all_rows, *datasets.values()], key=lambda part: len(sample_stems & set(part.index)))


def _test_rows(predictions: Predictions, source: Path) -> tuple[tuple[str, ...], pd.DataFrame]:
    test = predictions.of_split("test").rows
    if test.empty:
        raise InputError(f"{source} has no rows of split test: predict that split, or define the rows with --sample")
    ids = tuple(f"{image_stem(identity)}{SUFFIX}" for identity in test["image_id"])
    check_unique(ids, str(source))
    return ids, test


def _check_ids(sample: Sample, rows: pd.DataFrame, source: Path) -> None:
    """Check that every id of the sample has a prediction, and that the sample has every photograph of test."""
    stems = sample.stems()
    missing = [identity for identity, stem in zip(sample.ids, stems, strict=True) if stem not in rows.index]
    if missing:
        raise InputError(
            f"{sample.path}: {len(missing)} of {len(sample.ids)} ids have no prediction in {source}:"
            f" {first_few(missing)}"
        )
    test = rows.index[rows["split"] == "test"]
    surplus = test[~test.isin(stems)].tolist()
    if surplus:
        raise InputError(
            f"{source}: {len(surplus)} test photographs are not in {sample.path}: {first_few(surplus)}:"
            " check that the sample belongs to this competition"
        )


def _graded_differently(rows: pd.DataFrame, target: Target) -> tuple[str, ...]:
    """Patients (eyes, if the target is eye) whose photographs do not all have the same grade."""
    whose = rows["patient_id"] if target == "patient" else rows["patient_id"] + " " + rows["eye"]
    num_grades = rows["predicted_grade"].groupby(whose).nunique()
    return tuple(num_grades.index[num_grades > 1])


def _warn_of_differences(report: SubmitReport, file: Path) -> None:
    if report.graded_differently:
        target = report.target
        progress.warn(
            f"the photographs of {len(report.graded_differently)} {target}s get different grades:"
            f" {first_few(report.graded_differently)}. For one grade per {target}, run drkit ensemble vote {file}"
            f" --fuse {target}, and submit the ensemble"
        )


def _origin(report: SubmitReport, source: Path) -> dict[str, Any]:
    sample = report.checked_against
    return {
        "schema_version": 1,
        "target": report.target,
        "unit": report.unit,
        "model": report.model,
        "run": report.run,
        "rows": report.rows,
        "grade_counts": list(report.grade_counts),
        "predictions": {"path": source.as_posix(), "sha256": sha256_file(source)},
        "sample": None if sample is None else {"path": sample.as_posix(), "sha256": sha256_file(sample)},
        "drkit_version": drkit.__version__,
        "made": circumstances(),
    }
