"""Remarks for the user on how a data set was read: what was guessed, and what was ignored."""

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
MAX_SHOWN = 8  # columns in a remark


@dataclass(frozen=True)
class DatasetRemark:
    """Something that the user should know about a data set that can be read.

    Args:
        kind: `columns-guessed`, `columns-unread`, `files-skipped`, `folders-unread`, `doubtful-scale`,
            `patients-from-names`, `patients-respelled` or `patients-unknown`.
        sentence: The remark, without the data set's name.
    """

    kind: str
    sentence: str


def remark_on_columns(tables: Sequence[RawTable]) -> Iterator[DatasetRemark]:
    """Which columns were guessed, and which were not read.

    Args:
        tables: Tables that have been parsed.
    """
    guesses = [f"{canonical} from {table.header[key]}" for table in tables for key, canonical in table.guesses.items()]
    if guesses:
        yield DatasetRemark("columns-guessed", f"read {', '.join(dict.fromkeys(guesses))}")
    unread = list(dict.fromkeys(name for table in tables for name in table.unread))
    if unread:
        yield DatasetRemark("columns-unread", f"columns that are not read: {first_few(unread, MAX_SHOWN)}")


def remark_on_scale(
    rows: pd.DataFrame, columns: Iterable[str] = tuple(map(grade_column, TARGETS))
) -> Iterator[DatasetRemark]:
    """Which columns of grades could be on another scale than the ICDR's."""
    for column in columns:
        doubt = doubt_scale(rows[column])
        if doubt:
            yield DatasetRemark("doubtful-scale", f"{column} holds {doubt}")


def remark_on_skipped(others: Iterable[str], masks: Sequence[str]) -> Iterator[DatasetRemark]:
    """Which files in a folder of photographs are not read although they may be photographs.

    Args:
        others: Files without the suffix of a photograph.
        masks: Images in folders of masks.
    """
    sentence = describe_skipped(others)
    if sentence:
        yield DatasetRemark("files-skipped", sentence)
    if masks:
        names = list(dict.fromkeys(Path(path).parent.name for path in masks))
        yield DatasetRemark(
            "files-skipped",
            f"images in folders of masks are not read as photographs ({len(masks)} in {first_few(names)}): give such a"
            " folder as --data if it holds photographs",
        )


def report_remarks(remarks: Iterable[DatasetRemark], source: str) -> None:
    """Notify the user of remarks, or warn; each is reported only once in a command."""
    for remark in remarks:
        report = progress.warn_once if remark.kind in WARNINGS else progress.notify_once
        report(f"{source}: {remark.sentence}")
