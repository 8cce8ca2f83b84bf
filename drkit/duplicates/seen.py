"""Photographs that weights were trained on, recognised by content, appearance and file name."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drkit.duplicates.hashing import RADIUS, Hashes, hamming_distance, hash_photograph
from drkit.duplicates.stats import DECODED_SIDE, is_blank
from drkit.engine import map_items
from drkit.errors import InputError
from drkit.images.files import read_content
from drkit.images.reduced import decode_reduced
from drkit.records.runs import find_packaged_run
from drkit.records.seen import SeenPhotographs, read_seen

NAMESAKE_RADIUS = 65  # bits by which copies with the same file name may differ; docs/fundus.md explains the choice


def find_seen(
    paths: Sequence[Path],
    contents: Sequence[str],
    trained_on: Collection[str],
    descends_from: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
) -> NDArray[np.bool_]:
    """Find whether weights were trained on each photograph.

    Args:
        paths: Files of N photographs.
        contents: SHA-256 of each file, or of the original that it was preprocessed from.
        trained_on: SHA-256 of the photographs that the weights were trained on.
        descends_from: Names of the runs that come with drkit which the weights started from. Their photographs are also
            recognised in copies that were saved again with another size, quality or aspect ratio.
        workers: Number of threads; None for one per processor.
        scheduler: Address of a Dask cluster to use instead; None for this machine.

    Returns:
        (N,) bool.

    Raises:
        UsageError: Dask is not installed.
        InputError: the cluster cannot be used.
    """
    seen = np.array([content in trained_on for content in contents], dtype=bool)
    others = np.flatnonzero(~seen).tolist()
    if not descends_from or not others:
        return seen
    chosen = [paths[row] for row in others]
    hashes = hash_all(chosen, workers, scheduler)
    for name in descends_from:
        seen[others] |= find_copies(chosen, hashes, read_seen(find_packaged_run(name).seen_photographs))
    return seen


def hash_all(paths: Sequence[Path], workers: int | None = None, scheduler: str | None = None) -> list[Hashes | None]:
    """Hash photographs with their discs scaled to circles; arguments as for `find_seen`.

    Returns:
        uint64 (3, 4) for each photograph; None for one that cannot be read or is blank.
    """
    return map_items(_hash, paths, "recognising photographs", workers, scheduler)


def _hash(path: Path) -> Hashes | None:
    try:
        photograph = decode_reduced(read_content(path), str(path), DECODED_SIDE)[0].pixels
    except InputError:
        return None
    return None if is_blank(photograph) else hash_photograph(photograph, round_disc=True)


def find_copies(paths: Sequence[Path], hashes: Sequence[Hashes | None], seen: SeenPhotographs) -> NDArray[np.bool_]:
    """Whether each photograph is a copy of a seen one, by its hash; with equal file names more bits may differ.

    Args:
        paths: Files of N photographs.
        hashes: The results of `hash_all`.
        seen: The photographs that the weights were trained on.

    Returns:
        (N,) bool; False for photographs without hashes.
    """
    names = np.array([name.lower() for name in seen.names])
    is_copy = np.zeros(len(paths), bool)
    for row, (path, own) in enumerate(zip(paths, hashes, strict=True)):
        if own is not None:
            allowed = np.where(names == path.stem.lower(), NAMESAKE_RADIUS, RADIUS)
            shifted_others = hamming_distance(seen.hashes, own[0]).min(axis=1)  # (S,)
            shifted_own = hamming_distance(seen.hashes[:, :1], own).min(axis=1)
            is_copy[row] = ((np.minimum(shifted_others, shifted_own) <= allowed) & seen.is_hashed).any()
    return is_copy
