"""Backbones: timm networks up to their last feature map."""

from collections.abc import Callable
from difflib import get_close_matches
from math import isqrt
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from drkit.catalogue import SHORT_BACKBONES
from drkit.data.rendering import InputFormat
from drkit.errors import InputError, UsageError
from drkit.models.networks import (
    architecture_of,
    create_network,
    options_of,
    per_channel,
    side_options,
    timm_name,
    with_options,
)
from drkit.models.stages import bypassed, find_stages
from drkit.models.weights import (
    ForeignWeights,
    WeightsReport,
    advise,
    cached_weights,
    check_weights,
    fetch_weights,
    load_foreign,
    load_packaged,
    packaged_weights,
)

DEFAULT_SIDE, HALF = 224, (0.5, 0.5, 0.5)  # for networks that were never pretrained


class NoFeatureMapError(Exception):
    """The features of a network cannot be converted to a map (B, C, h, w)."""


class Backbone(nn.Module):
    """A timm network up to its last feature map.

    Layers that the feature map does not need (the classifier, and the layers of VGG and MobileNetV3 before it) are
    removed. A norm between timm's pool and classifier (ConvNeXt, some ViTs) is kept as `head_norm` and applied after
    pooling.

    Args:
        network: A network from `timm.create_model`, with its classifier.
        side: Side of the images in pixels, for a trial run.
        architecture: timm's name of the network without a tag, with its options; if empty, the name that the network
            states.
    """

    def __init__(self, network: nn.Module, side: int, architecture: str = "") -> None:
        super().__init__()
        self.architecture = architecture
        norms = getattr(getattr(network, "head", None), "norm", None), getattr(network, "fc_norm", None)
        self.head_norm = next((norm for norm in norms if isinstance(norm, nn.LayerNorm)), None)
        self.network = network
        self.num_features = _remove_unused(network, lambda: self(torch.zeros(1, 3, side, side)))
        stages = find_stages(network, lambda: self(torch.zeros(1, 3, side, side)))
        self.stages = tuple(tuple(f"network.{path}" for path in stage) for stage in stages)

    @property
    def num_prefix_tokens(self) -> int:
        """Number of class and register tokens of a transformer; 0 for other networks."""
        return int(getattr(self.network, "num_prefix_tokens", 0))

    def paths(self, first: int, last: int) -> list[str]:
        """Paths of the modules in stages `first` to `last` - 1; stage 0 is the nearest to the image."""
        return [path for stage in self.stages[first:last] for path in stage]

    def lower(self, images: Tensor, num_stages: int) -> Tensor:
        """Compute the features of images (B, 3, S, S) after the first `num_stages` stages."""
        with bypassed(self, self.paths(num_stages, len(self.stages))):
            return self.network.forward_features(images)  # type: ignore[operator]

    def load_foreign(self, foreign: ForeignWeights) -> WeightsReport:
        """Load weights from a foreign file; see `drkit.models.weights.load_foreign`."""
        network: Any = self.network
        architecture = self.architecture or str(network.pretrained_cfg["architecture"])
        return load_foreign(network, architecture, foreign, self.head_norm)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the feature map (B, C, h, w) of images (B, 3, S, S)."""
        features = self.network.forward_features(images)  # type: ignore[operator]
        return as_map(features, self.num_prefix_tokens, self.network.num_features)  # type: ignore[arg-type]


def resolve_backbone(name: str) -> str:
    """Look up timm's name of a backbone, with its options.

    Raises:
        UsageError: timm has no such model; the message suggests similar names.
    """
    requested = timm_name(name)
    full_name = SHORT_BACKBONES.get(requested, requested)
    architecture, has_tag, _ = full_name.partition(".")
    if timm.is_model(full_name) and (
        not has_tag or full_name in timm.list_models(f"{architecture}.*", pretrained=True)
    ):
        return with_options(full_name, options_of(name))
    if "/" in name:
        raise UsageError(
            f"unknown backbone '{name}': write hf-hub:{name} for a repository, local-dir:{name} for a folder"
        )
    similar = get_close_matches(name, [*SHORT_BACKBONES, *timm.list_models()], n=3)
    hint = f"did you mean {' or '.join(dict.fromkeys(similar))}?" if similar else "see timm.list_models() for all names"
    raise UsageError(f"unknown backbone '{name}': {hint}")


def input_format(name: str, side: int | None) -> InputFormat:
    """Side, mean and standard deviation that a backbone was trained with; `side`, if given, replaces its side."""
    config = timm.get_pretrained_cfg(timm_name(name))
    if config is None:
        return InputFormat(side or DEFAULT_SIDE, HALF, HALF)
    return InputFormat(side or config.input_size[-1], per_channel(config.mean), per_channel(config.std))


def build_backbone(name: str, side: int, *, pretrained: bool) -> Backbone:
    """Build a backbone by timm's name.

    Args:
        name: A name from `resolve_backbone`.
        side: Side of the images in pixels.
        pretrained: Whether to load ImageNet weights: from an installed package, otherwise from the cache of an earlier
            download, otherwise from timm's hub.

    Raises:
        InputError: the weights are not available.
        UsageError: the network does not accept images of this side.
    """
    try:
        network = _create(name, pretrained, side_options(name, side))
    except Exception as error:  # hubs and networks' constructors raise many kinds of errors
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if pretrained:
            raise _unavailable_weights(name, reason) from error
        raise UsageError(f"{name} cannot be built for images of {side} pixels: {reason}") from error
    try:
        return Backbone(network.eval(), side, architecture_of(name)).train()
    except NoFeatureMapError as error:
        raise UsageError(f"{name} cannot be used as a backbone: {error}: choose another --backbone") from None
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"{name} does not accept images of {side} pixels ({error}): choose another --size") from None


def weights_at_hand(name: str) -> Literal["package", "cache"] | None:
    """Where this machine has the ImageNet weights of a backbone: in an installed package or a cache; None: nowhere."""
    if packaged_weights(timm_name(name)) is not None:
        return "package"
    return "cache" if cached_weights(timm_name(name)) else None


def ask_for_weights(name: str) -> None:
    """Ask the server whether the ImageNet weights of a backbone can be downloaded, without downloading them.

    Raises:
        InputError: they cannot be downloaded; the message says what to do.
    """
    try:
        check_weights(timm_name(name))
    except InputError as error:
        raise _unavailable_weights(name, error) from None


def _create(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    if not pretrained:
        return create_network(name, **options)
    if path := packaged_weights(timm_name(name)):
        network = create_network(name, **options)
        load_packaged(network, path)
        return network
    if path := fetch_weights(timm_name(name)):
        return create_network(name, pretrained=True, pretrained_cfg_overlay={"file": path}, **options)
    return create_network(name, pretrained=True, **options)


def _unavailable_weights(name: str, reason: object) -> InputError:
    return InputError(f"the ImageNet weights of {name} are not available ({reason}): {advise(timm_name(name))}")


def as_map(features: Tensor, num_prefix_tokens: int = 0, num_features: int | None = None) -> Tensor:
    """Convert a layer's output to a feature map (B, C, h, w).

    Args:
        features: Map (B, C, h, w) or (B, h, w, C), or tokens (B, N, C) of a square image.
        num_prefix_tokens: Number of class and register tokens before the others, which are dropped.
        num_features: Number of channels C; None if maps are square, so that the position of the channels is clear.

    Raises:
        NoFeatureMapError: the output has none of these shapes.
    """
    if not isinstance(features, Tensor) or features.ndim not in (3, 4):
        raise NoFeatureMapError("its output is not a single feature map")
    if features.ndim == 4:
        if num_features is None:
            is_channels_last = features.shape[2] != features.shape[3]
        else:
            is_channels_last = features.shape[1] != num_features and features.shape[-1] == num_features
        return features.permute(0, 3, 1, 2) if is_channels_last else features
    for patches in (features[:, num_prefix_tokens:], features):  # layers that merge tokens may drop the prefix tokens
        side = isqrt(patches.shape[1])
        if side**2 == patches.shape[1]:
            return patches.transpose(1, 2).unflatten(2, (side, side))
    raise NoFeatureMapError(f"its {features.shape[1] - num_prefix_tokens} tokens do not form a square map")


def _remove_unused(network: nn.Module, run: Callable[[], Tensor]) -> int:
    """Replace the children that a run does not use by identities, and return the number of channels of its output."""
    used: set[nn.Module] = set()
    hooks = [module.register_forward_hook(lambda module, *_: used.add(module)) for module in network.modules()]
    try:
        with torch.inference_mode():
            channels = run().shape[1]
    finally:
        for hook in hooks:
            hook.remove()
    for name, child in network.named_children():
        has_parameters = any(True for _ in child.parameters())  # other modules may be used without being called
        if has_parameters and used.isdisjoint(child.modules()):
            setattr(network, name, nn.Identity())
    return channels
