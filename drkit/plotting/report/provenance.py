"""The section on where everything came from, down to the photographs' hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

from drkit.plotting.report.page import Block, Details, Paragraph, Section, TableBlock
from drkit.plotting.report.sources import ReportSource
from drkit.reporting import Table


def tell_provenance(sources: Sequence[ReportSource], known: Mapping[str, str]) -> Section:
    """Hashes of files, commands that made them, and the photographs that weights were trained on.

    Args:
        sources: Predictions with their records.
        known: SHA-256 of a photograph to its id, of the data set at hand; may be empty.
    """
    rows = [row for source in sources for row in _list_files(source)]
    blocks: list[Block] = [TableBlock(Table("Files and their SHA-256", ("of", "file", "SHA-256"), rows))]
    commands = [(source.name, *_tell_making(source.record.get("made"))) for source in sources if source.record]
    if commands:
        blocks.append(TableBlock(Table("How they were made", ("of", "command", "finished", "drkit"), commands)))
    return Section("provenance", "Provenance", [*blocks, *_list_photographs(sources, known)])


def _list_files(source: ReportSource) -> list[tuple[str, str, str]]:
    meta = source.predictions.meta
    files = {source.path.name: source.sha256} | dict(source.record.get("files") or {})
    rows = [(source.name, name, str(sha256)) for name, sha256 in files.items()]
    return [*rows, (source.name, "labels that it was trained with", meta.labels_sha256 or "unknown")]


def _tell_making(made: Any) -> tuple[str, str, str]:
    made_by = made if isinstance(made, dict) else {}
    return tuple(str(made_by.get(key, "unknown")) for key in ("command", "finished", "drkit_version"))  # type: ignore[return-value]


def _list_photographs(sources: Sequence[ReportSource], known: Mapping[str, str]) -> list[Block]:
    """Each different list of photographs once."""
    trained: dict[tuple[str, ...], list[str]] = {}
    for source in sources:
        photographs = source.record.get("trained_on_photographs")
        if isinstance(photographs, list):
            trained.setdefault(tuple(map(str, photographs)), []).append(source.name)
    blocks: list[Block] = []
    for photographs, names in trained.items():
        summary = f"the {len(photographs)} photographs that the weights of {', '.join(names)} were trained on"
        lines = sorted(f"{sha256}  {known.get(sha256, '')}".rstrip() for sha256 in photographs)
        blocks.append(Details(f"{summary}, by SHA-256", lines))
        if "unknown" in photographs:
            warning = "Weights of unknown origin are among them: they may have seen any photograph."
            blocks.append(Paragraph(f"{', '.join(names)}: {warning}", "warning"))
    return blocks
