"""The tables of a report as files: Markdown to paste into a paper, CSV for spreadsheets and other programs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from drkit.config.shared import TableFiles
from drkit.records.atomic import check_writable, write_bytes
from drkit.reporting import Report, Table, escape_markdown


class TabularReport(Report, Protocol):
    """A report whose figures also fit into one table with a row per run or method."""

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Column to value; all rows have the same columns, and None is an empty cell."""


def check_table_files(files: TableFiles, *, force: bool) -> None:
    """Check before any work that the files can be written.

    Raises:
        OutputExistsError: one exists already, and `force` is off.
        InputError: the path is a folder or lies in a folder that cannot be written to.
    """
    for path in (files.markdown, files.csv):
        if path is not None:
            check_writable(path, force=force)


def write_table_files(report: TabularReport, files: TableFiles, *, force: bool) -> None:
    """Write the tables of a report to the requested files.

    Raises:
        OutputExistsError: one exists already, and `force` is off.
    """
    if files.markdown is not None:
        write_bytes(files.markdown, render_markdown(report).encode(), force=force)
    if files.csv is not None:
        text = pd.DataFrame(report.rows()).to_csv(index=False, lineterminator="\n", float_format="%.6f")
        write_bytes(files.csv, text.encode(), force=force)


def render_markdown(report: Report) -> str:
    """Render the tables and sentences of a report, in order, as GitHub-flavoured Markdown."""
    parts = (_markdown_table(part) if isinstance(part, Table) else escape_markdown(part) for part in report.render())
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    cells = [["<br>".join(map(escape_markdown, cell.split("\n"))) for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([f"{escape_markdown(table.title)}\n", *lines])
