"""Options that several commands share, and the helper that turns a config into options."""

import inspect
import os
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from drkit.cli import console
from drkit.errors import DrkitError, did_you_mean
from drkit.reporting import Table

Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object on stdout.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors, and what --json gives.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of a refusal, too.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed.")]
Data = Annotated[
    list[Path],
    typer.Option(help="A data set in any known layout; --data A --data B joins several.", envvar="DRKIT_DATA"),
]
DEFAULT_DATA = [Path("DeepDRiD")]
Name = Annotated[
    str | None,
    typer.Option(help="Of the run: letters, digits, '-', '_'. Made of backbone, unit and target by default."),
]
RunsDir = Annotated[Path, typer.Option(help="Folder of the runs.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run of this name.")]
PreviewAugmentation = Annotated[
    Path | None, typer.Option(help="Only draw what --augment makes of a few photographs, into this picture.")
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Leave photographs out that cannot be read, and name them.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check data set and options, print the plan, write nothing.")]


def split_paths(joined: str) -> list[Path]:
    """The paths in an environment variable, with the platform's separator between them."""
    return [Path(path) for path in joined.split(os.pathsep) if path]


def _list_backbones(pattern: str | None) -> None:
    if pattern is None:
        return
    from drkit.models.listing import list_backbones

    try:
        console.show(BackboneList(tuple(list_backbones(pattern))), as_object=False)
    except DrkitError as error:
        console.refuse(error)
        raise typer.Exit(error.exit_code) from None
    raise typer.Exit


@dataclass(frozen=True)
class BackboneList:
    """What `--list-backbones` shows.

    Args:
        entries: `drkit.models.listing.BackboneEntry`, by name.
    """

    entries: tuple[Any, ...]

    def render(self) -> Iterator[str | Table]:
        """A row a backbone."""
        rows = [
            (
                entry.name,
                "" if entry.parameters is None else f"{entry.parameters:.1f} M",
                "" if entry.side is None else f"{entry.side} px",
                entry.weights or "",
            )
            for entry in self.entries
        ]
        yield Table("backbones", ("backbone", "parameters", "input", "weights at hand"), rows)


ListBackbones = Annotated[
    str | None,
    typer.Option(
        callback=_list_backbones,
        is_eager=True,
        metavar="PATTERN",
        help="List the backbones that match, as in 'eff*': parameters, input size, whether weights are at hand.",
    ),
]


def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each field of its dataclass parameters.

    The fields carry `Annotated[type, typer.Option(...)]` and their defaults; so an option stands once, in the config.
    """
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    configs = {name: hints[name] for name in signature.parameters if is_dataclass(hints[name])}

    @wraps(function)
    def command(**given: Any) -> Any:
        for name, config in configs.items():
            given[name] = config(**{field.name: given.pop(field.name) for field in fields(config)})
        return function(**given)

    parameters = [
        option
        for name, parameter in signature.parameters.items()
        for option in (_options(configs[name]) if name in configs else [parameter])
    ]
    return with_parameters(command, parameters, returns=signature.return_annotation)


def with_parameters(
    command: Callable[..., Any], parameters: list[inspect.Parameter], returns: Any
) -> Callable[..., Any]:
    """Let `command` show `parameters` as its signature, all by keyword."""
    shown = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=_with_hint(parameter.annotation))
        for parameter in parameters
    ]
    command.__signature__ = inspect.Signature(shown, return_annotation=returns)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return command


def _with_hint(annotation: Any) -> Any:
    """The annotation of an option; one with a few words to choose from names the nearest of them on a mistake."""
    words = _words(annotation)
    if not words:
        return annotation
    kind, option = get_args(annotation)
    told = copy(option)
    told.parser, told.metavar = partial(_choose, words), option.metavar or f"<{'|'.join(words)}>"
    told.autocompletion = lambda incomplete: [word for word in words if word.startswith(incomplete)]
    return Annotated[kind, told]


def _words(annotation: Any) -> tuple[str, ...]:
    """What an option of the type `Literal[...]`, or that or None, can be; else nothing."""
    if get_origin(annotation) is not Annotated:
        return ()
    kind = get_args(annotation)[0]
    return next((get_args(part) for part in (kind, *get_args(kind)) if get_origin(part) is Literal), ())


def _choose(words: tuple[str, ...], word: str) -> str:
    if word not in words:
        raise typer.BadParameter(f"'{word}': {did_you_mean(word, words)}")
    return word


def _options(config: type) -> list[inspect.Parameter]:
    hints = get_type_hints(config, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name]
        )
        for field in fields(config)
    ]


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default
