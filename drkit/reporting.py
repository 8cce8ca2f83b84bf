"""What a command answers: sentences and tables for people, one JSON object for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Table:
    """Rows of a result, as text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Report(Protocol):
    """A recipe's answer: a frozen dataclass that can tell itself."""

    def story(self) -> Iterator[str | Table]:
        """What a person reads on stdout, in order."""


def as_json(value: Any) -> Any:
    """Turn a report into what `json.dumps` takes: dataclasses to objects, paths and numbers to plain ones."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    return value.item() if hasattr(value, "item") else value
