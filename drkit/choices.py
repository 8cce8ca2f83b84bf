"""A name with parameters, as it is typed: `clahe:clip=2:tiles=8`, `cross-entropy:smoothing=0.7`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from drkit.catalogue import Catalogue, Entry, Parameter, find
from drkit.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Choice:
    """A name of a catalogue with its parameters, all of them.

    Args:
        name: In the catalogue.
        parameters: Names and values, in the order of the catalogue.
    """

    name: str
    parameters: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        """As it is typed: `clahe:clip=2:tiles=8`."""
        return ":".join([self.name, *(f"{name}={as_text(value)}" for name, value in self.parameters)])


def parse_choice(catalogue: Catalogue, kind: str, text: str) -> Choice:
    """Read `clahe:clip=2:tiles=8`: a name, and a colon before each parameter; those not typed take their defaults.

    Args:
        catalogue: What can be chosen.
        kind: What a name of it is called in messages.
        text: As typed.

    Raises:
        UsageError: an unknown name or parameter (the near ones are named), or a value that is no number in its range.
    """
    name, *settings = (part.strip() for part in text.split(":"))
    known, where = find(catalogue, kind, name).parameters, f"{kind} {name}"
    given: dict[str, float] = {}
    for setting in settings:
        parameter, value = _parse_setting(where, setting, known)
        if parameter in given:
            raise UsageError(f"{where}: {parameter} stands twice")
        given[parameter] = value
    return Choice(name, tuple((parameter, given.get(parameter, known[parameter].default)) for parameter in known))


def parse_choices(catalogue: Catalogue, kind: str, text: str) -> tuple[Choice, ...]:
    """Read `se:reduction=8,spatial`: choices in order, commas between; see `parse_choice`.

    Raises:
        UsageError: nothing between two commas, or what `parse_choice` refuses.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(
            f"'{text}': a name is missing: expected one or more {kind}s, commas between, of {', '.join(catalogue)}"
        )
    return tuple(parse_choice(catalogue, kind, word) for word in words)


def list_choices(catalogue: Catalogue) -> str:
    """One text for a help: every name with its summary and its parameters' defaults and meanings."""
    return "; ".join(f"{name}: {entry.summary}{_list_parameters(entry)}" for name, entry in catalogue.items())


def as_text(value: float) -> str:
    """A parameter's value as it is typed, whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _list_parameters(entry: Entry) -> str:
    listed = [f":{name}={as_text(item.default)} {item.meaning}" for name, item in entry.parameters.items()]
    return f" ({', '.join(listed)})" if listed else ""


def _parse_setting(where: str, setting: str, known: Mapping[str, Parameter]) -> tuple[str, float]:
    name, sign, text = (part.strip() for part in setting.partition("="))
    if name not in known:
        hint = did_you_mean(name, known) if known else "it takes none"
        raise UsageError(f"{where}: unknown parameter '{name}': {hint}")
    if not sign:
        example = f"{where.split()[-1]}:{name}={as_text(known[name].default)}"
        raise UsageError(f"{where}: {name} lacks its value: write {example}")
    return name, _parse_value(where, name, text, known[name])


def _parse_value(where: str, name: str, text: str, parameter: Parameter) -> float:
    kind = "whole number" if parameter.is_whole else "number"
    expected = f"a {kind} from {as_text(parameter.low)} to {as_text(parameter.high)}"
    try:
        value = int(text) if parameter.is_whole else float(text)
    except ValueError:
        value = math.nan
    if not parameter.low <= value <= parameter.high:
        raise UsageError(f"{where}: {name}={text}: {expected} was expected ({parameter.meaning})")
    return value
