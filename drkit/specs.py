"""Specs: a name with parameters, as typed on the command line: `clahe:clip=2:tiles=8`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drkit.catalogue import Catalogue, Entry, Parameter, find
from drkit.errors import DrkitError, UsageError, did_you_mean
from drkit.plugins import Registry


@dataclass(frozen=True)
class Spec:
    """A catalogue entry's name with a value for each of its parameters.

    Args:
        name: Key of the catalogue.
        parameters: Name and value of every parameter, in the catalogue's order.
    """

    name: str
    parameters: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        """The spec as typed: `clahe:clip=2:tiles=8`."""
        return ":".join([self.name, *(f"{name}={as_text(value)}" for name, value in self.parameters)])


def parse_spec(catalogue: Catalogue, kind: str, text: str) -> Spec:
    """Parse `clahe:clip=2:tiles=8`: a name and any of its parameters; the others take their defaults.

    Args:
        catalogue: The entries to choose from.
        kind: The word for an entry in messages, such as "filter".
        text: The spec as typed.

    Raises:
        UsageError: an unknown name or parameter (similar ones are suggested), or a value that is not a number in range.
    """
    name, *settings = (part.strip() for part in text.split(":"))
    known, title = find(catalogue, kind, name).parameters, f"{kind} {name}"
    values: dict[str, float] = {}
    for setting in settings:
        parameter, value = _parse_setting(title, setting, known)
        if parameter in values:
            raise UsageError(f"{title}: {parameter} is given twice")
        values[parameter] = value
    return Spec(name, tuple((parameter, values.get(parameter, known[parameter].default)) for parameter in known))


def parse_specs(catalogue: Catalogue, kind: str, text: str) -> tuple[Spec, ...]:
    """Parse a comma-separated list of specs, such as `se:reduction=8,spatial`, in order.

    Raises:
        UsageError: an empty item, or an error of `parse_spec`.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(
            f"'{text}': a name is missing: expected a comma-separated list of {kind}s: {', '.join(catalogue)}"
        )
    return tuple(parse_spec(catalogue, kind, word) for word in words)


def names_in(specs: str) -> list[str]:
    """The names in a comma-separated list of specs, none in an empty one."""
    return [spec.partition(":")[0].strip() for spec in specs.split(",") if spec]


def describe_catalogue(catalogue: Catalogue) -> str:
    """Help text: every name with its summary, and its parameters with defaults and meanings.

    A registry's entries from packages are left out: `describe_added` lists them, which imports the packages.
    """
    own = catalogue.own if isinstance(catalogue, Registry) else catalogue
    return "; ".join(_describe(name, entry) for name, entry in own.items())


def describe_added(registry: Registry[Any]) -> str:
    """Help text as of `describe_catalogue`, for the entries that installed packages add; empty without any."""
    return "; ".join(
        f"{name}: {entry}" if isinstance(entry, DrkitError) else f"{_describe(name, entry)}, of {package}"
        for name, package, entry in registry.added()
    )


def as_text(value: float) -> str:
    """Format a parameter's value; whole numbers have no decimal point."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _describe(name: str, entry: Entry) -> str:
    parameters = [f":{key}={as_text(each.default)} {each.meaning}" for key, each in entry.parameters.items()]
    return f"{name}: {entry.summary}" + (f" ({', '.join(parameters)})" if parameters else "")


def _parse_setting(title: str, setting: str, known: Mapping[str, Parameter]) -> tuple[str, float]:
    name, sign, text = (part.strip() for part in setting.partition("="))
    if name not in known:
        hint = did_you_mean(name, known) if known else "it takes no parameters"
        raise UsageError(f"{title}: unknown parameter '{name}': {hint}")
    if not sign:
        example = f"{title.split()[-1]}:{name}={as_text(known[name].default)}"
        raise UsageError(f"{title}: {name} needs a value: write {example}")
    return name, _parse_value(title, name, text, known[name])


def _parse_value(title: str, name: str, text: str, parameter: Parameter) -> float:
    kind = "whole number" if parameter.is_whole else "number"
    expected = f"a {kind} from {as_text(parameter.low)} to {as_text(parameter.high)}"
    try:
        value = int(text) if parameter.is_whole else float(text)
    except ValueError:
        value = math.nan
    if not parameter.low <= value <= parameter.high:
        raise UsageError(f"{title}: {name}={text}: expected {expected} ({parameter.meaning})")
    return value
