"""What the library says while it works: silent unless somebody listens (the console does)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Listener(Protocol):
    """Receives sentences and progress; `drkit.cli.console` holds the one that prints."""

    def say(self, sentence: str) -> None:
        """A step that was taken."""

    def warn(self, sentence: str) -> None:
        """Something the user should know although the work goes on."""

    def track(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        """Yield the items, showing how many of `total` are done."""


class Silence:
    """The listener of a library: nobody."""

    def say(self, sentence: str) -> None:
        """Ignore."""

    def warn(self, sentence: str) -> None:
        """Ignore."""

    def track(self, items: Iterable[T], what: str, total: int) -> Iterator[T]:
        """Only iterate."""
        yield from items


_listener: ContextVar[Listener] = ContextVar("listener", default=Silence())  # noqa: B039 - Silence has no state
_told: ContextVar[set[str] | None] = ContextVar("told", default=None)  # what the listener heard once


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let `listener` hear everything said inside the block."""
    token, told = _listener.set(listener), _told.set(set())
    try:
        yield
    finally:
        _listener.reset(token)
        _told.reset(told)


def say(sentence: str) -> None:
    """Tell of a step that was taken."""
    _listener.get().say(sentence)


def warn(sentence: str) -> None:
    """Tell of something the user should know although the work goes on."""
    _listener.get().warn(sentence)


def say_once(sentence: str) -> None:
    """As `say`, but only the first time that the listener would hear it."""
    if _is_new(sentence):
        say(sentence)


def warn_once(sentence: str) -> None:
    """As `warn`, but only the first time that the listener would hear it."""
    if _is_new(sentence):
        warn(sentence)


def _is_new(sentence: str) -> bool:
    told = _told.get()
    if told is None or sentence in told:
        return False
    told.add(sentence)
    return True


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Iterate over `items` while progress towards `total` is shown."""
    return _listener.get().track(items, what, total)
