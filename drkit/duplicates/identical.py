"""Identical files among photographs; only files of equal size are read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from drkit.errors import InputError
from drkit.images.files import read_content
from drkit.records.provenance import sha256_bytes


def number_contents(paths: Sequence[Path], originals: Mapping[Path, str] | None = None) -> np.ndarray:
    """Number photographs so that identical files have equal numbers, int64 (N,).

    A file that cannot be read has a number of its own, and is refused when its pixels are read.

    Args:
        paths: Files of N photographs; a file is read only if another one has the same size.
        originals: SHA-256 of the originals of preprocessed photographs, which are compared instead of their files.
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
