"""Freezing: the lower part of a grader that is not trained, so that it needs to run only once."""

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
    """Check that the frozen stages can be run separately from the others.

    Args:
        grader: The complete network.
        num_stages: Number of frozen stages, from the image; 0 for none, None for the backbone.
        side: Side of the images in pixels.

    Raises:
        UsageError: the backbone has too few stages, or a stage depends on more than the previous stage.
    """
    if not num_stages:
        return
    backbone, total = grader.backbone, len(grader.backbone.stages)
    if num_stages >= total:
        raise UsageError(f"--freeze {num_stages}: the backbone has {total} stages: use --freeze backbone to freeze all")
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    grader.eval()
    with torch.inference_mode():
        expected = backbone(images)
    if not can_be_cut(lambda: _run_in_parts(backbone, images, num_stages), expected):
        raise UsageError(
            f"--freeze {num_stages}: the stages of this backbone cannot be run separately: use none or backbone"
        )


def run_frozen_part(grader: Grader, images: Tensor, num_stages: int | None) -> Tensor:
    """Compute the inputs of the trained part.

    Args:
        grader: The complete network in evaluation mode.
        images: (P, 3, S, S) images.
        num_stages: Number of frozen stages, from the image; None for the backbone.

    Returns:
        (P, ...) features of the last frozen stage; for a frozen backbone, its maps (P, C, h, w) if the grader has
        attention, otherwise pooled activations (P, 2C).
    """
    if num_stages is not None:
        return grader.backbone.lower(images, num_stages)
    index = UnitIndex.alone(len(images), images.device)
    return grader.maps(images, index) if _has_attention(grader) else grader.embed(images, index)


@contextmanager
def without_frozen_part(grader: Grader, num_stages: int | None) -> Iterator[None]:
    """Bypass the frozen part within the context, so that the grader takes the output of `run_frozen_part`."""
    with bypassed(grader, _frozen_paths(grader, num_stages)):
        yield


def frozen_tensors(grader: Grader, num_stages: int | None) -> dict[str, Tensor]:
    """Tensors of the frozen part, by their names in the grader's `state_dict`, in order."""
    modules = {path: grader.get_submodule(path) for path in _frozen_paths(grader, num_stages)}
    return {f"{path}.{name}": tensor for path, part in modules.items() for name, tensor in part.state_dict().items()}


def hold_stages(grader: Grader, num_stages: int) -> None:
    """Freeze the first stages of every backbone, including the statistics of their norms, and train all others."""
    for backbone in (grader.backbone, *grader.others):
        freeze(backbone, backbone.paths(0, len(backbone.stages)), frozen=backbone.paths(0, num_stages))
        for parameter in backbone.network.parameters(recurse=False):  # tokens and position embeddings of a transformer
            parameter.requires_grad_(num_stages == 0)


def keep_statistics(grader: Grader) -> None:
    """Fix the statistics of the backbones' batch norms during training; their scale and shift are still trained."""
    for backbone in (grader.backbone, *grader.others):
        for module in backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _run_in_parts(backbone: Backbone, images: Tensor, num_stages: int) -> Tensor:
    """Compute the feature map (B, C, h, w) from the features of the lower stages."""
    features = backbone.lower(images, num_stages)
    with bypassed(backbone, backbone.paths(0, num_stages)):
        return backbone(features)


def _frozen_paths(grader: Grader, num_stages: int | None) -> list[str]:
    if num_stages is not None:
        return [f"backbone.{path}" for path in grader.backbone.paths(0, num_stages)]
    return ["backbone"] if _has_attention(grader) else ["backbone", "pool"]


def _has_attention(grader: Grader) -> bool:
    return not isinstance(grader.attention, nn.Identity)
