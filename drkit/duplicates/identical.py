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

    Raises:
        InputError: a photograph cannot be read.
    """
    known = originals or {}
    keys = pd.Series([known.get(path) or _size(path) for path in paths], dtype="object")
    to_read = np.flatnonzero(keys.duplicated(keep=False) & ~keys.isin(known.values())).tolist()
    keys.iloc[to_read] = [sha256_bytes(read_content(paths[row])) for row in to_read]
    return pd.factorize(keys)[0].astype(np.int64)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
