"""timm's networks by a name that can carry options of theirs: `vit_small_patch16_224:global_pool=avg`."""

import json
import re
from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

from drkit.errors import UsageError

OPTION = re.compile(r":(?=[A-Za-z_]\w*=)")  # what stands before an option; values may hold colons of their own


def create_network(backbone: str, *, pretrained: bool = False, **more: Any) -> nn.Module:
    """Build timm's network.

    Args:
        backbone: timm's name, with or without a tag and options.
        pretrained: Start from timm's weights.
        more: Options that are not part of the name, such as `img_size`.
    """
    return timm.create_model(timm_name(backbone), pretrained=pretrained, **(options_of(backbone) | more))


def architecture_of(backbone: str) -> str:
    """The name without the tag of its weights, options kept."""
    return with_options(timm_name(backbone).partition(".")[0], options_of(backbone))


def timm_name(backbone: str) -> str:
    """The name that timm knows, tag included, without options."""
    return OPTION.split(backbone, maxsplit=1)[0]


def options_of(backbone: str) -> dict[str, Any]:
    """What a name says the network is built with beside timm's defaults."""
    settings = (setting.partition("=") for setting in OPTION.split(backbone)[1:])
    return {key: _parse_value(text) for key, _, text in settings}


def with_options(name: str, options: Mapping[str, Any]) -> str:
    """The name of a network that is built with options.

    Raises:
        UsageError: options that a name cannot carry: those that are no JSON.
    """
    try:
        full_name = "".join([name, *(f":{key}={_as_text(options[key])}" for key in sorted(options))])
    except TypeError as error:
        raise UsageError(f"{name} cannot be built with {dict(options)}: {error}") from None
    if options_of(full_name) != dict(options):
        raise UsageError(f"{name} cannot be built with {dict(options)}: expected numbers, words, lists, true or false")
    return full_name


def _as_text(value: Any) -> str:
    """JSON, words without quotes where they cannot be taken for anything else."""
    bare = isinstance(value, str) and _parse_value(value) == value and value
    return bare or json.dumps(value, sort_keys=True, separators=(",", ":"))


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
