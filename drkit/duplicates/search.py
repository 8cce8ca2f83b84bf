"""The search for near duplicates: candidates by hash, which are then registered and compared."""

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

# Correlations after registration; docs/auditing.md explains the choice.
SAME = 0.94  # structure: copies, however they were saved
SAME_LIGHT = 0.97  # light: copies with so little contrast that JPEG noise dominates their structure
ONE_EXPOSURE = 0.995  # light: copies that were saved again, not taken again
VERSION = 1  # version of the search, part of the key of cached results
_CACHED = 2048  # prepared photographs, 32 KiB each


def are_copies(similarity: Similarity) -> bool:
    """Whether two photographs are copies of one, or two exposures within seconds."""
    return similarity.structure >= SAME or similarity.light >= SAME_LIGHT


def find_near_copies(stats: Sequence[PhotographStats]) -> Iterator[tuple[int, int, Similarity]]:
    """Find pairs of copies of one photograph, saved again or taken again within seconds, and their similarity.

    Args:
        stats: Statistics of N photographs; identical files should be passed once, else all their pairs are returned.
    """
    hashes = {number: item.bits for number, item in enumerate(stats) if item.bits is not None}
    hashed = list(hashes)
    candidates = find_candidates(np.stack([*hashes.values()])) if hashes else np.empty((0, 2), np.int64)
    fetch = lru_cache(_CACHED)(_fetch)
    for i, j in track(candidates.tolist(), "comparing candidates", len(candidates)):
        first, second = hashed[i], hashed[j]
        similarity = compare(fetch(stats[first].path), fetch(stats[second].path))
        if are_copies(similarity):
            yield first, second, similarity


def number_copies(paths: Sequence[str], workers: int | None = None) -> NDArray[np.int64]:
    """Number photographs so that copies, and copies of copies, have equal numbers (N,).

    Args:
        paths: Files of N photographs; one that cannot be read has a number of its own.
        workers: Number of threads; None for one per processor.
    """
    stats = measure_photographs(paths, workers)
    keys = [path if stats[path].refusal else stats[path].sha256 for path in paths]
    names, first, file = np.unique(keys, return_index=True, return_inverse=True)
    pairs = [(i, j) for i, j, _ in find_near_copies([stats[paths[row]] for row in first])]
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    return connected_components(links, directed=False)[1].astype(np.int64)[file]


def _fetch(path: str) -> NDArray[np.uint8]:
    return prepare(decode_reduced(Path(path).read_bytes(), path, DECODED_SIDE)[0].pixels)
