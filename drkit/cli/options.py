"""Options that decide what a command does, and the helper that turns a config into options."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from drkit.cli import console
from drkit.errors import DrkitError, did_you_mean
from drkit.reporting import Table

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on stdout.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only warnings and errors (and the object of --json).")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print the traceback of an error.")]
PreviewAugmentation = Annotated[
    Path | None,
    typer.Option(help="Do not train: draw how --augment changes a few photographs, into this picture."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check the data and the options, print the plan, and write nothing.")
]


NO_DEFAULT = inspect.Parameter.empty


@dataclass(frozen=True)
class Only:
    """Marks a parameter's config in `Annotated`: the command has options for these fields alone, in this order.

    Args:
        names: The fields; the others keep the config's defaults.
        defaults: Default values that differ from the config's, by field.
    """

    names: tuple[str, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)


def split_paths(joined: str) -> list[Path]:
    """Split the paths in an environment variable at the platform's separator."""
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
    """The table that `--list-backbones` prints.

    Args:
        entries: `drkit.models.listing.BackboneEntry`, by name.
    """

    entries: tuple[Any, ...]

    def render(self) -> Iterator[str | Table]:
        """Return a table with one row per backbone."""
        rows = [
            (
                entry.name,
                "" if entry.parameters is None else f"{entry.parameters:.1f} M",
                "" if entry.side is None else f"{entry.side} px",
                entry.weights or "",
            )
            for entry in self.entries
        ]
        yield Table("Backbones", ("backbone", "parameters", "input", "local weights"), rows)


ListBackbones = Annotated[
    str | None,
    typer.Option(
        callback=_list_backbones,
        is_eager=True,
        metavar="PATTERN",
        help="List the backbones that match a pattern such as 'eff*', with parameters, input size and local weights.",
    ),
]


def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each field of its dataclass parameters.

    The fields carry `Annotated[type, typer.Option(...)]` and their defaults, so that each option is defined once, in
    the config. `Annotated[Config, Only(...)]` selects some of them.
    """
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    configs = {name: spec for name in signature.parameters if (spec := _config(hints[name]))}

    parameters = [
        option
        for name, parameter in signature.parameters.items()
        for option in (configs[name][1] if name in configs else [parameter])
    ]

    @wraps(function)
    def command(**values: Any) -> Any:
        for name, (config, options) in configs.items():
            settings = {option.name: values.pop(option.name, option.default) for option in options}
            values[name] = config(**{key: value for key, value in settings.items() if value is not NO_DEFAULT})
        return function(**values)

    return with_parameters(command, parameters, returns=signature.return_annotation)


def _config(hint: Any) -> tuple[type, list[inspect.Parameter]] | None:
    """A config and its options; None for the type of any other parameter."""
    config, only = (hint, None) if get_origin(hint) is not Annotated else get_args(hint)
    if not is_dataclass(config) or not isinstance(config, type):
        return None
    options = {option.name: option for option in _options(config)}
    if not isinstance(only, Only):
        return config, list(options.values())
    return config, [
        options[name].replace(default=only.defaults.get(name, options[name].default)) for name in only.names
    ]


def with_parameters(
    command: Callable[..., Any], parameters: list[inspect.Parameter], returns: Any
) -> Callable[..., Any]:
    """Give `command` the signature `parameters`, all by keyword."""
    keywords = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=_with_hint(parameter.annotation))
        for parameter in parameters
    ]
    command.__signature__ = inspect.Signature(keywords, return_annotation=returns)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
    return command


def _with_hint(annotation: Any) -> Any:
    """The annotation of an option; one of type `Literal` completes its words, and suggests the nearest on a mistake."""
    words = _words(annotation)
    if not words:
        return annotation
    kind, option = get_args(annotation)
    option = copy(option)
    option.parser, option.metavar = partial(_choose, words), option.metavar or f"<{'|'.join(words)}>"
    option.autocompletion = lambda incomplete: [word for word in words if word.startswith(incomplete)]
    return Annotated[kind, option]


def _words(annotation: Any) -> tuple[str, ...]:
    """The words of an option of type `Literal[...]` or `Literal[...] | None`; empty for other types."""
    if get_origin(annotation) is not Annotated:
        return ()
    kind = get_args(annotation)[0]
    return next((get_args(part) for part in (kind, *get_args(kind)) if get_origin(part) is Literal), ())


def _choose(words: tuple[str, ...], word: str) -> str:
    if word not in words:
        raise typer.BadParameter(f"'{word}': {did_you_mean(word, words)}")
    return word


def _options(config: type) -> list[inspect.Parameter]:
    """A keyword-only parameter for each field of a dataclass."""
    hints = get_type_hints(config, include_extras=True)
    options = []
    for each in fields(config):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        option = inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[each.name])
        options.append(option if default is MISSING else option.replace(default=default))
    return options
