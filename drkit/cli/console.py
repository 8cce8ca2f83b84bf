"""The only module that prints: results on stdout, messages and progress on stderr."""

import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from drkit.errors import DrkitError, Interrupted, readable
from drkit.reporting import Report, Table, as_json

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

PLAIN_WIDTH = 200  # columns of a table that goes to a file or a pipe, unless COLUMNS says otherwise
NOTEBOOK_VARIABLES = ("JPY_PARENT_PID", "KAGGLE_KERNEL_RUN_TYPE", "COLAB_RELEASE_TAG")
PLAIN_INTERVAL = 10.0  # seconds between progress lines where there is no terminal


def show(report: Report, *, as_object: bool) -> None:
    """Print a report on stdout: as one JSON object, or as sentences and tables."""
    if as_object:
        print(json.dumps(as_json(report), allow_nan=False))
        return
    console = _console(stderr=False)
    for part in report.render():
        if isinstance(part, Table):
            _show_table(console, part)
        else:
            _print(console, part)


def refuse(error: DrkitError) -> None:
    """Print an error as one line on stderr, and after an interruption the command that resumes."""
    console = _console(stderr=True)
    if isinstance(error, Interrupted):
        _print(console, f"drkit: {error}", style="yellow")
        if error.resume_options:
            _print(console, f"resume with: {_with_options(error.resume_options)}")
    else:
        _print(console, f"drkit: error: {' '.join(str(error).split())}", style="red")
        if error.table:
            _show_table(console, error.table)


def show_traceback() -> None:
    """Print the traceback of the current error on stderr."""
    traceback.print_exc(file=sys.stderr)


def show_bug() -> None:
    """Print the traceback of a bug, and where to report it, on stderr."""
    show_traceback()
    advice = "please report it to the project's issue tracker, with the command and the lines above"
    _print(_console(stderr=True), f"drkit: this is a bug in drkit: {advice}", style="red")


class ConsoleReporter:
    """Prints messages and progress on stderr.

    Args:
        quiet: Print only warnings.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.console = _console(stderr=True)
        self.quiet = quiet

    def notify(self, message: str) -> None:
        """Print a finished step, unless quiet."""
        if not self.quiet:
            _print(self.console, message)

    def warn(self, message: str) -> None:
        """Print a warning."""
        _print(self.console, f"drkit: warning: {message}", style="yellow")

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Show a progress bar on a terminal, and a line every ten seconds elsewhere and in notebooks."""
        if self.quiet:
            return iter(items)
        is_redrawn = self.console.is_terminal and not in_notebook()
        return self._bar(items, description, total) if is_redrawn else self._lines(items, description, total)

    def _bar(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        rate_column = TextColumn("{task.fields[rate]}")
        with Progress(*columns, rate_column, console=self.console, transient=True) as progress:
            task = progress.add_task(description, total=total, rate="")
            started = time.monotonic()
            for done, item in enumerate(items, start=1):
                yield item
                progress.update(task, advance=1, rate=f"{done / (time.monotonic() - started):.1f}/s")

    def _lines(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        started = printed = time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            now = time.monotonic()
            if now - printed >= PLAIN_INTERVAL and done < total:
                printed, rate = now, done / (now - started)
                self.notify(f"{description}: {done}/{total}, {rate:.1f}/s, {(total - done) / rate:.0f} s left")


def in_notebook() -> bool:
    """Whether the command runs in a notebook, which keeps every redrawing of a progress bar as output."""
    return any(name in os.environ for name in NOTEBOOK_VARIABLES)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    has_width = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()  # which Rich reads by itself
    return console if has_width else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)


def _print(console: "Console", sentence: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(readable(sentence), style=style), soft_wrap=True)  # as Text, `[left]` is no markup


def _show_table(console: "Console", table: Table) -> None:
    from drkit.cli.tables import lay_out

    for part in lay_out(table, console.width):
        console.print(part)


def _with_options(options: Iterable[str]) -> str:
    """The command line as typed, with those of the options that it lacks."""
    import shlex

    typed, added = sys.argv[1:], list(options)
    if "--name" in typed and added[:1] == ["--name"]:
        added = added[2:]
    return shlex.join(["drkit", *typed, *(option for option in added if option not in typed)])
