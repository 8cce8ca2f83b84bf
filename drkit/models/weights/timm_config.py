"""The `config.json` of a timm repository: which network its weights are of, and what that network is fed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import timm
from timm.models import PretrainedCfg

from drkit.data.rendering import InputFormat
from drkit.errors import InputError
from drkit.models.networks import with_options
from drkit.models.weights.repository import MissingFileError, Repository
from drkit.models.weights.state_dict import timm_shapes

CONFIG_FILE = "config.json"
DECIDED_HERE = frozenset({"img_size", "num_classes", "in_chans", "drop_rate", "pretrained"})  # by drkit's own options


class NoTimmConfigError(InputError):
    """A repository without a configuration of timm's: its weights may still be read."""


@dataclass(frozen=True)
class TimmConfig:
    """What a repository says of its network.

    Args:
        backbone: timm's name, with the options it was built with.
        input_format: Side, mean and deviation that it was trained with.
    """

    backbone: str
    input_format: InputFormat


def read_timm_config(repository: Repository) -> TimmConfig:
    """Read the configuration that timm keeps beside weights.

    Both of timm's forms are read: `pretrained_cfg` within the file, and the file that is one itself (before 2023).

    Raises:
        NoTimmConfigError: no `config.json`, or another library's.
        InputError: one that timm cannot build, or a repository that cannot be read.
    """
    content = _read_json(repository)
    architecture = content.get("architecture")
    if not isinstance(architecture, str):
        kind = content.get("model_type", "")
        raise NoTimmConfigError(
            f"{repository}: its {CONFIG_FILE} is {kind or 'another library'}'s and not timm's: name timm's network with"
            f" --backbone, and the weights with --weights {repository}"
        )
    if not timm.is_model(architecture):
        raise InputError(f"{repository} holds a {architecture}, which timm {timm.__version__} does not know: update it")
    try:
        told, options = content.get("pretrained_cfg", content), dict(content.get("model_args") or {})
        config = PretrainedCfg(**{item.name: told[item.name] for item in fields(PretrainedCfg) if item.name in told})
        # The side the network was built for, if it is stated; otherwise the one its weights were trained at.
        size = options.get("img_size") or config.input_size
        input_format = InputFormat(
            int(size[-1] if isinstance(size, Sequence) else size), _three(config.mean), _three(config.std)
        )
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise InputError(f"{repository}: its {CONFIG_FILE} is not what timm writes: {error}") from None
    return TimmConfig(with_options(architecture, _essential(architecture, options)), input_format)


def _essential(architecture: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that make another network: a pool that keeps the same tensors is not one, drkit has its own."""
    kept = {key: value for key, value in options.items() if key not in DECIDED_HERE}
    if "global_pool" in kept:
        pooled = with_options(architecture, {"global_pool": kept["global_pool"]})
        if timm_shapes(pooled).keys() == timm_shapes(architecture).keys():
            del kept["global_pool"]
    return kept


def _read_json(repository: Repository) -> Mapping[str, Any]:
    try:
        content = json.loads(repository.fetch(CONFIG_FILE).read_text(encoding="utf-8"))
    except MissingFileError:
        raise NoTimmConfigError(
            f"{repository} has no {CONFIG_FILE}, which would say what network it holds: name timm's network with"
            f" --backbone, and the weights with --weights {repository}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{repository}: its {CONFIG_FILE} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{repository}: its {CONFIG_FILE} is not what timm writes: an object was expected")
    return content


def _three(channels: float | Sequence[float]) -> tuple[float, float, float]:
    """A value for each channel; one that stands alone, or is a grey network's, holds for all."""
    values = [float(value) for value in channels] if isinstance(channels, Sequence) else [float(channels)]
    red, green, blue = values if len(values) == 3 else values * 3
    return red, green, blue
