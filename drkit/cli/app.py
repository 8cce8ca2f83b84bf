"""The program: its commands by name, each of which is imported when it is run."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import drkit

# What each command does, as its help begins: the list of commands imports none of them.
COMMANDS = {
    "synth": "Make a data set of synthetic fundus photographs whose lesions match their grades.",
    "check": "Find what would spoil results: duplicates, leaks, contradicting grades, broken photographs and tables.",
    "preprocess": "Crop, normalise and sharpen photographs with any sequence of steps.",
    "finetune": "Fine-tune a pretrained backbone to grade diabetic retinopathy.",
    "attend": "Fine-tune with attention blocks between backbone and pooling, and measure what they change.",
    "predict": "Grade photographs with a finished run, with or without known reference grades.",
    "score": "Measure agreement of predictions with the reference grades, and compare runs with each other.",
    "explain": "Map the evidence for a grade (orange) and against it (blue), and measure how faithful the maps are.",
    "export": "Write a finished run as an ONNX file or as a folder that timm loads.",
    "submit": "Write a submission from predictions, and check it against the competition's sample.",
    "info": "Show versions, devices, memory, caches and local weights, for a bug report.",
    "plot": "Draw pictures of runs and data sets, and write an HTML report.",
    "ensemble": "Combine predictions of the same photographs, and score them on held-out patients.",
}


def main() -> None:
    """Run the program: SIGTERM interrupts it like Ctrl+C, and output that the terminal cannot encode is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its messages on caches and fonts
    app()


class LazyGroup(TyperGroup):
    """The commands of `COMMANDS`, each of which is imported when it is run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of a command, the command, and its arguments.

        Raises:
            UsageError: no such command.
        """
        name, listed, arguments = super().resolve_command(ctx, args)
        return name, listed and load_command(str(name)), arguments

    def load_all(self) -> Iterator[tuple[str, Any]]:
        """Import all commands, each with its name as it is typed, such as `plot curves`."""
        for name in self.commands:
            command = load_command(name)
            if isinstance(command, TyperGroup):
                yield from ((f"{name} {each}", member) for each, member in command.commands.items())
            else:
                yield name, command


def load_command(name: str) -> Any:
    """Import a command or a group of commands: the module of this name in `drkit.cli`."""
    from drkit.cli.command import build_command

    return build_command(import_module(f"drkit.cli.{name}"), name, COMMANDS[name])


app = typer.Typer(
    name="drkit",
    cls=LazyGroup,
    help="Grade diabetic retinopathy (ICDR 0-4) from fundus photographs by transfer learning.",
    epilog="The commands exchange files: data set -> run -> predictions -> submission. To start: drkit synth DeepDRiD",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_given: bool) -> None:
    if is_given:
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
    if paths := os.environ.get("DRKIT_DATA"):  # an empty path in it would mean the current folder
        os.environ["DRKIT_DATA"] = os.pathsep.join(path for path in paths.split(os.pathsep) if path)


for name, summary in COMMANDS.items():
    app.command(name, help=summary)(lambda: None)  # only to be listed
