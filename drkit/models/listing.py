"""Which backbones there are, how large they are, and whose weights are at hand without a network."""

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
COUNTED_AT_ONCE = 12  # models that the table of parameters lacks, counted while the user waits
PARAMETERS_PATH = Path(__file__).with_name("parameters.csv")  # counted from timm 1.0.31, see docs/weights.md


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone that can be asked for.

    Args:
        name: timm's, or the course's.
        parameters: In millions, of timm's whole network with its ImageNet classifier; None: not known quickly.
        side: Of the images it was trained on, in pixels; None for networks that were never pretrained.
        weights: Where its ImageNet weights are on this machine: an installed package, or the cache of a hub from an
            earlier download; None: nowhere.
    """

    name: str
    parameters: float | None
    side: int | None
    weights: Literal["package", "cache"] | None


def list_backbones(pattern: str) -> list[BackboneEntry]:
    """The backbones whose name fits a pattern, by name.

    Args:
        pattern: A name with `*` and `?`; timm's names and the course's. With a dot, timm's names with tags.

    Raises:
        UsageError: no name fits; the sentence names near ones.
    """
    shorts = [name for name in SHORT_BACKBONES if fnmatchcase(name, pattern)]
    names = {*shorts, *timm.list_models(pattern, pretrained="." in pattern)}
    if not names:
        raise UsageError(f"no backbone fits '{pattern}': {_hint(pattern)}")
    full = {name: SHORT_BACKBONES.get(name, name) for name in sorted(names)}
    known = known_parameters()
    uncounted = {name for name in map(_architecture, full.values()) if name not in known}
    if len(uncounted) <= COUNTED_AT_ONCE:
        known = {**known, **{name: count_parameters(name) for name in uncounted}}
    return [_describe(short, name, known) for short, name in full.items()]


@cache
def known_parameters() -> Mapping[str, int]:
    """Number of parameters by timm's architecture, from a table that comes with drkit."""
    with PARAMETERS_PATH.open(encoding="utf-8", newline="") as stream:
        return {row["model"]: int(row["parameters"]) for row in csv.DictReader(stream)}


def count_parameters(architecture: str) -> int:
    """Number of parameters of timm's whole network; nothing is allocated, but some networks take a second.

    Args:
        architecture: timm's name without a tag.
    """
    with torch.device("meta"):
        network = timm.create_model(architecture)
    return sum(parameter.numel() for parameter in network.parameters())


def _describe(name: str, full_name: str, known: Mapping[str, int]) -> BackboneEntry:
    count = known.get(_architecture(full_name))
    config = timm.get_pretrained_cfg(full_name, allow_unregistered=True)
    return BackboneEntry(
        name=name,
        parameters=None if count is None else round(count / MILLION, 2),
        side=config.input_size[-1] if config else None,
        weights=weights_at_hand(full_name),
    )


def _architecture(full_name: str) -> str:
    return full_name.partition(".")[0]


def _hint(pattern: str) -> str:
    begins_so = timm.list_models(f"{pattern}*") if pattern.strip("*?") else []
    if begins_so:
        return f"{len(begins_so)} names begin so, ask for '{pattern}*'"
    return did_you_mean(pattern.replace("*", ""), dict.fromkeys([*SHORT_BACKBONES, *timm.list_models()]))
