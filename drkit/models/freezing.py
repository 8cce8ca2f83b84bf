"""Freezing: the lower part of a grader that does not learn, and so runs once for all."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.models.backbones import Backbone
from drkit.models.grader import Grader
from drkit.models.stages import bypassed, can_be_cut, freeze


def check_cut(grader: Grader, num_stages: int | None, side: int) -> None:
    """Check that the frozen stages can be run apart from the others.

    Args:
        grader: Whole.
        num_stages: Frozen, from the image; 0: none; None: the backbone.
        side: Of the images in pixels.

    Raises:
        UsageError: fewer stages, or stages that depend on more than the one before.
    """
    if not num_stages:
        return
    backbone, total = grader.backbone, len(grader.backbone.stages)
    if num_stages >= total:
        raise UsageError(f"--freeze {num_stages}: the backbone has {total} stages: use --freeze backbone to freeze all")
    image = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    grader.eval()
    with torch.inference_mode():
        whole = backbone(image)
    if not can_be_cut(lambda: _run_in_parts(backbone, image, num_stages), whole):
        raise UsageError(f"--freeze {num_stages}: this backbone cannot be cut there: use none or backbone")


def run_frozen_part(grader: Grader, images: Tensor, num_stages: int | None) -> Tensor:
    """What the part that learns is fed.

    Args:
        grader: Whole, in evaluation mode.
        images: (P, 3, S, S).
        num_stages: Frozen, from the image; None: the backbone.

    Returns:
        (P, ...): the last frozen stage's features; of a whole backbone its maps (P, C, h, w) where attention looks
        at them, else the pooled activations (P, 2C).
    """
    if num_stages is not None:
        return grader.backbone.lower(images, num_stages)
    places = UnitIndex.alone(len(images), images.device)
    return grader.maps(images, places) if _has_attention(grader) else grader.embed(images, places)


@contextmanager
def without_frozen_part(grader: Grader, num_stages: int | None) -> Iterator[None]:
    """Let a grader take what `run_frozen_part` gives instead of images; whole again at the end."""
    with bypassed(grader, _frozen_paths(grader, num_stages)):
        yield


def frozen_tensors(grader: Grader, num_stages: int | None) -> dict[str, Tensor]:
    """All tensors of the frozen part, by their names in the grader's `state_dict`, in order."""
    modules = {path: grader.get_submodule(path) for path in _frozen_paths(grader, num_stages)}
    return {f"{path}.{name}": tensor for path, part in modules.items() for name, tensor in part.state_dict().items()}


def hold_stages(grader: Grader, num_stages: int) -> None:
    """Let all learn but the first stages of every backbone, whose norms keep their statistics, too."""
    for backbone in (grader.backbone, *grader.others):
        freeze(backbone, backbone.paths(0, len(backbone.stages)), frozen=backbone.paths(0, num_stages))
        for parameter in backbone.network.parameters(recurse=False):  # a transformer's tokens and positions
            parameter.requires_grad_(num_stages == 0)


def keep_statistics(grader: Grader) -> None:
    """Let the backbones' batch norms, in training mode, go on with the statistics they have; their weights learn on."""
    for backbone in (grader.backbone, *grader.others):
        for module in backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _run_in_parts(backbone: Backbone, images: Tensor, num_stages: int) -> Tensor:
    """The feature map (B, C, h, w) by way of the lower stages' features."""
    features = backbone.lower(images, num_stages)
    with bypassed(backbone, backbone.paths(0, num_stages)):
        return backbone(features)


def _frozen_paths(grader: Grader, num_stages: int | None) -> list[str]:
    if num_stages is not None:
        return [f"backbone.{path}" for path in grader.backbone.paths(0, num_stages)]
    return ["backbone"] if _has_attention(grader) else ["backbone", "pool"]


def _has_attention(grader: Grader) -> bool:
    return not isinstance(grader.attention, nn.Identity)
