"""A command: a function that returns a report, with its help, and how its result and its errors are shown."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperCommand

from drkit.catalogue import ATTENTIONS, LOSSES, METHODS
from drkit.cli import console
from drkit.cli.faults import as_refusal
from drkit.cli.options import Json, Quiet, Verbose, with_parameters
from drkit.errors import DrkitError, InputError, Interrupted, first_few
from drkit.plugins import Registry
from drkit.progress import reporting_to
from drkit.reporting import Report
from drkit.specs import describe_added

BUG = 70  # exit code of a bug in drkit


def build_command(module: ModuleType, name: str, summary: str) -> Any:
    """Build a command from the function `name` of a module, or a group from the functions that its examples name."""
    is_group = isinstance(module.EXAMPLES, dict)
    program = typer.Typer(name=name, help=summary, no_args_is_help=is_group, add_completion=False)
    for each, examples in module.EXAMPLES.items() if is_group else [(name, module.EXAMPLES)]:
        function = getattr(module, each)
        paragraphs = (inspect.getdoc(function) or "").split("\n\n")
        text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)  # wrapped for the terminal later
        epilog = "\n\n".join(["Examples:", *examples])
        program.command(each, cls=Command, help=text, epilog=epilog)(as_command(function))
    return typer.main.get_command(program)


def as_command(function: Callable[..., Any]) -> Callable[..., None]:
    """Turn a function that returns a report into a command, with `--json`, `-q` and `-v`."""

    @wraps(function)
    def command(*, json: bool, quiet: bool, verbose: bool, **arguments: Any) -> None:
        with reporting_to(console.ConsoleReporter(quiet=quiet)):
            report = _run(partial(function, **arguments), verbose=verbose)
        if json or not quiet:
            _show(report, as_object=json)
        raise typer.Exit(getattr(report, "exit_code", 0))

    signature = inspect.signature(function, eval_str=True)
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in (("json", Json), ("quiet", Quiet), ("verbose", Verbose))
    ]
    return with_parameters(command, [*signature.parameters.values(), *shared], returns=None)


def _run(work: Callable[[], Report], *, verbose: bool) -> Report:
    """The report of a command.

    Raises:
        Exit: the command failed or was interrupted, which has been shown.
    """
    try:
        return work()
    except KeyboardInterrupt:
        console.refuse(Interrupted("interrupted"))
        raise typer.Exit(Interrupted.exit_code) from None
    except (BrokenPipeError, SystemExit):  # stderr has been closed; rich exits on a closed pipe
        _drop(sys.stderr)
        raise typer.Exit(Interrupted.exit_code) from None
    except Exception as error:
        raise typer.Exit(_show_error(error, verbose=verbose)) from None


def _show(report: Report, *, as_object: bool) -> None:
    """Print a report; a closed pipe is no error.

    Raises:
        Exit: it cannot be written.
    """
    try:
        console.show(report, as_object=as_object)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        raise typer.Exit(_show_error(InputError(f"the result cannot be written: {error.strerror}"))) from None
    except Exception as error:
        raise typer.Exit(_show_error(error)) from None


def _show_error(error: Exception, *, verbose: bool = False) -> int:
    """Show an error in one line, or the traceback of a bug; returns the exit code."""
    refusal = error if isinstance(error, DrkitError) else as_refusal(error)
    if refusal is None:
        console.show_bug()
        return BUG
    if verbose:
        console.show_traceback()
    console.refuse(refusal)
    return refusal.exit_code


def _drop(stream: Any) -> None:
    """Discard everything that is still written to a stream, including the interpreter's last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


# Parameters whose help lists a catalogue that packages may add to.
EXTENSIBLE: Mapping[str, Registry[Any]] = {
    "loss": LOSSES, "attention_blocks": ATTENTIONS, "of": METHODS, "spec": METHODS
}  # fmt: skip


class Command(TyperCommand):
    """A command that lists what packages add, and knows which of its neighbours has an option that it lacks."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with what installed packages add to the catalogues."""
        for parameter in self.params:
            registry = EXTENSIBLE.get(str(parameter.name))
            if registry and (added := describe_added(registry)):
                listed = parameter.help.rstrip(".")  # type: ignore[attr-defined]
                parameter.help = f"{listed}. From installed packages: {added}."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line.

        Raises:
            NoSuchOption: with the commands that have the option.
        """
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option, program = getattr(error, "option_name", None), ctx.find_root().command
            owners = [
                f"drkit {name}"
                for name, command in program.load_all()
                if any(option in parameter.opts for parameter in command.params)
            ]
            if owners:
                error.message += f": it is an option of {first_few(owners, 3)}"  # type: ignore[attr-defined]
                error.possibilities = None  # type: ignore[attr-defined]
            raise
