"""Checks of file names, and file names made from image ids."""

import sys
from collections.abc import Iterable
from pathlib import Path

from drkit.errors import InputError, first_few, readable
from drkit.records.provenance import sha256_bytes

MAX_BYTES = 200  # of a name without suffix; file systems allow 255 with it
DIGITS = 12  # of the hash that makes shortened names unique


def shorten_name(name: str) -> str:
    """Return `name`, or its beginning and some digits of its hash if it is longer than `MAX_BYTES`."""
    encoded = name.encode(errors="surrogateescape")
    if len(encoded) <= MAX_BYTES:
        return name
    start = encoded[: MAX_BYTES - DIGITS - 1].decode(errors="ignore")
    return f"{start}-{sha256_bytes(encoded)[:DIGITS]}"


def check_spelling(paths: Iterable[str | Path]) -> None:
    """Check that names can be stored in tables and records, which are text.

    Raises:
        InputError: names are not UTF-8, as in old archives; the message has their number and the first five.
    """
    invalid = [str(path) for path in paths if not is_text(path)]
    if invalid:
        names, them = first_few([readable(path) for path in invalid]), "them" if len(invalid) > 1 else "it"
        subject = f"{len(invalid)} file or folder names are" if len(invalid) > 1 else "a file or folder name is"
        remedy = f"rename {them}, for example with convmv -r -f latin1 -t utf8 --notest FOLDER"
        if sys.getfilesystemencoding() != "utf-8":
            remedy = f"names are read as {sys.getfilesystemencoding()} here, set PYTHONUTF8=1"
        raise InputError(f"{subject} not UTF-8: {names}: {remedy}")


def is_bare(name: str) -> bool:
    """Whether a name in a record is that of a file beside it, without folder or drive."""
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def is_text(path: str | Path) -> bool:
    """Whether a name is UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
