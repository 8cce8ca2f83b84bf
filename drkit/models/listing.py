"""List the available backbones, their sizes, and which of their weights are on this machine."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal

import timm
import torch

from drkit.catalogue import SHORT_BACKBONES
from drkit.errors import UsageError, did_you_mean
from drkit.models.backbones import weights_at_hand

MILLION = 1_000_000
MAX_COUNTED = 12  # models that are missing from the table of parameters and are counted while the user waits
PARAMETERS_PATH = Path(__file__).with_name("parameters.csv")  # counted with timm 1.0.31, see docs/weights.md


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone in the list.

    Args:
        name: The course's or timm's name.
        parameters: Number of parameters of timm's network with its ImageNet classifier, in millions; None if counting
            them would take too long.
        side: Side in pixels of the images that the network was trained on; None for networks without weights.
        weights: Where this machine has its ImageNet weights: in an installed package, or in the cache of an earlier
            download; None: nowhere.
    """

    name: str
    parameters: float | None
    side: int | None
    weights: Literal["package", "cache"] | None


def list_backbones(pattern: str) -> list[BackboneEntry]:
    """List the backbones whose name matches a pattern, sorted by name.

    Args:
        pattern: Pattern of the course's or timm's names, with `*` and `?`; if it contains a dot, it is matched with
            timm's names including tags.

    Raises:
        UsageError: no name matches; the message suggests similar names.
    """
    short_names = [name for name in SHORT_BACKBONES if fnmatchcase(name, pattern)]
    names = {*short_names, *timm.list_models(pattern, pretrained="." in pattern)}
    if not names:
        raise UsageError(f"no backbone matches '{pattern}': {_suggest(pattern)}")
    full_names = {name: SHORT_BACKBONES.get(name, name) for name in sorted(names)}
    parameters = known_parameters()
    uncounted = {name for name in map(_architecture, full_names.values()) if name not in parameters}
    if len(uncounted) <= MAX_COUNTED:
        parameters = {**parameters, **{name: count_parameters(name) for name in uncounted}}
    return [_describe(name, full_name, parameters) for name, full_name in full_names.items()]


@cache
def known_parameters() -> Mapping[str, int]:
    """Number of parameters by timm's architecture, from a table that is part of drkit."""
    with PARAMETERS_PATH.open(encoding="utf-8", newline="") as stream:
        return {row["model"]: int(row["parameters"]) for row in csv.DictReader(stream)}


def count_parameters(architecture: str) -> int:
    """Count the parameters of timm's network without allocating them; some networks take a second.

    Args:
        architecture: timm's name without a tag.
    """
    with torch.device("meta"):
        network = timm.create_model(architecture)
    return sum(parameter.numel() for parameter in network.parameters())


def _describe(name: str, full_name: str, parameters: Mapping[str, int]) -> BackboneEntry:
    count = parameters.get(_architecture(full_name))
    config = timm.get_pretrained_cfg(full_name, allow_unregistered=True)
    return BackboneEntry(
        name=name,
        parameters=None if count is None else round(count / MILLION, 2),
        side=config.input_size[-1] if config else None,
        weights=weights_at_hand(full_name),
    )


def _architecture(full_name: str) -> str:
    return full_name.partition(".")[0]


def _suggest(pattern: str) -> str:
    longer_names = timm.list_models(f"{pattern}*") if pattern.strip("*?") else []
    if longer_names:
        return f"{len(longer_names)} names match '{pattern}*'"
    return did_you_mean(pattern.replace("*", ""), dict.fromkeys([*SHORT_BACKBONES, *timm.list_models()]))
