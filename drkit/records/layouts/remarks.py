"""What is to be said of how a data set was read: what was guessed, and what was not taken."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drkit import progress
from drkit.errors import first_few
from drkit.grades import TARGETS, grade_column
from drkit.records.layouts.scales import doubt_scale
from drkit.records.layouts.skipped import describe_skipped
from drkit.records.layouts.tables import RawTable

WARNINGS = ("doubtful-scale", "folders-unread", "files-skipped")
SHOWN = 8  # columns


@dataclass(frozen=True)
class DatasetRemark:
    """One thing that the user should know although the data set can be read.

    Args:
        kind: `columns-guessed`, `columns-unread`, `files-skipped`, `folders-unread`, `doubtful-scale`,
            `patients-from-names`, `patients-respelled` or `patients-unknown`.
        sentence: Without the data set's name.
    """

    kind: str
    sentence: str


def remark_on_columns(tables: Sequence[RawTable]) -> Iterator[DatasetRemark]:
    """Which column was taken for what where that was guessed, and which were not read. The tables have been parsed."""
    guesses = [f"{what} from {table.header[key]}" for table in tables for key, what in table.guesses.items()]
    if guesses:
        yield DatasetRemark("columns-guessed", f"read {', '.join(dict.fromkeys(guesses))}")
    unread = list(dict.fromkeys(name for table in tables for name in table.unread))
    if unread:
        yield DatasetRemark("columns-unread", f"columns that are not read: {first_few(unread, SHOWN)}")


def remark_on_scale(
    rows: pd.DataFrame, columns: Iterable[str] = tuple(map(grade_column, TARGETS))
) -> Iterator[DatasetRemark]:
    """Whether the grades look like those of another scale."""
    for column in columns:
        doubt = doubt_scale(rows[column])
        if doubt:
            yield DatasetRemark("doubtful-scale", f"{column} holds {doubt}")


def remark_on_skipped(others: Iterable[str], masks: Sequence[str]) -> Iterator[DatasetRemark]:
    """Files in a folder of photographs that are not read.

    Args:
        others: Files that are no photographs by their names; those that may show eyes are named.
        masks: Pictures in folders of masks.
    """
    sentence = describe_skipped(others)
    if sentence:
        yield DatasetRemark("files-skipped", sentence)
    if masks:
        names = list(dict.fromkeys(Path(path).parent.name for path in masks))
        yield DatasetRemark(
            "files-skipped",
            f"{len(masks)} picture{'s' * (len(masks) != 1)} in folders of masks are not read as photographs:"
            f" {first_few(names)}: give these folders themselves as --data if they show photographs",
        )


def speak(remarks: Iterable[DatasetRemark], source: str) -> None:
    """Say each of them, once a command."""
    for remark in remarks:
        tell = progress.warn_once if remark.kind in WARNINGS else progress.notify_once
        tell(f"{source}: {remark.sentence}")
