"""The files that a report is made from: predictions with their runs and ensembles, and comparisons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from drkit.ensembling.comparison import EnsembleComparison
from drkit.errors import DrkitError, InputError
from drkit.evaluation import Comparison, EvaluationSet
from drkit.grades import Level, Split
from drkit.models.cost import Cost
from drkit.plotting.selection import find_data, name_data, select
from drkit.progress import warn
from drkit.records.comparisons import OF_ENSEMBLES
from drkit.records.decoding import decode
from drkit.records.ensembles import KIND
from drkit.records.json_records import read_json_record
from drkit.records.patterns import expand_patterns
from drkit.records.predictions import Predictions, name_predictions, read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import COMPARISON_SUFFIX, FILE_SUFFIX, Run

T = TypeVar("T")


@dataclass(frozen=True)
class ReportSource:
    """One predictions file.

    Args:
        path: Path of the file.
        predictions: Its content, under a name that is unique in this report.
        record: The JSON beside it; empty if there is none.
        drawn: The photographs that are scored and drawn; None if there are none.
        reason: Why no photograph is scored; else empty.
    """

    path: Path
    predictions: Predictions
    record: dict[str, Any]
    drawn: EvaluationSet | None
    reason: str = ""

    @property
    def name(self) -> str:
        """Name in this report."""
        return self.predictions.name

    @property
    def run(self) -> Run:
        """The run with this stem, whether or not it exists."""
        return Run(self.path.with_name(FILE_SUFFIX.sub("", self.path.name)))

    @property
    def is_ensemble(self) -> bool:
        """Whether the predictions were combined from other predictions."""
        return self.record.get("kind") == KIND

    @property
    def is_run(self) -> bool:
        """Whether a training wrote the predictions."""
        return bool(self.record) and not self.is_ensemble and self.run.history.is_file()

    @property
    def options(self) -> dict[str, Any]:
        """The resolved options of the training or the ensemble."""
        options = self.record.get("options") or self.predictions.meta.provenance
        return options if isinstance(options, dict) else {}

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the predictions file."""
        return sha256_file(self.path)


@dataclass(frozen=True)
class AttentionRecord:
    """A NAME.comparison.json: a run with attention against the same training without.

    Args:
        comparison: Comparison of the two runs.
        cost: Parameters and operations that attention adds.
        remarks: Caveats.
    """

    comparison: Comparison
    cost: Cost
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class ReportFiles:
    """All files that a report is made from.

    Args:
        sources: Predictions with their runs and ensembles.
        attention: The comparisons of `drkit attend`, by path.
        ensembles: The comparisons of `drkit ensemble compare`, by path.
    """

    sources: Sequence[ReportSource]
    attention: Mapping[Path, AttentionRecord]
    ensembles: Mapping[Path, EnsembleComparison]


def read_files(files: Sequence[Path], split: Split | None, by: Level) -> ReportFiles:
    """Read predictions, runs, ensembles and comparisons, each once, patterns expanded.

    The comparison that lies beside a run is read without being named.

    Raises:
        InputError: a file cannot be read, or no predictions have reference grades.
    """
    paths = expand_patterns(files)
    compared = [path for path in paths if path.name.endswith(COMPARISON_SUFFIX) and path.is_file()]
    records = [path for path in paths if path not in compared and path.suffix == ".json" and path.is_file()]
    methods = [path for path in records if read_json_record(path).get("kind") == OF_ENSEMBLES]
    sources = read_sources([path for path in paths if path not in (*compared, *methods)], split, by)
    compared += [source.run.comparison for source in sources if source.run.comparison.is_file()]
    return ReportFiles(
        sources,
        {path: _read_comparison(path, AttentionRecord, "run drkit attend again") for path in dict.fromkeys(compared)},
        {path: _read_comparison(path, EnsembleComparison, "run drkit ensemble compare again") for path in methods},
    )


def _read_comparison(path: Path, kind: type[T], remedy: str) -> T:
    return decode(read_json_record(path), kind, path, remedy)


def read_sources(files: Sequence[Path], split: Split | None, by: Level) -> list[ReportSource]:
    """Read predictions files, runs and ensembles, each once, patterns expanded.

    Raises:
        InputError: a file cannot be read, or none has reference grades.
    """
    sources = [_read(path, name, split, by) for name, path in name_predictions(files).items()]
    if not any(source.drawn for source in sources):
        reason = sources[0].reason if sources else "name at least one run or predictions file"
        raise InputError(f"nothing to report on: {reason}")
    for source in sources:
        if source.reason:
            warn(f"{source.name} is not scored: {source.reason}")
    return sources


def _read(path: Path, name: str, split: Split | None, by: Level) -> ReportSource:
    predictions = replace(read_predictions(path), name=name)
    record_path = path.with_suffix(".json")
    record = read_json_record(record_path) if record_path.is_file() else {}
    try:
        data = find_data(path) or name_data(predictions.meta.provenance)
        drawn = select(predictions, split, by, data=data)
        return ReportSource(path, predictions, record, drawn)
    except DrkitError as error:
        return ReportSource(path, predictions, record, None, str(error))
