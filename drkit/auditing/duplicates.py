"""Findings of copies of photographs: identical files and near duplicates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.auditing.contradictions import find_contradicting_grades
from drkit.auditing.findings import Finding, finding_about
from drkit.auditing.rows import describe
from drkit.duplicates.registration import Similarity
from drkit.duplicates.search import ONE_EXPOSURE, find_near_copies
from drkit.duplicates.stats import PhotographStats


@dataclass(frozen=True)
class DuplicateGroup:
    """Rows that show one photograph.

    Args:
        rows: Two or more rows of `concat_surveys`.
        shown: Paths of two photographs of the group, which differ unless all files are identical.
        correlation: Correlation of the two after registration; 1 for identical files.
        is_identical: Whether all files have the same bytes.
        kind: Key of `drkit.auditing.findings.KINDS`.
    """

    rows: pd.DataFrame
    shown: tuple[str, str]
    correlation: float
    is_identical: bool
    kind: str

    @property
    def sentence(self) -> str:
        """The photographs and their similarity, in words."""
        similarity = "identical files" if self.is_identical else f"correlation {self.correlation:.3f}"
        return f"{describe(self.rows)}: {similarity}"


def find_copies(rows: pd.DataFrame, stats: dict[str, PhotographStats]) -> list[DuplicateGroup]:
    """Find groups of identical files, then pairs of near duplicates.

    Identical files count once in the search for near duplicates, so that a photograph saved a hundred times gives one
    finding with a hundred ids, and not five thousand pairs.

    Args:
        rows: The result of `concat_surveys`.
        stats: Statistics of each photograph, by path.
    """
    readable = rows[rows["path"].map(lambda path: not pd.isna(path) and stats[path].refusal is None).astype(bool)]
    readable = readable.drop_duplicates(["path", "split"], ignore_index=True)
    files = _Files.group(readable, stats)
    identical = [
        DuplicateGroup(
            rows=same,
            shown=(same["path"].iloc[0], same["path"].iloc[1]),
            correlation=1.0,
            is_identical=True,
            kind=_kind(same, None),
        )
        for same in files.repeated()
    ]
    return [*identical, *_find_near_duplicates(files, stats)]


def find_copy_findings(copies: Sequence[DuplicateGroup]) -> Iterator[Finding]:
    """Make a finding for each group or pair, and another one if its grades contradict each other."""
    for group in copies:
        yield finding_about(group.kind, group.sentence, group.rows)
        yield from find_contradicting_grades(group.rows, group.sentence)


@dataclass(frozen=True)
class _Files:
    """The rows of F different files; the table of a file's rows is made only on request.

    Args:
        rows: Rows of all files.
        order: Positions of the rows, sorted by file.
        starts: (F + 1,) position in `order` at which each file's rows begin, and the end.
    """

    rows: pd.DataFrame
    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def group(cls, rows: pd.DataFrame, stats: dict[str, PhotographStats]) -> "_Files":
        """Group rows whose files have the same bytes, in the order of their first rows."""
        file = pd.factorize(rows["path"].map(lambda path: stats[path].sha256))[0]
        return cls(rows, np.argsort(file, kind="stable"), np.cumsum([0, *np.bincount(file)]))

    def __getitem__(self, number: int) -> pd.DataFrame:
        """The rows of one file."""
        return self.rows.iloc[self.order[self.starts[number] : self.starts[number + 1]]]

    def paths(self) -> list[str]:
        """A path of each file."""
        return self.rows["path"].iloc[self.order[self.starts[:-1]]].tolist()

    def repeated(self) -> Iterator[pd.DataFrame]:
        """The rows of each file that has several."""
        return (self[number] for number in np.flatnonzero(np.diff(self.starts) > 1).tolist())


def _find_near_duplicates(files: _Files, stats: dict[str, PhotographStats]) -> Iterator[DuplicateGroup]:
    paths = files.paths()
    for first, second, similarity in find_near_copies([stats[path] for path in paths]):
        rows = pd.concat([files[first], files[second]])
        yield DuplicateGroup(
            rows=rows,
            shown=(paths[first], paths[second]),
            correlation=similarity.structure,
            is_identical=False,
            kind=_kind(rows, similarity),
        )


def _kind(rows: pd.DataFrame, similarity: Similarity | None) -> str:
    """The kind of a finding about copies; `similarity` is None for identical files."""
    prefix = "near-duplicate" if similarity else "identical"
    if rows["split"].nunique() > 1:
        return f"{prefix}-across-splits"
    if rows["root"].nunique() > 1:
        return f"{prefix}-across-data-sets"
    eyes = rows[["patient_id", "eye"]]
    if eyes.notna().all(axis=None) and (eyes.nunique() == 1).all():  # views of one eye
        return "views-alike" if similarity and similarity.light < ONE_EXPOSURE else "views-saved-twice"
    return "near-duplicates" if similarity else "identical-photographs"
