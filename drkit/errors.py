"""The errors that end a command with one line, and helpers to word them.

DrkitError            shown as one line; the program ends with exit code 2
├── UsageError        options that do not exist or do not fit together
├── InputError        a file that is missing, unreadable, or contradicts another
│   ├── UnreadablePhotographsError
│   └── DiskFullError no room for a file
├── OutputExistsError a file that would be overwritten
├── BusyError         an output that another process is writing
├── LeakageError      photographs that a model was trained on, but must not have been
└── Interrupted       stopped by the user; exit code 130
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class DrkitError(Exception):
    """An error in one line: where, what, what was expected, and what to do.

    Attributes:
        exit_code: Exit code of the program.
        table: A `drkit.reporting.Table` to show below the line, or None.
    """

    exit_code = 2
    table: Any = None


class UsageError(DrkitError):
    """Options that do not exist or do not fit together."""


class InputError(DrkitError):
    """A file that is missing, unreadable, or contradicts another."""


class UnreadablePhotographsError(InputError):
    """Photographs of a data set that cannot be read, all counted."""


class DiskFullError(InputError):
    """No room for a file on the disk; an existing file stays as it was."""


class OutputExistsError(DrkitError):
    """An output that exists already and must not be overwritten."""


class BusyError(DrkitError):
    """An output that another process is writing."""


class LeakageError(DrkitError):
    """Photographs that a model was trained on, but must not have been."""


class Interrupted(DrkitError):  # noqa: N818 - not an error of anybody's
    """Stopped by the user, in a state from which the command can be resumed.

    Args:
        message: What is finished.
        resume_options: Options that resume the command, if they are added to the same command line.
    """

    exit_code = 130

    def __init__(self, message: str, resume_options: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.resume_options = tuple(resume_options)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known names; if none is near, list all of them, unless there are more than 20."""
    names = list(known)
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"expected one of {', '.join(names)}" if len(names) <= 20 else "no name is near it"


def first_few(items: Sequence[object], shown: int = 5) -> str:
    """Join the first few items and the number of the others: `a, b, c, d, e and 7 more`."""
    head = ", ".join(str(item) for item in items[:shown])
    return head if len(items) <= shown else f"{head} and {len(items) - shown} more"


def readable(text: str) -> str:
    """Escape what a terminal must not receive.

    Bytes of a file name that are not UTF-8 become a backslash, x and two hexadecimal digits, and so do control
    characters and characters that reverse the direction of the text after them.
    """
    plain = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], plain)
