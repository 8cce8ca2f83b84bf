"""Large arrays kept in the user's cache folder, memory-mapped, whole or not at all."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from drkit.errors import InputError
from drkit.records.atomic import write_bytes, writing
from drkit.records.provenance import canonical_json, sha256_bytes

CACHED_NAME = re.compile(r"[0-9a-f]{32}\.(npy|json)")  # of an array, and of the notes beside it


def default_cache_dir() -> Path:
    """The user's cache folder for drkit."""
    return user_cache_path("drkit")


def cached_files(cache_dir: Path) -> list[Path]:
    """The files that `open_cached` has left in a folder; others are not drkit's."""
    found = cache_dir.iterdir() if cache_dir.is_dir() else []
    return sorted(path for path in found if CACHED_NAME.fullmatch(path.name) and path.is_file())


def clear_cached(cache_dir: Path) -> int:
    """Remove the files that `open_cached` has left in a folder, and how many bytes they took."""
    files = cached_files(cache_dir)
    size = sum(path.stat().st_size for path in files)
    for path in sorted(files, key=lambda path: path.suffix):  # notes first: without them an array counts for nothing
        path.unlink()
    return size


def open_cached(
    cache_dir: Path,
    key: str,
    shape: tuple[int, ...],
    fill: Callable[[np.ndarray], tuple[str, ...]],
    dtype: type[np.generic] = np.uint8,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Open the array called `key`, made by `fill` when it is not there yet.

    Args:
        cache_dir: Folder of the cache; made when missing.
        key: Names the content.
        shape: Of the array.
        fill: Fills the array it is given, zero at first, and returns what is kept beside it (text).
        dtype: Of the array.

    Returns:
        The array, memory-mapped and read-only, and what `fill` returned.

    Raises:
        InputError: not enough room on the disk.
    """
    array_path, notes_path = cache_dir / f"{key}.npy", cache_dir / f"{key}.json"
    if not notes_path.exists():  # written last, so that if it exists the array is complete
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        _check_room(cache_dir, size)
        with writing(array_path, force=True, size=size) as draft:
            array = np.lib.format.open_memmap(draft, mode="w+", dtype=dtype, shape=shape)
            _reserve(draft)
            notes = fill(array)
            array.flush()
        write_bytes(notes_path, json.dumps(notes).encode(), force=True)
    return np.load(array_path, mmap_mode="r"), tuple(json.loads(notes_path.read_text()))


def name_array(paths: Sequence[Path], **made_by: object) -> str:
    """The name of an array that is made of photographs in the state they are in.

    Args:
        paths: The photographs.
        made_by: All else that decides its content.
    """
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return sha256_bytes(canonical_json({**made_by, "files": files}).encode())[:32]


def _reserve(path: Path) -> None:
    """Take a file's room on the disk at once: where it is missing later, writing to the array ends the program.

    Raises:
        OSError: there is none.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("rb+") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # others: a file system that cannot reserve


def _check_room(cache_dir: Path, num_bytes: int) -> None:
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{cache_dir} cannot be made ({error.strerror}): choose another --cache-dir") from None
    free = shutil.disk_usage(cache_dir).free
    if free < num_bytes:
        raise InputError(
            f"{cache_dir} has {free / 2**30:.1f} GiB free, what is to be kept takes {num_bytes / 2**30:.1f} GiB:"
            " choose a roomier --cache-dir or a smaller --bank-size"
        )
