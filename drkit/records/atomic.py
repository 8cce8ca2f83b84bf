"""Files that appear whole or not at all, and never over another without being told to."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drkit.errors import InputError, OutputExistsError

DRAFT_STEM = 32  # letters of the final name in that of a draft, which must not be too long where that is not


def check_writable(path: Path, *, force: bool) -> None:
    """Refuse early what `writing` would refuse late.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        InputError: `path` is a folder, a parent of it is a file, or its name is too long.
    """
    check_name(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, where a file was to be written")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists already: choose another name, or overwrite it with --force")
    for parent in path.parents:
        if parent.exists():
            if not parent.is_dir():
                raise InputError(f"{parent} is a file, so {path} cannot be written into it")
            if not os.access(parent, os.W_OK):
                raise InputError(f"{parent} cannot be written to")
            return


def check_name(path: Path) -> None:
    """Refuse a path that no file can have.

    Raises:
        InputError: a part of it is longer than the file system takes, or it leads nowhere.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another name") from None


@contextmanager
def writing(path: Path, *, force: bool) -> Iterator[Path]:
    """Give a temporary path beside `path`, that takes its name when the block ends well.

    Args:
        path: The final name; its folder is made.
        force: Replace an existing file. Without it a file that came into being meanwhile is kept.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    check_writable(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:DRAFT_STEM]}.", suffix=f".part{path.suffix}", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        _sync(draft)
        _publish(draft, path, force=force)
    finally:
        draft.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, force: bool) -> None:
    """Write `content` to `path` at once."""
    with writing(path, force=force) as draft:
        draft.write_bytes(content)


def _sync(draft: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    draft.chmod(0o666 & ~umask)  # mkstemp makes files that nobody else may read
    with draft.open("rb+") as stream:
        os.fsync(stream.fileno())


def _publish(draft: Path, path: Path, *, force: bool) -> None:
    if force:
        draft.replace(path)
        return
    try:
        os.link(draft, path)  # unlike a rename, a link never replaces
    except FileExistsError:
        raise OutputExistsError(f"{path} came into being meanwhile: it was left as it is") from None
    except OSError:  # a file system without links
        draft.replace(path)
