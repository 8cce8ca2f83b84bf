"""The program: its commands, and how their results and errors are shown."""

import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial, wraps
from io import TextIOWrapper
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

import drkit
from drkit.catalogue import ATTENTIONS, LOSSES, METHODS
from drkit.cli import (
    attend,
    check,
    console,
    ensemble,
    explain,
    export,
    finetune,
    info,
    plot,
    predict,
    preprocess,
    score,
    submit,
    synth,
)
from drkit.cli.faults import as_refusal
from drkit.cli.options import Json, Quiet, Verbose, split_paths, with_parameters
from drkit.errors import DrkitError, InputError, Interrupted, first_few
from drkit.plugins import Registry
from drkit.progress import reporting_to
from drkit.reporting import Report
from drkit.specs import describe_added

BUG = 70  # exit code of a bug in drkit

app = typer.Typer(
    name="drkit",
    help="Grade diabetic retinopathy (ICDR 0-4) from fundus photographs by transfer learning.",
    epilog="The commands exchange files: data set -> run -> predictions -> submission. To start: drkit synth DeepDRiD",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the program: SIGTERM interrupts it like Ctrl+C, and output that the terminal cannot encode is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # characters that a terminal cannot show are escaped
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its notes on caches and fonts help nobody
    app()


def as_command(function: Callable[..., Any]) -> Callable[..., None]:
    """Turn a function that returns a report into a command, with `--json`, `-q` and `-v`."""

    @wraps(function)
    def command(*, json: bool, quiet: bool, verbose: bool, **given: Any) -> None:
        with reporting_to(console.ConsoleReporter(quiet=quiet)):
            report = _run(partial(function, **given), verbose=verbose)
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
        raise typer.Exit(_tell(error, verbose=verbose)) from None


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
        raise typer.Exit(_tell(InputError(f"the result cannot be written: {error.strerror}"))) from None
    except Exception as error:
        raise typer.Exit(_tell(error)) from None


def _tell(error: Exception, *, verbose: bool = False) -> int:
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
            owners = _owners(ctx.find_root().command, getattr(error, "option_name", None))
            if owners:
                error.message += f": it is an option of {first_few(owners, 3)}"  # type: ignore[attr-defined]
                error.possibilities = None  # type: ignore[attr-defined]
            raise


def _owners(group: Any, option: str | None, path: str = "drkit") -> list[str]:
    """The commands that have an option, as they are typed."""
    found = []
    for name, command in group.commands.items():
        typed = f"{path} {name}"
        if hasattr(command, "commands"):
            found += _owners(command, option, typed)
        elif any(option in parameter.opts for parameter in command.params):
            found.append(typed)
    return found


def register(group: typer.Typer, module: ModuleType, name: str) -> None:
    """Register the function `name` of a module as a command of `group`, with its examples below the help."""
    examples = module.EXAMPLES[name] if isinstance(module.EXAMPLES, dict) else module.EXAMPLES
    epilog = "Examples:\n\n" + "\n\n".join(examples)
    function = getattr(module, name)
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)  # the terminal's width breaks the lines
    group.command(name, cls=Command, help=text, epilog=epilog)(as_command(function))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"drkit {drkit.__version__}")
        raise typer.Exit


@app.callback()
def drkit_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Grade diabetic retinopathy (ICDR 0-4) from fundus photographs by transfer learning."""
    _drop_empty_paths()


def _drop_empty_paths() -> None:
    """Remove empty paths from DRKIT_DATA, which would mean the current folder."""
    if named := os.environ.get("DRKIT_DATA"):
        os.environ["DRKIT_DATA"] = os.pathsep.join(map(str, split_paths(named)))


for module in (synth, check, preprocess, finetune, attend, predict, score, explain, export, submit, info):
    register(app, module, module.__name__.rpartition(".")[2])

plots = typer.Typer(help="Draw pictures of runs and data sets, and write an HTML report.", no_args_is_help=True)
for name in plot.EXAMPLES:
    register(plots, plot, name)
app.add_typer(plots, name="plot")

ensembles = typer.Typer(
    help="Combine predictions of the same photographs, and score them on patients not fitted on.", no_args_is_help=True
)
for name in ensemble.EXAMPLES:
    register(ensembles, ensemble, name)
app.add_typer(ensembles, name="ensemble")
