"""Copies of photographs as findings: identical files, and near duplicates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

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
        shown: Paths of two of them that differ, or the first two.
        correlation: Of the two, after registration; 1 for identical files.
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
        """Which photographs, and how alike."""
        alike = "identical files" if self.is_identical else f"correlation {self.correlation:.3f}"
        return f"{describe(self.rows)}: {alike}"


def find_copies(rows: pd.DataFrame, stats: dict[str, PhotographStats]) -> list[DuplicateGroup]:
    """Groups of identical files, then pairs of near duplicates.

    Identical files are one in the search for near duplicates, so that a photograph saved a hundred times is a
    hundred ids in one finding, not five thousand pairs.

    Args:
        rows: As `concat_surveys` returns them.
        stats: Statistics of each photograph, by path.
    """
    seen = rows[rows["path"].map(lambda path: not pd.isna(path) and stats[path].refusal is None).astype(bool)]
    seen = seen.drop_duplicates(["path", "split"], ignore_index=True)
    files = [same for _, same in seen.groupby(seen["path"].map(lambda path: stats[path].sha256), sort=False)]
    return [*_identical(files), *_near(files, stats)]


def find_copy_findings(copies: Sequence[DuplicateGroup]) -> Iterator[Finding]:
    """Each group or pair as a finding, and another where its grades contradict."""
    for group in copies:
        yield finding_about(group.kind, group.sentence, group.rows)
        yield from find_contradicting_grades(group.rows, group.sentence)


def _identical(files: Sequence[pd.DataFrame]) -> Iterator[DuplicateGroup]:
    for rows in files:
        if len(rows) > 1:
            shown = (rows["path"].iloc[0], rows["path"].iloc[1])
            yield DuplicateGroup(rows, shown, 1.0, True, _kind(rows, None))


def _near(files: Sequence[pd.DataFrame], stats: dict[str, PhotographStats]) -> Iterator[DuplicateGroup]:
    paths = [rows["path"].iloc[0] for rows in files]
    for first, second, likeness in find_near_copies([stats[path] for path in paths]):
        rows = pd.concat([files[first], files[second]])
        yield DuplicateGroup(rows, (paths[first], paths[second]), likeness.structure, False, _kind(rows, likeness))


def _kind(rows: pd.DataFrame, likeness: Similarity | None) -> str:
    """The kind of finding that copies are; `likeness` is None for identical files."""
    same = "near-duplicate" if likeness else "identical"
    if rows["split"].nunique() > 1:
        return f"{same}-across-splits"
    if rows["root"].nunique() > 1:
        return f"{same}-across-data-sets"
    if _are_views(rows):
        return "views-alike" if likeness and likeness.light < ONE_EXPOSURE else "views-saved-twice"
    return "near-duplicates" if likeness else "identical-photographs"


def _are_views(rows: pd.DataFrame) -> bool:
    """Whether all rows are of one known eye of one known patient."""
    known = rows[["patient_id", "eye"]].notna().all(axis=None)
    return bool(known and (rows[["patient_id", "eye"]].nunique() == 1).all())
