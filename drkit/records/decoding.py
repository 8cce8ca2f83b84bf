"""Conversion of JSON values to dataclasses, with checked types."""

from typing import Any, TypeVar

import msgspec

from drkit.errors import InputError

T = TypeVar("T")


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
