"""The task of the course that a training or an ensemble belongs to, and the run that it started from."""

from collections.abc import Sequence
from pathlib import Path

from drkit.plotting.report.sources import ReportSource
from drkit.records.runs import data_names

TRANSFER = "(a) transfer learning"
STAGE_ONE = "(b) stage one"
TWO_STAGES = "(b) two stages"
ATTENTION = "(c) attention"
PREPROCESSING = "(d) preprocessing"
ENSEMBLE = "(d) ensemble"
OTHER = "predictions"  # without the record of a training
_PLAIN_WEIGHTS = ("imagenet", "none")
_FOREIGN = (".pth", ".pt", ".bin")


def infer_tasks(sources: Sequence[ReportSource]) -> dict[str, str]:
    """Name of each source to its task.

    A stage one is a run whose weights another run started from, or plain transfer learning on none of the data sets of
    the second stages. A second stage starts from the weights of a run that was trained on other data sets.
    """
    by_name = {source.name: source for source in sources}
    parents = {source.name: name_parent(source, sources) for source in sources if _starts_from_run(source)}
    second = [
        source
        for source in sources
        if (parent := parents.get(source.name))
        and source.name not in parents.values()
        and not (parent in by_name and set(data_names(by_name[parent].record)) == set(data_names(source.record)))
    ]
    data = {name for source in second for name in data_names(source.record)}
    tasks = {source.name: _infer_task(source) for source in sources}
    for source in sources:
        is_elsewhere = tasks[source.name] == TRANSFER and data and data.isdisjoint(data_names(source.record))
        if source.is_run and (source.name in parents.values() or is_elsewhere):
            tasks[source.name] = STAGE_ONE
    return tasks


def name_parent(source: ReportSource, sources: Sequence[ReportSource]) -> str:
    """The run whose weights a training started from, by its name in this report, else by its file's; empty if none."""
    weights = str(source.options.get("weights", "imagenet"))
    if not source.is_run or weights in _PLAIN_WEIGHTS:
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
    return TWO_STAGES if _starts_from_run(source) else TRANSFER


def _starts_from_run(source: ReportSource) -> bool:
    """Whether its weights are those of a run: imagenet and files of other programs (.pth, .pt, .bin) are not."""
    if not source.is_run or str(source.options.get("weights", "imagenet")) in _PLAIN_WEIGHTS:
        return False
    return Path(str(source.record.get("weights") or "")).suffix not in _FOREIGN
