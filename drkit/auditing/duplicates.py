"""Photographs that are one: the same bytes, or the same fundus after registration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.auditing.contradictions import find_contradicting_grades
from drkit.auditing.findings import Finding, finding_about
from drkit.auditing.hashing import find_candidates
from drkit.auditing.photographs import LOOKED_AT, Sight
from drkit.auditing.registration import Likeness, compare, prepare
from drkit.auditing.roll import describe
from drkit.images.reduced import decode_reduced
from drkit.talk import track

# Correlations after registration; docs/auditing.md tells how they were chosen.
SAME = 0.94  # of structure: copies, however they were saved
SAME_LIGHT = 0.97  # with the light: copies so dull that JPEG's noise outweighs their structure
ONE_EXPOSURE = 0.995  # with the light: copies that were saved anew, not taken anew
_KEPT = 2048  # photographs that wait for their next comparison, 32 KiB each


@dataclass(frozen=True)
class Copies:
    """Rows that show one photograph.

    Args:
        rows: Of a roll, two or more.
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


def find_copies(rows: pd.DataFrame, sights: dict[str, Sight]) -> list[Copies]:
    """Groups of identical files, then pairs of near duplicates.

    Identical files are one in the search for near duplicates, so that a photograph saved a hundred times is a
    hundred ids in one finding, not five thousand pairs.

    Args:
        rows: A roll.
        sights: Of its photographs, by path.
    """
    seen = rows[rows["path"].map(lambda path: not pd.isna(path) and sights[path].refusal is None).astype(bool)]
    seen = seen.drop_duplicates(["path", "split"], ignore_index=True)
    files = [same for _, same in seen.groupby(seen["path"].map(lambda path: sights[path].sha256), sort=False)]
    return [*_identical(files), *_near(files, sights)]


def are_copies(likeness: Likeness) -> bool:
    """Whether two photographs so alike are one, or two exposures within seconds."""
    return likeness.structure >= SAME or likeness.light >= SAME_LIGHT


def find_copy_findings(copies: Sequence[Copies]) -> Iterator[Finding]:
    """Each group or pair as a finding, and another where its grades contradict."""
    for group in copies:
        yield finding_about(group.kind, group.sentence, group.rows)
        yield from find_contradicting_grades(group.rows, group.sentence)


def _identical(files: Sequence[pd.DataFrame]) -> Iterator[Copies]:
    for rows in files:
        if len(rows) > 1:
            shown = (rows["path"].iloc[0], rows["path"].iloc[1])
            yield Copies(rows, shown, 1.0, True, _kind(rows, None))


def _near(files: Sequence[pd.DataFrame], sights: dict[str, Sight]) -> Iterator[Copies]:
    paths = [rows["path"].iloc[0] for rows in files]
    hashes = {position: bits for position, path in enumerate(paths) if (bits := sights[path].bits) is not None}
    hashed = list(hashes)
    candidates = find_candidates(np.stack([*hashes.values()])) if hashes else np.empty((0, 2), np.int64)
    fetch = lru_cache(_KEPT)(_fetch)
    for i, j in track(candidates.tolist(), "comparing candidates", len(candidates)):
        first, second = hashed[i], hashed[j]
        likeness = compare(fetch(paths[first]), fetch(paths[second]))
        if are_copies(likeness):
            rows = pd.concat([files[first], files[second]])
            yield Copies(rows, (paths[first], paths[second]), likeness.structure, False, _kind(rows, likeness))


def _fetch(path: str) -> NDArray[np.uint8]:
    return prepare(decode_reduced(Path(path).read_bytes(), path, LOOKED_AT)[0])


def _kind(rows: pd.DataFrame, likeness: Likeness | None) -> str:
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
