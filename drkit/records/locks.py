"""Locks on outputs that two processes must not write at the same time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from drkit.errors import BusyError
from drkit.progress import notify
from drkit.records.provenance import sha256_bytes

PATIENCE = 3  # seconds before an error, because a command that was killed takes a moment to end


@contextmanager
def locking(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes of the user from writing a file, a folder or a run while the block runs.

    The lock belongs to the operating system and ends with the process, even if that is killed. Its file lies in the
    user's cache folder, so nothing is left beside `path`.

    Args:
        path: The file, folder or run; it need not exist.
        wait: Wait for the other process instead of raising an error.

    Raises:
        BusyError: another process writes `path`, and `wait` is off.
    """
    lock = FileLock(_lock_path(path))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        if not wait:
            raise BusyError(
                f"{path} is being written by another drkit process: wait until it has ended, or choose another name"
            ) from None
        notify(f"waiting for another drkit process that writes {path}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock_path(path: Path) -> Path:
    name = f"{sha256_bytes(os.fsencode(os.path.realpath(path)))[:32]}.lock"
    folder = user_cache_path("drkit") / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # the home folder cannot be written to
        folder = Path(tempfile.gettempdir())
    return folder / name if os.access(folder, os.W_OK) else Path(tempfile.gettempdir(), name)
