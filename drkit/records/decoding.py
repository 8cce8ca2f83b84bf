"""Checks of records: their version, and the types of their values."""

from typing import Any, TypeVar

import msgspec

from drkit.errors import InputError

T = TypeVar("T")


def check_version(version: object, supported: int, source: object) -> None:
    """Check that this drkit reads a file's version.

    Raises:
        InputError: the file is of another version; `source` names it in the message.
    """
    if version != supported:
        raise InputError(f"{source}: schema version {version}, but this drkit reads {supported}: update drkit")


def decode(content: Any, kind: type[T], source: object, remedy: str) -> T:
    """Build a dataclass (or a TypedDict) from JSON values; lists become tuples, and unknown keys are dropped.

    Args:
        content: The result of `json.loads`.
        kind: The dataclass; its annotations are the expected types.
        source: The file, for the message.
        remedy: What the user should do about a damaged file, for the message.

    Raises:
        InputError: a key is missing or a value has another type; the message says which.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{source} is damaged: {error}: {remedy}") from None
