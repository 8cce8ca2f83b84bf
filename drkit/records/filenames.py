"""File names: which can be kept in tables, which stay in their folder, and those made of image ids."""

import sys
from collections.abc import Iterable
from pathlib import Path

from drkit.errors import InputError, first_few, readable
from drkit.records.provenance import sha256_bytes

MAX_BYTES = 200  # of a name before its suffix; file systems take 255 with it
DIGITS = 12  # of the hash that tells shortened names apart


def shorten_name(name: str) -> str:
    """`name`, or where it is longer than `MAX_BYTES` its beginning and some digits of its hash."""
    encoded = name.encode(errors="surrogateescape")
    if len(encoded) <= MAX_BYTES:
        return name
    start = encoded[: MAX_BYTES - DIGITS - 1].decode(errors="ignore")
    return f"{start}-{sha256_bytes(encoded)[:DIGITS]}"


def check_spelling(paths: Iterable[str | Path]) -> None:
    """Check that names can be kept in tables and records, which are text.

    Raises:
        InputError: names in another encoding than UTF-8, as old archives bring them; all counted, five named.
    """
    wrong = [str(path) for path in paths if not is_text(path)]
    if wrong:
        names, them = first_few([readable(path) for path in wrong]), "them" if len(wrong) > 1 else "it"
        amount = f"{len(wrong)} names of files or folders are" if len(wrong) > 1 else "a file's or folder's name is"
        remedy = f"rename {them}, as with convmv -r -f latin1 -t utf8 --notest FOLDER"
        if sys.getfilesystemencoding() != "utf-8":
            remedy = f"names are read as {sys.getfilesystemencoding()} here, set PYTHONUTF8=1"
        raise InputError(f"{amount} not UTF-8: {names}: {remedy}")


def is_bare(name: str) -> bool:
    """Whether a name out of a record is that of a file beside it: no path, no other folder, no drive."""
    return name not in ("", ".", "..") and not set(name) & set("/\\:\0")


def is_text(path: str | Path) -> bool:
    """Whether a name is UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
