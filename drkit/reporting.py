"""Reports of commands: sentences and tables to read, or one JSON object."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Args:
        title: Printed above the table.
        columns: C headings.
        rows: R rows of C cells each.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Report(Protocol):
    """The result of a recipe: a frozen dataclass that renders itself as text."""

    def render(self) -> Iterator[str | Table]:
        """Return the sentences and tables to print, in order."""


def escape_markdown(text: str) -> str:
    """Put a text on one line, and escape Markdown and HTML in it."""
    return re.sub(r"([\\`*\[\]<>!|#&]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))


def as_json(value: Any) -> Any:
    """Convert to what `json.dumps` accepts: dataclasses to dicts, paths to strings, NumPy scalars to numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    return value.item() if hasattr(value, "item") else value
