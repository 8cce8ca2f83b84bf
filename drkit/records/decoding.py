"""Records as they come out of JSON, checked against the types of the dataclass that they are to become."""

from typing import Any, TypeVar

import msgspec

from drkit.errors import InputError

T = TypeVar("T")


def decode(content: Any, kind: type[T], source: object, remedy: str) -> T:
    """Build a dataclass (or a TypedDict) from JSON values; lists become tuples, keys that it does not have are dropped.

    Args:
        content: What `json.loads` gave.
        kind: The dataclass; its annotations are the types that are expected.
        source: The file, for the message.
        remedy: What to do about a broken file, for the message.

    Raises:
        InputError: a key is missing or a value has another type; the message says which.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{source} is broken: {error}: {remedy}") from None
