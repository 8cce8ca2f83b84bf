"""timm's networks by names that can contain options, such as `vit_small_patch16_224:global_pool=avg`."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import timm
from torch import nn

from drkit.errors import UsageError

OPTION = re.compile(r":(?=[A-Za-z_]\w*=)")  # the colon before an option; values may also contain colons


def create_network(backbone: str, *, pretrained: bool = False, **more: Any) -> nn.Module:
    """Build a network with timm.

    Args:
        backbone: timm's name, with or without a tag and options.
        pretrained: Whether to load timm's weights.
        more: Options that are not part of the name, such as `img_size`.
    """
    return timm.create_model(timm_name(backbone), pretrained=pretrained, **(options_of(backbone) | more))


def side_options(backbone: str, side: int) -> dict[str, Any]:
    """The option that builds a network of fixed input size for images of `side` pixels; empty for other networks."""
    config = timm.get_pretrained_cfg(timm_name(backbone))
    return {"img_size": side} if config and config.fixed_input_size else {}


def per_channel(value: float | Sequence[float]) -> tuple[float, float, float]:
    """Convert a mean or standard deviation in timm's configuration to one for each channel."""
    values = [float(each) for each in value] if isinstance(value, Sequence) else [float(value)]
    red, green, blue = values if len(values) == 3 else values * 3
    return red, green, blue


def architecture_of(backbone: str) -> str:
    """Remove the tag of the weights from a name, but keep its options."""
    return with_options(timm_name(backbone).partition(".")[0], options_of(backbone))


def timm_name(backbone: str) -> str:
    """Remove the options from a name, but keep its tag."""
    return OPTION.split(backbone, maxsplit=1)[0]


def options_of(backbone: str) -> dict[str, Any]:
    """Parse the options in a name, which are passed to timm when the network is built."""
    settings = (setting.partition("=") for setting in OPTION.split(backbone)[1:])
    return {key: _parse_value(text) for key, _, text in settings}


def with_options(name: str, options: Mapping[str, Any]) -> str:
    """Add options to a name.

    Raises:
        UsageError: an option cannot be written as JSON.
    """
    try:
        full_name = "".join([name, *(f":{key}={_format_value(options[key])}" for key in sorted(options))])
    except TypeError as error:
        raise UsageError(f"{name} cannot be built with {dict(options)}: {error}") from None
    if options_of(full_name) != dict(options):
        raise UsageError(f"{name} cannot be built with {dict(options)}: expected numbers, words, lists, true or false")
    return full_name


def _format_value(value: Any) -> str:
    """Format a value as JSON; strings have no quotes unless they would be read as another type."""
    is_bare = isinstance(value, str) and value and _parse_value(value) == value
    return value if is_bare else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
