"""Messages and progress bars of running work: silent unless a reporter is set (the console sets one)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Reporter(Protocol):
    """Receives messages and progress; `drkit.cli.console` has the one that prints."""

    def notify(self, message: str) -> None:
        """Report a finished step."""

    def warn(self, message: str) -> None:
        """Report something that the user should know, although the work continues."""

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Yield the items and show how many of `total` are done."""


class SilentReporter:
    """Discards all messages: the default when drkit is used as a library."""

    def notify(self, message: str) -> None:
        """Discard the message."""

    def warn(self, message: str) -> None:
        """Discard the message."""

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Yield the items."""
        yield from items


_reporter: ContextVar[Reporter] = ContextVar("reporter", default=SilentReporter())  # noqa: B039 - it has no state
_sent_once: ContextVar[set[str] | None] = ContextVar("sent_once", default=None)


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Send all messages of the block to `reporter`."""
    token, sent = _reporter.set(reporter), _sent_once.set(set())
    try:
        yield
    finally:
        _reporter.reset(token)
        _sent_once.reset(sent)


def notify(message: str) -> None:
    """Report a finished step."""
    _reporter.get().notify(message)


def warn(message: str) -> None:
    """Report something that the user should know, although the work continues."""
    _reporter.get().warn(message)


def notify_once(message: str) -> None:
    """Report like `notify`, but at most once per reporter."""
    if _is_new(message):
        notify(message)


def warn_once(message: str) -> None:
    """Warn like `warn`, but at most once per reporter."""
    if _is_new(message):
        warn(message)


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Iterate over `items` while the reporter shows how many of `total` are done."""
    return _reporter.get().track(items, description, total)


def _is_new(message: str) -> bool:
    sent = _sent_once.get()
    if sent is None or message in sent:
        return False
    sent.add(message)
    return True
