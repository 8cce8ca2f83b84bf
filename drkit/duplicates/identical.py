"""Photographs that are the same byte for byte, without reading those that cannot be."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from drkit.errors import InputError
from drkit.images.files import read_content
from drkit.records.provenance import sha256_bytes


def number_contents(paths: Sequence[Path], originals: Mapping[Path, str] | None = None) -> np.ndarray:
    """int64 (N,): equal numbers for photographs that are the same byte for byte.

    Args:
        paths: N photographs; only those that share their size with another are read.
        originals: SHA-256 of what preprocess made a photograph from, which then counts instead of the file.

    A file that cannot be opened is like no other: it is refused where its pixels are read.
    """
    known = originals or {}
    keys = pd.Series([known.get(path) or _size_or_name(path) for path in paths], dtype="object")
    to_read = np.flatnonzero(keys.duplicated(keep=False) & ~keys.isin(known.values())).tolist()
    keys.iloc[to_read] = [_hash_or_name(paths[row]) for row in to_read]
    return pd.factorize(keys)[0].astype(np.int64)


def _size_or_name(path: Path) -> int | str:
    try:
        return path.stat().st_size
    except OSError:
        return str(path)


def _hash_or_name(path: Path) -> str:
    try:
        return sha256_bytes(read_content(path))
    except InputError:
        return str(path)
