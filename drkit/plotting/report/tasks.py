"""Which of the course's tasks a training or an ensemble answers, and which run it started from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drkit.plotting.report.sources import ReportSource

TRANSFER = "(a) transfer learning"
STAGE_ONE = "(b) stage one"
TWO_STAGES = "(b) two stages"
ATTENTION = "(c) attention"
PREPROCESSING = "(d) preprocessing"
ENSEMBLE = "(d) ensemble"
OTHER = "predictions"  # without the record of a training
_PLAIN_WEIGHTS = ("imagenet", "none")


def infer_tasks(sources: Sequence[ReportSource]) -> dict[str, str]:
    """Name of each source to its task.

    A stage one is a run whose weights another run started from, or one that was trained on none of the data sets of the
    second stages. A second stage starts from the weights of a run that was trained on other data sets.
    """
    named = {source.name: source for source in sources}
    parents = {source.name: name_parent(source, sources) for source in sources}
    second = [
        source
        for source in sources
        if (parent := parents[source.name])
        and source.name not in parents.values()
        and not (parent in named and _data_names(named[parent]) == _data_names(source))
    ]
    data = {name for source in second for name in _data_names(source)}
    return {
        source.name: STAGE_ONE
        if source.is_run and (source.name in parents.values() or (data and not data & _data_names(source)))
        else _infer_task(source)
        for source in sources
    }


def name_parent(source: ReportSource, sources: Sequence[ReportSource]) -> str:
    """The run whose weights a training started from, by its name in this report, else by its file's; empty if none."""
    weights = str(source.options.get("weights", ""))
    if not source.is_run or not _starts_from_run(source.options):
        return ""
    for other in sources:
        if weights in (other.record.get("files") or {}).values():
            return other.name
    return Path(str(source.record.get("weights") or weights)).stem


def _infer_task(source: ReportSource) -> str:
    options = source.options
    if source.is_ensemble:
        return ENSEMBLE
    if not source.is_run:
        return OTHER
    if options.get("attention") not in (None, "", "none") or options.get("attention_blocks"):
        return ATTENTION
    if options.get("steps"):
        return PREPROCESSING
    return TWO_STAGES if _starts_from_run(options) else TRANSFER


def _starts_from_run(options: Mapping[str, Any]) -> bool:
    return str(options.get("weights", "imagenet")) not in _PLAIN_WEIGHTS


def _data_names(source: ReportSource) -> set[str]:
    paths = source.record.get("data")
    return {Path(str(path)).name for path in paths} if isinstance(paths, list) else set()
