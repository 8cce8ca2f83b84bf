"""What a report is made from: each predictions file with the run or the ensemble that it belongs to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from drkit.errors import DrkitError, InputError
from drkit.grades import Level, Split
from drkit.plotting.selection import PlottedPredictions, select
from drkit.progress import warn
from drkit.records.predictions import Predictions, name_predictions, read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import FILE_SUFFIX, Run


@dataclass(frozen=True)
class ReportSource:
    """One predictions file.

    Args:
        path: The parquet.
        predictions: What stands in it, under a name of its own in this report.
        record: The JSON beside it; empty where there is none.
        drawn: Its rows that can be compared with reference grades; None where there are none.
        reason: Why there are none, else empty.
    """

    path: Path
    predictions: Predictions
    record: dict[str, Any]
    drawn: PlottedPredictions | None
    reason: str = ""

    @property
    def name(self) -> str:
        """What it is called in this report."""
        return self.predictions.name

    @property
    def run(self) -> Run:
        """The run of this stem, whether or not it is there."""
        return Run(self.path.with_name(FILE_SUFFIX.sub("", self.path.name)))

    @property
    def is_ensemble(self) -> bool:
        """Whether it was combined from other predictions."""
        return self.record.get("kind") == "ensemble"

    @property
    def is_run(self) -> bool:
        """Whether a training wrote it."""
        return bool(self.record) and not self.is_ensemble and self.run.history.is_file()

    @property
    def options(self) -> dict[str, Any]:
        """The resolved options of its training or combining."""
        options = self.record.get("options") or self.predictions.meta.provenance
        return options if isinstance(options, dict) else {}

    @cached_property
    def sha256(self) -> str:
        """Of the parquet."""
        return sha256_file(self.path)


def read_sources(files: Sequence[Path], split: Split | None, by: Level) -> list[ReportSource]:
    """Read predictions files, runs and ensembles, each once, patterns expanded.

    Raises:
        InputError: a file that cannot be read, or none with reference grades.
    """
    sources = [_read(path, name, split, by) for name, path in name_predictions(files).items()]
    if not any(source.drawn for source in sources):
        raise InputError(f"nothing to report on: {sources[0].reason}")
    for source in sources:
        if source.reason:
            warn(f"{source.name} is not scored: {source.reason}")
    return sources


def _read(path: Path, name: str, split: Split | None, by: Level) -> ReportSource:
    predictions = replace(read_predictions(path), name=name)
    record = _read_record(path.with_suffix(".json"))
    try:
        return ReportSource(path, predictions, record, select(predictions, split, by))
    except DrkitError as error:
        return ReportSource(path, predictions, record, None, str(error))


def _read_record(path: Path) -> dict[str, Any]:
    """The JSON beside predictions, or nothing.

    Raises:
        InputError: it is there, but no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not the record of a run or an ensemble: {error}") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} is not the record of a run or an ensemble: expected one JSON object")
    return record
