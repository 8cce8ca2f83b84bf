"""The section on provenance: commands, and the hashes of files and of training photographs, folded away."""

from collections.abc import Mapping, Sequence

from drkit.plotting.report.page import Block, Details, Heading, Paragraph, Section
from drkit.plotting.report.sources import ReportSource


def build_provenance(sources: Sequence[ReportSource], known: Mapping[str, str]) -> Section:
    """The commands that made the files, and the hashes of files and of training photographs.

    Args:
        sources: Predictions with their records.
        known: SHA-256 of a photograph to its id, for the data set of the report; may be empty.
    """
    blocks: list[Block] = []
    if commands := [line for source in sources for line in _describe_command(source)]:
        blocks.append(Details("the commands that made the files", commands[1:]))
    lines = []
    for source in sources:
        files = {source.path.name: source.sha256} | dict(source.record.get("files") or {})
        labels = source.predictions.meta.labels_sha256 or "unknown"
        for name, sha256 in (*files.items(), ("labels that it was trained with", labels)):
            lines.append(f"{sha256}  {name} ({source.name})")
    blocks.append(Details(f"SHA-256 of {len(lines)} files", lines))
    return Section("provenance", "Provenance", [*blocks, *_list_photographs(sources, known)])


def _describe_command(source: ReportSource) -> list[str]:
    """An empty line, what was made when, and by which command; nothing without a record."""
    if not source.record:
        return []
    made = source.record.get("made") or {}
    command, finished, version = (str(made.get(key, "unknown")) for key in ("command", "finished", "drkit_version"))
    return ["", f"{source.name}, finished {finished} by drkit {version}:", command]


def _list_photographs(sources: Sequence[ReportSource], known: Mapping[str, str]) -> list[Block]:
    """List each photograph once, with the numbers of the lists that contain it; equal lists of runs are joined."""
    lists: dict[tuple[str, ...], list[str]] = {}
    for source in sources:
        photographs = source.record.get("trained_on_photographs")
        if isinstance(photographs, list):
            lists.setdefault(tuple(map(str, photographs)), []).append(source.name)
    numbers: dict[str, list[str]] = {}
    blocks: list[Block] = []
    for number, (photographs, names) in enumerate(lists.items(), 1):
        for sha256 in photographs:
            numbers.setdefault(sha256, []).append(str(number))
        blocks.append(Paragraph(f"List {number}: {len(photographs)} photographs, for {', '.join(names)}.", "quiet"))
        if "unknown" in photographs:
            warning = "Weights of unknown origin are among them: they may have seen any photograph."
            blocks.append(Paragraph(f"{', '.join(names)}: {warning}", "warning"))
    if not lists:
        return []
    lines = [f"{sha256}  {','.join(numbers[sha256])}  {known.get(sha256, '')}".rstrip() for sha256 in sorted(numbers)]
    summary = f"the {len(lines)} photographs that the weights were trained on: SHA-256, lists, id"
    return [Heading("Training photographs"), *blocks, Details(summary, lines)]
