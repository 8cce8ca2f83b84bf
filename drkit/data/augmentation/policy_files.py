"""Augmentation policies by name or from a TOML file."""

import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from drkit.catalogue import POLICIES, find
from drkit.data.augmentation.policy import LIMITS, Policy
from drkit.errors import InputError, UsageError, did_you_mean

KEYS = tuple(field.name for field in fields(Policy))


def load_policy(spec: str) -> Policy:
    """Return the policy with a given name, or read it from a file.

    A file holds keys of `Policy`. Keys that are missing have the value of the policy that `base` names (default: none).

    Args:
        spec: Name of a policy in the catalogue, or path of a file that ends in .toml.

    Raises:
        UsageError: unknown name.
        InputError: the file cannot be read, or a key is unknown, has the wrong type or is out of range.
    """
    if not spec.lower().endswith(".toml"):
        return _find(spec)
    path = Path(spec)
    settings = _read(path)
    name = settings.pop("base", "none")
    if not isinstance(name, str) or name not in POLICIES:
        hint = did_you_mean(name, POLICIES) if isinstance(name, str) else f"expected one of {', '.join(POLICIES)}"
        raise InputError(f"{path} base: {name!r} is not a policy of drkit: {hint}")
    base = load_policy(name)
    policy = replace(base, **{key: _checked(path, key, value) for key, value in settings.items()})
    _check_gain(path, policy)
    return policy


def policy_record(policy: Policy) -> dict[str, Any]:
    """Return the values of all keys, for the record of a run."""
    return asdict(policy)


def describe_policy(policy: Policy) -> str:
    """Describe in one line what a policy changes: `turn=15 flip brightness=0.1`, or `nothing`."""
    unchanged, words = asdict(Policy()), []
    for key, value in asdict(policy).items():
        if value != unchanged[key]:
            words.append(key if value is True else f"{key}={value:.4g}")
    return " ".join(words) or "nothing"


def _find(name: str) -> Policy:
    try:
        policy: Policy = find(POLICIES, "augmentation policy", name).load()
    except UsageError as error:
        raise UsageError(f"{error} To use your own policy, give a file that ends in .toml") from None
    return policy


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: save the policy as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None


def _checked(path: Path, key: str, value: object) -> Any:
    """Return the value if it is valid for `key`."""
    if key not in KEYS:
        raise InputError(f"{path} {key}: unknown key, {did_you_mean(key, [*KEYS, 'base'])}")
    if key not in LIMITS:
        if not isinstance(value, bool):
            raise InputError(f"{path} {key}: {value!r} is not valid: expected true or false")
        return value
    low, high = LIMITS[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{path} {key}: {value!r} is not valid: expected a number from {low:g} to {high:g}")
    return float(value)


def _check_gain(path: Path, policy: Policy) -> None:
    if policy.brightness > policy.brightness_middle:
        raise InputError(
            f"{path} brightness: {policy.brightness:g} is larger than brightness_middle ({policy.brightness_middle:g}),"
            " so that photographs could be inverted: expected at most brightness_middle"
        )
