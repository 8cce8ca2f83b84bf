"""Atomic writing: a file appears complete or not at all, and replaces another only with `force`."""

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drkit.errors import DiskFullError, DrkitError, InputError, OutputExistsError, readable
from drkit.records.filenames import is_text

DRAFT_STEM = 32  # characters of the final name in a draft's name, which is longer by a prefix and a suffix


def check_writable(path: Path, *, force: bool) -> None:
    """Check early that `writing` will be able to write a file.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        InputError: `path` is a folder, a parent of it is a file, or its name is too long.
    """
    check_name(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, but a file is to be written there: choose another name")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists already: choose another name, or overwrite it with --force")
    for parent in path.parents:
        if parent.exists():
            if not parent.is_dir():
                raise InputError(f"{parent} is a file, so {path} cannot be written into it")
            if not os.access(parent, os.W_OK):
                raise InputError(f"{parent} cannot be written to: choose another folder")
            return


def check_name(path: Path) -> None:
    """Check that a file can have a path, and that records can contain it.

    Raises:
        InputError: a part of it is too long for the file system, it cannot be resolved, or it is not UTF-8.
    """
    if not is_text(path):
        raise InputError(f"{readable(str(path))} cannot be written: its name is not UTF-8: choose another name")
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another name") from None


def check_free_space(folder: Path, num_bytes: float) -> None:
    """Check before long work that its output fits on the disk.

    Args:
        folder: Folder of the output; it need not exist.
        num_bytes: Expected size in bytes.

    Raises:
        InputError: the folder is not writable, or there is too little space.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{existing} cannot be written to: choose another folder")
    free = shutil.disk_usage(existing).free
    if num_bytes > free:
        raise InputError(
            f"{folder} needs about {num_bytes / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free: free some space,"
            " or choose another folder"
        )


@contextmanager
def writing(path: Path, *, force: bool, size: int = 0) -> Iterator[Path]:
    """Yield the path of a draft beside `path`, which is renamed to `path` when the block ends without an error.

    Args:
        path: The final path; its folder is created.
        force: Replace an existing file. Otherwise a file that is created during the block is kept as well.
        size: Approximate size of the file in bytes, to report how much space is missing; 0 if unknown.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        DiskFullError: the disk is full; an existing file is kept.
    """
    check_writable(path, force=force)
    with needing_room(path, size):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem[:DRAFT_STEM]}.", suffix=f".part{path.suffix}", dir=path.parent
        )
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
            _sync(draft)
            _publish(draft, path, force=force)
        finally:
            draft.unlink(missing_ok=True)


def is_draft(path: Path) -> bool:
    """Whether `writing` gave a file its name: it is being written, or its process was killed."""
    return path.name.startswith(".") and ".part" in path.suffixes[-2:]


def drafts_of(path: Path) -> list[Path]:
    """Find the drafts of a file in its folder, and those of files whose names begin with the same 32 characters."""
    return [draft for draft in path.parent.glob(f".{glob.escape(path.stem[:DRAFT_STEM])}.*") if is_draft(draft)]


@contextmanager
def needing_room(path: Path, size: int = 0) -> Iterator[None]:
    """Convert any library's error about a full disk to a `DiskFullError`.

    Args:
        path: The file that is written.
        size: Its approximate size in bytes; 0 if unknown.

    Raises:
        DiskFullError: the disk is full.
    """
    free = shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free
    try:
        yield
    except DrkitError:
        raise
    except Exception as error:
        if not _is_full(error) and size <= free:
            raise
        needed = f", {_amount(size)} are needed and {_amount(size - free)} missing" if size > free else ""
        remedy = "free some space, or choose another folder"
        raise DiskFullError(
            f"{path} cannot be written, the disk is full: {_amount(free)} were free{needed}: {remedy}"
        ) from None


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left" in str(error) or "quota exceeded" in str(error)


def _amount(num_bytes: int) -> str:
    """`734 kB`, `2.1 MB`, `3.4 GB`."""
    unit, name = next((pair for pair in ((1e9, "GB"), (1e6, "MB")) if num_bytes >= pair[0]), (1e3, "kB"))
    return f"{num_bytes / unit:.{0 if name == 'kB' else 1}f} {name}"


def write_bytes(path: Path, content: bytes, *, force: bool) -> None:
    """Write `content` to `path` atomically."""
    with writing(path, force=force, size=len(content)) as draft:
        draft.write_bytes(content)


def _sync(draft: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    draft.chmod(0o666 & ~umask)  # mkstemp creates files that only their owner may read
    with draft.open("rb+") as stream:
        os.fsync(stream.fileno())


def _publish(draft: Path, path: Path, *, force: bool) -> None:
    if force:
        draft.replace(path)
        return
    try:
        os.link(draft, path)  # unlike renaming, linking never replaces a file
    except FileExistsError:
        raise OutputExistsError(f"{path} was created by another process meanwhile: it was not overwritten") from None
    except OSError:  # a file system without links
        draft.replace(path)
