"""The search for near duplicates: candidates by hash, then each laid upon the other."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drkit.duplicates.hashing import find_candidates
from drkit.duplicates.registration import Similarity, compare, prepare
from drkit.duplicates.stats import DECODED_SIDE, PhotographStats, measure_photographs
from drkit.images.reduced import decode_reduced
from drkit.progress import track

# Correlations after registration; docs/auditing.md tells how they were chosen.
SAME = 0.94  # of structure: copies, however they were saved
SAME_LIGHT = 0.97  # with the light: copies so dull that JPEG's noise outweighs their structure
ONE_EXPOSURE = 0.995  # with the light: copies that were saved anew, not taken anew
VERSION = 1  # of the search: part of a cached outcome's key
_KEPT = 2048  # photographs that wait for their next comparison, 32 KiB each


def are_copies(likeness: Similarity) -> bool:
    """Whether two photographs so alike are one, or two exposures within seconds."""
    return likeness.structure >= SAME or likeness.light >= SAME_LIGHT


def find_near_copies(stats: Sequence[PhotographStats]) -> Iterator[tuple[int, int, Similarity]]:
    """Pairs of photographs that are one, saved anew or taken again at once, and how alike they are.

    Args:
        stats: Statistics of N photographs; pass identical files once, else all their pairs are returned.
    """
    hashes = {number: item.bits for number, item in enumerate(stats) if item.bits is not None}
    hashed = list(hashes)
    candidates = find_candidates(np.stack([*hashes.values()])) if hashes else np.empty((0, 2), np.int64)
    fetch = lru_cache(_KEPT)(_fetch)
    for i, j in track(candidates.tolist(), "comparing candidates", len(candidates)):
        first, second = hashed[i], hashed[j]
        likeness = compare(fetch(stats[first].path), fetch(stats[second].path))
        if are_copies(likeness):
            yield first, second, likeness


def number_copies(paths: Sequence[str], workers: int | None = None) -> NDArray[np.int64]:
    """(N,): equal numbers for photographs that are one, byte for byte or nearly, by way of others, too.

    Args:
        paths: N photographs; one that cannot be read is like no other.
        workers: Threads; None: one a processor.
    """
    seen = measure_photographs(paths, workers)
    keys = [path if seen[path].refusal else seen[path].sha256 for path in paths]
    names, first, file = np.unique(keys, return_index=True, return_inverse=True)
    pairs = [(i, j) for i, j, _ in find_near_copies([seen[paths[row]] for row in first])]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    return connected_components(links, directed=False)[1].astype(np.int64)[file]


def _fetch(path: str) -> NDArray[np.uint8]:
    return prepare(decode_reduced(Path(path).read_bytes(), path, DECODED_SIDE)[0].pixels)
