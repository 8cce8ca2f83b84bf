"""The `config.json` of a timm repository, with the network of its weights and that network's input format."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import timm
from timm.models import PretrainedCfg

from drkit.data.rendering import InputFormat
from drkit.errors import InputError
from drkit.models.networks import per_channel, with_options
from drkit.models.weights.repository import MissingFileError, Repository
from drkit.models.weights.state_dict import timm_shapes

CONFIG_FILE = "config.json"
SET_BY_DRKIT = frozenset({"img_size", "num_classes", "in_chans", "drop_rate", "pretrained"})  # options of timm


class NoTimmConfigError(InputError):
    """A repository has no timm configuration; its weights may still be readable."""


@dataclass(frozen=True)
class TimmConfig:
    """The network of a repository.

    Args:
        backbone: timm's name, with the options that the network is built with.
        input_format: Side, mean and standard deviation that the network was trained with.
    """

    backbone: str
    input_format: InputFormat


def read_timm_config(repository: Repository) -> TimmConfig:
    """Read the configuration that timm writes beside weights.

    Both formats of timm are supported: the entry `pretrained_cfg` in the file, and files from before 2023, whose
    content is that entry.

    Raises:
        NoTimmConfigError: there is no `config.json`, or it was written by another library.
        InputError: timm does not know the network, or the repository cannot be read.
    """
    content = _read_json(repository)
    architecture = content.get("architecture")
    if not isinstance(architecture, str):
        kind = content.get("model_type", "")
        raise NoTimmConfigError(
            f"{repository}: its {CONFIG_FILE} is that of {kind or 'another library'}, not of timm: name timm's network"
            f" with --backbone, and the weights with --weights {repository}"
        )
    if not timm.is_model(architecture):
        raise InputError(
            f"{repository} contains weights of {architecture}, which timm {timm.__version__} does not know: update timm"
        )
    try:
        settings, options = content.get("pretrained_cfg", content), dict(content.get("model_args") or {})
        names = [field.name for field in fields(PretrainedCfg) if field.name in settings]
        config = PretrainedCfg(**{name: settings[name] for name in names})
        # The side that the network was built for, if it is stated, otherwise the side of the training images.
        size = options.get("img_size") or config.input_size
        input_format = InputFormat(
            int(size[-1] if isinstance(size, Sequence) else size), per_channel(config.mean), per_channel(config.std)
        )
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise InputError(f"{repository}: its {CONFIG_FILE} is not what timm writes: {error}") from None
    return TimmConfig(with_options(architecture, _relevant_options(architecture, options)), input_format)


def _relevant_options(architecture: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that change the network's tensors; drkit replaces the pool, unless it changes the tensors as well."""
    relevant = {key: value for key, value in options.items() if key not in SET_BY_DRKIT}
    if "global_pool" in relevant:
        pooled = with_options(architecture, {"global_pool": relevant["global_pool"]})
        if timm_shapes(pooled).keys() == timm_shapes(architecture).keys():
            del relevant["global_pool"]
    return relevant


def _read_json(repository: Repository) -> Mapping[str, Any]:
    try:
        content = json.loads(repository.fetch(CONFIG_FILE).read_text(encoding="utf-8"))
    except MissingFileError:
        raise NoTimmConfigError(
            f"{repository} has no {CONFIG_FILE} that names its network: name timm's network with --backbone, and the"
            f" weights with --weights {repository}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{repository}: its {CONFIG_FILE} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{repository}: its {CONFIG_FILE} is not what timm writes: expected a JSON object")
    return content
