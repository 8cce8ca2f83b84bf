"""What can be refused, and how a refusal is worded.

DrkitError            shown as one line; the program ends with exit code 2
├── UsageError        options that do not exist or do not fit together
├── InputError        a file that is missing, unreadable, or contradicts another
│   ├── UnreadablePhotographsError
│   └── DiskFullError a file for which there was no room
├── OutputExistsError a file that would be overwritten
├── BusyError         an output that another process is writing
├── LeakageError      photographs a model was trained on, where it must not have seen them
└── Interrupted       stopped by the user; exit code 130
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class DrkitError(Exception):
    """A refusal: says where, what, what was expected, and what to do.

    Attributes:
        exit_code: Of the program.
        table: A `drkit.reporting.Table` to be shown below the sentence; None: none.
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
    """A file for which there was no room; what was there stays."""


class OutputExistsError(DrkitError):
    """An output that is already there and was not to be overwritten."""


class BusyError(DrkitError):
    """An output that another process is writing."""


class LeakageError(DrkitError):
    """Photographs that a model was trained on, where it must not have seen them."""


class Interrupted(DrkitError):  # noqa: N818 - not an error of anybody's
    """Stopped by the user, leaving a state that `resume_options` continue.

    Args:
        message: What was reached.
        resume_options: Options that, added to the same command line, go on from there.
    """

    exit_code = 130

    def __init__(self, message: str, resume_options: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.resume_options = tuple(resume_options)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known names, or all of them when few or none are near."""
    names = list(known)
    near = get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"expected one of {', '.join(names)}" if len(names) <= 20 else "no name is near it"


def first_few(items: Sequence[object], shown: int = 5) -> str:
    """`a, b, c, d, e and 7 more`."""
    head = ", ".join(str(item) for item in items[:shown])
    return head if len(items) <= shown else f"{head} and {len(items) - shown} more"


def readable(text: str) -> str:
    """Text that can be written anywhere.

    Bytes of a file's name that are no UTF-8 stand as a backslash, x and hex, and so do characters that would steer a
    terminal or turn the direction of what stands behind them.
    """
    plain = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], plain)
