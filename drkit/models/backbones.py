"""Any timm network up to its last feature map."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import isqrt
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn

from drkit.catalogue import SHORT_BACKBONES
from drkit.data.rendering import InputFormat
from drkit.errors import DrkitError, InputError, UsageError
from drkit.models.networks import architecture_of, create_network, options_of, timm_name, with_options
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
    """A network whose features are no map (B, C, h, w) and cannot be made one."""


class Backbone(nn.Module):
    """A timm network without what comes after its last feature map.

    Layers that the feature map does not need (classifier, VGG's and MobileNetV3's layers before it) are removed; a
    norm between timm's pool and classifier (ConvNeXt, some ViTs) is kept as `head_norm`, to be used after pooling.

    Args:
        network: As `timm.create_model` makes it, with its classifier.
        side: Of the images in pixels, for a trial run.
        architecture: timm's name of the network without a tag, with its options; empty: what the network says itself.
    """

    def __init__(self, network: nn.Module, side: int, architecture: str = "") -> None:
        super().__init__()
        self.architecture = architecture
        norms = getattr(getattr(network, "head", None), "norm", None), getattr(network, "fc_norm", None)
        self.head_norm = next((norm for norm in norms if isinstance(norm, nn.LayerNorm)), None)
        self.network = network
        self.num_features = _strip_unreached(network, lambda: self(torch.zeros(1, 3, side, side)))
        found = find_stages(network, lambda: self(torch.zeros(1, 3, side, side)))
        self.stages = tuple(tuple(f"network.{path}" for path in stage) for stage in found)

    @property
    def num_prefix_tokens(self) -> int:
        """Class and register tokens of a transformer; 0 for other networks."""
        return int(getattr(self.network, "num_prefix_tokens", 0))

    def paths(self, first: int, last: int) -> list[str]:
        """Paths of the modules of stages `first` to `last` - 1, counted from 0 at the image."""
        return [path for stage in self.stages[first:last] for path in stage]

    def lower(self, images: Tensor, num_stages: int) -> Tensor:
        """Images (B, 3, S, S) to what the stage after the first `num_stages` is fed."""
        with bypassed(self, self.paths(num_stages, len(self.stages))):
            return self.network.forward_features(images)  # type: ignore[operator]

    def load_foreign(self, foreign: ForeignWeights) -> WeightsReport:
        """Set the tensors from a foreign file, see `drkit.models.weights.load_foreign`."""
        network: Any = self.network
        architecture = self.architecture or str(network.pretrained_cfg["architecture"])
        return load_foreign(network, architecture, foreign, self.head_norm)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) to a feature map (B, C, h, w)."""
        features = self.network.forward_features(images)  # type: ignore[operator]
        return as_map(features, self.num_prefix_tokens, self.network.num_features)  # type: ignore[arg-type]


def resolve_backbone(name: str) -> str:
    """Timm's name of a backbone, options kept.

    Raises:
        UsageError: timm has no such model; the sentence names the near ones.
    """
    typed = timm_name(name)
    full_name = SHORT_BACKBONES.get(typed, typed)
    if timm.is_model(full_name) and (full_name.partition(".")[2] in ("", *_tags(full_name))):
        return with_options(full_name, options_of(name))
    if "/" in name:
        raise UsageError(
            f"unknown backbone '{name}': write hf-hub:{name} for a repository, local-dir:{name} for a folder"
        )
    known = [*SHORT_BACKBONES, *timm.list_models()]
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "see timm.list_models() for all names"
    raise UsageError(f"unknown backbone '{name}': {hint}")


def _tags(name: str) -> list[str]:
    """The pretrained tags of a model, as `in1k` in `resnet18.in1k`."""
    architecture = name.partition(".")[0]
    return [full.partition(".")[2] for full in timm.list_models(f"{architecture}.*", pretrained=True)]


def input_format(name: str, side: int | None) -> InputFormat:
    """What a backbone was trained on: its own side unless another is wanted, its mean and deviation."""
    config = timm.get_pretrained_cfg(timm_name(name))
    if config is None:
        return InputFormat(side or DEFAULT_SIDE, HALF, HALF)
    return InputFormat(side or config.input_size[-1], _triple(config.mean), _triple(config.std))


def build_backbone(name: str, side: int, *, pretrained: bool) -> Backbone:
    """Build a backbone by timm's name.

    Args:
        name: From `resolve_backbone`.
        side: Of the images in pixels.
        pretrained: Start from ImageNet: an installed package where there is one, else the copy of an earlier download,
            else timm's hub.

    Raises:
        InputError: the weights cannot be had.
        UsageError: the network does not take images of this side.
    """
    config = timm.get_pretrained_cfg(timm_name(name))
    options: dict[str, Any] = {"img_size": side} if config and config.fixed_input_size else {}
    try:
        network = _create(name, pretrained, options)
    except Exception as error:  # a hub can fail in any way, and so can a network's constructor
        raise _explain(name, side, pretrained, error) from error
    try:
        return Backbone(network.eval(), side, architecture_of(name)).train()
    except NoFeatureMapError as error:
        raise UsageError(f"{name} cannot be a backbone here, {error}: choose another --backbone") from None
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"{name} does not take images of {side} pixels ({error}): choose another --size") from None


def weights_at_hand(name: str) -> Literal["package", "cache"] | None:
    """Where the ImageNet weights of a backbone are on this machine, if they are: an installed package, or a cache."""
    if packaged_weights(timm_name(name)) is not None:
        return "package"
    return "cache" if cached_weights(timm_name(name)) else None


def ask_for_weights(name: str) -> None:
    """Ask whether the ImageNet weights of a backbone can be fetched, without fetching them.

    Raises:
        InputError: they cannot; the sentence says what to do.
    """
    try:
        check_weights(timm_name(name))
    except InputError as error:
        raise _cannot_be_had(name, error) from None


def _create(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    if not pretrained:
        return create_network(name, **options)
    if packaged := packaged_weights(timm_name(name)):
        network = create_network(name, **options)
        load_packaged(network, packaged)
        return network
    if fetched := fetch_weights(timm_name(name)):
        return create_network(name, pretrained=True, pretrained_cfg_overlay={"file": fetched}, **options)
    return create_network(name, pretrained=True, **options)


def _explain(name: str, side: int, pretrained: bool, error: Exception) -> DrkitError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if not pretrained:
        return UsageError(f"{name} cannot be built for images of {side} pixels: {reason}")
    return _cannot_be_had(name, reason)


def _cannot_be_had(name: str, reason: object) -> InputError:
    return InputError(f"ImageNet weights of {name} cannot be had ({reason}): {advise(timm_name(name))}")


def _triple(channels: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = channels
    return red, green, blue


def as_map(features: Tensor, num_prefix_tokens: int = 0, num_features: int | None = None) -> Tensor:
    """A layer's output as (B, C, h, w): maps as they are, channels-last maps and tokens reordered.

    Args:
        features: (B, C, h, w), (B, h, w, C), or tokens (B, N, C) of a square image.
        num_prefix_tokens: Class and register tokens that may stand before the others; they are dropped.
        num_features: C; None: maps are square, and tell by that where their channels are.

    Raises:
        NoFeatureMapError: none of these.
    """
    if not isinstance(features, Tensor) or features.ndim not in (3, 4):
        raise NoFeatureMapError("it gives no single feature map")
    if features.ndim == 4:
        if num_features is None:
            is_channels_last = features.shape[2] != features.shape[3]
        else:
            is_channels_last = features.shape[1] != num_features and features.shape[-1] == num_features
        return features.permute(0, 3, 1, 2) if is_channels_last else features
    for patches in (features[:, num_prefix_tokens:], features):  # layers that merge tokens may have dropped them
        side = isqrt(patches.shape[1])
        if side**2 == patches.shape[1]:
            return patches.transpose(1, 2).unflatten(2, (side, side))
    raise NoFeatureMapError(f"its {features.shape[1] - num_prefix_tokens} tokens are no square map")


def _strip_unreached(network: nn.Module, run: Callable[[], Tensor]) -> int:
    """Replace each child that a run does not reach by nothing; the run's number of channels."""
    reached: set[nn.Module] = set()
    hooks = [module.register_forward_hook(lambda module, *_: reached.add(module)) for module in network.modules()]
    try:
        with torch.inference_mode():
            channels = run().shape[1]
    finally:
        for hook in hooks:
            hook.remove()
    for name, child in network.named_children():
        has_tensors = any(True for _ in child.parameters())  # others may be asked for without being called
        if has_tensors and reached.isdisjoint(child.modules()):
            setattr(network, name, nn.Identity())
    return channels
