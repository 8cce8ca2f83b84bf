"""Large memory-mapped arrays in the user's cache folder, which appear there only when they are complete."""

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from platformdirs import user_cache_path

from drkit.errors import InputError
from drkit.progress import notify
from drkit.records.atomic import drafts_of, needing_room, write_bytes, writing
from drkit.records.locks import locking
from drkit.records.provenance import canonical_json, sha256_bytes, sha256_file

TEMPORARY_PREFIX = "drkit-"  # of temporary files, which are deleted by the end of a training
CACHED_NAME = re.compile(r"([0-9a-f]{32}|\.[0-9a-f]{32}\.\w+\.part)\.(npy|json)")  # of arrays, their notes and drafts


@dataclass
class MappedArray:
    """A memory-mapped array in the cache: read-only if it is complete, otherwise zeros to be filled.

    Args:
        array: The array.
        notes: Lines of text that are stored with it.
    """

    array: np.memmap
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the array was filled earlier."""
        return not self.array.flags.writeable


def default_cache_dir() -> Path:
    """The user's cache folder for drkit."""
    return user_cache_path("drkit")


def cached_files(cache_dir: Path) -> list[Path]:
    """Find the files of `open_cached` in a folder; drkit owns no others there."""
    paths = cache_dir.iterdir() if cache_dir.is_dir() else []
    return sorted(path for path in paths if CACHED_NAME.fullmatch(path.name) and path.is_file())


def clear_cached(cache_dir: Path) -> int:
    """Delete the files of `open_cached` in a folder, and return their size in bytes.

    Raises:
        BusyError: another process writes one of them.
    """
    files = cached_files(cache_dir)
    size = sum(path.stat().st_size for path in files)
    for path in sorted(files, key=lambda path: path.suffix):  # notes first, because an array without notes is not used
        with locking(cache_dir / f"{path.name.lstrip('.')[:32]}.npy"):
            path.unlink(missing_ok=True)
    return size


def open_cached(
    cache_dir: Path,
    key: str,
    shape: tuple[int, ...],
    fill: Callable[[np.ndarray], tuple[str, ...]],
    dtype: type[np.generic] = np.uint8,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Open the array with a given key, or make it with `fill` if it is missing or damaged.

    If another process is making the array, this function waits for it.

    Args:
        cache_dir: Folder of the cache; created if it is missing.
        key: Name of the array, which identifies its content.
        shape: Shape of the array.
        fill: Function that fills an array of zeros in place, and returns the notes to store with it.
        dtype: Type of the array.

    Returns:
        The array, memory-mapped and read-only, and its notes.

    Raises:
        InputError: not enough space on the disk.
    """
    with opening_cached(cache_dir, key, shape, dtype) as cached:
        if not cached.is_complete:
            cached.notes = fill(cached.array)
    return cached.array, cached.notes


@contextmanager
def opening_cached(
    cache_dir: Path, key: str, shape: tuple[int, ...], dtype: type[np.generic] = np.uint8
) -> Iterator[MappedArray]:
    """Open the array with a given key for a context, which fills it unless it is complete.

    If another process is making the array, this function waits for it. The array is stored and becomes read-only when
    the context ends without an error.

    Args:
        cache_dir: Folder of the cache; created if it is missing.
        key: Name of the array, which identifies its content.
        shape: Shape of the array.
        dtype: Type of the array.

    Raises:
        InputError: not enough space on the disk.
    """
    path = cache_dir / f"{key}.npy"
    with locking(path, wait=True):
        if stored := _open(path, shape, dtype):
            yield stored
            return
        for draft in drafts_of(path):  # of processes that were killed
            draft.unlink()
        with _drafting(path, shape, dtype) as created:
            yield created
        stored = _open(path, shape, dtype)
        if stored is None:
            raise InputError(f"{path} was changed while it was written: choose another --cache-dir")
        created.array = stored.array


def _open(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> MappedArray | None:
    """Open a stored array and its notes; None if they are missing or damaged."""
    try:
        record = json.loads(path.with_suffix(".json").read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        record = None
    try:
        if isinstance(record, dict) and record["array_sha256"] == sha256_file(path):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if array.shape == shape and array.dtype == dtype:
                return MappedArray(array, tuple(map(str, record["notes"])))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    notify(f"{path} is damaged, or from an older version of drkit: it is made again")
    return None


@contextmanager
def _drafting(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[MappedArray]:
    """Yield an array of zeros, which is stored with its notes when the context ends without an error."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    _check_room(path.parent, size)
    with writing(path, force=True, size=size) as draft:
        mapped = MappedArray(np.lib.format.open_memmap(draft, mode="w+", dtype=dtype, shape=shape))
        with draft.open("rb+") as stream:
            _reserve(stream, draft.stat().st_size)
        yield mapped
        mapped.array.flush()
    record = {"array_sha256": sha256_file(path), "notes": mapped.notes}
    write_bytes(path.with_suffix(".json"), json.dumps(record).encode(), force=True)  # last: it has the array's SHA-256


@contextmanager
def opening_temporary(folder: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[MappedArray]:
    """Create an array by `make_temporary`, and delete its file after the context; processes can keep it mapped."""
    array = make_temporary(folder, shape, dtype)
    try:
        yield MappedArray(array)
    finally:
        delete_temporary(array)


def make_temporary(folder: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.memmap:
    """Create an array of zeros in a temporary file, which other processes can map and the caller deletes.

    Args:
        folder: Folder of the file; created if it is missing.
        shape: Shape of the array.
        dtype: Type of the array.

    Raises:
        InputError: not enough space on the disk.
    """
    num_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    _check_room(folder, num_bytes)
    with (
        needing_room(folder, num_bytes),
        tempfile.NamedTemporaryFile(dir=folder, prefix=TEMPORARY_PREFIX, delete=False) as stream,
    ):
        try:
            _reserve(stream, num_bytes)
            return np.memmap(stream, dtype, "w+", shape=shape)
        except BaseException:
            Path(stream.name).unlink()
            raise


def delete_temporary(array: np.ndarray) -> None:
    """Delete the file of an array if it is from `make_temporary`; processes that map it can still read it."""
    path = Path(array.filename or "") if isinstance(array, np.memmap) else Path()
    if path.name.startswith(TEMPORARY_PREFIX):
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class MappedFile:
    """The file of a memory-mapped array, which can be sent to another process that maps the same file."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    mode: Literal["r", "r+"]

    @classmethod
    def of(cls, array: np.memmap) -> "MappedFile":
        """Describe the file of an array that begins where the mapping of its file begins."""
        mode: Literal["r", "r+"] = "r+" if array.flags.writeable else "r"
        return cls(str(array.filename), array.dtype.str, array.shape, array.offset, mode)

    def open(self) -> np.memmap:
        """Map the file again, read-only if the array was read-only."""
        return np.memmap(self.path, self.dtype, self.mode, self.offset, self.shape)


def name_array(paths: Sequence[Path], **made_by: object) -> str:
    """Return the key of an array that is computed from photographs, by their paths, sizes and modification times.

    Args:
        paths: Paths of the photographs.
        made_by: Everything else that determines the content of the array.
    """
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return sha256_bytes(canonical_json({**made_by, "files": files}).encode())[:32]


def _reserve(stream: IO[bytes], num_bytes: int) -> None:
    """Reserve a file's space on the disk, because writing to a mapped array on a full disk kills the process.

    Raises:
        OSError: not enough space on the disk.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(stream.fileno(), 0, num_bytes)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # with other errors, the file system cannot reserve space


def free_bytes(folder: Path) -> int:
    """Measure the free bytes on the disk of a folder, which need not exist."""
    existing = next((parent for parent in (folder, *folder.absolute().parents) if parent.exists()), Path("/"))
    return shutil.disk_usage(existing).free


def _check_room(cache_dir: Path, num_bytes: int) -> None:
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{cache_dir} cannot be created ({error.strerror}): choose another --cache-dir") from None
    free = free_bytes(cache_dir)
    if free < num_bytes:
        raise InputError(
            f"{cache_dir} has {free / 2**30:.1f} GiB free, but {num_bytes / 2**30:.1f} GiB are needed:"
            " choose a --cache-dir with more space, or a smaller --bank-size"
        )
