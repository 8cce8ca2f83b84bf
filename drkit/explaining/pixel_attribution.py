"""Attribution from changed pixels: integrated gradients, occlusion and ScoreCAM."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.explaining.activations import MAX_VARIANTS, AttributionInput, layer_activations, target_of_variants
from drkit.explaining.attribution import Attribution

PATH_POINTS = 24  # points of the Gauss-Legendre rule along the path
PATCHES_A_SIDE = 8  # occluded squares that fit along a side; they move by half their length
SCORED_CHANNELS = 128  # number of channels of a layer, those that vary most over the photograph


def explain_integrated_gradients(inputs: AttributionInput) -> Attribution:
    """Compute integrated gradients: the mean gradient along the straight path from the baseline, times the difference.

    The baseline is the photograph blurred inside its disc, so that the attribution explains details. The attributions
    of all photographs of a unit sum to the target minus the baseline's target.

    Source: Sundararajan et al. 2017, ICML, eq. 1.
    """
    path = inputs.images - inputs.baseline
    total = torch.zeros_like(path)
    nodes, weights = np.polynomial.legendre.leggauss(PATH_POINTS)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        leaf = (inputs.baseline + float(node) * path).detach().requires_grad_()
        with torch.enable_grad():
            target = inputs.target(inputs.grader(leaf, inputs.index)).sum()
        total += weight * torch.autograd.grad(target, leaf)[0]
    return Attribution.from_signed((path * total).sum(1))


def explain_occlusion(inputs: AttributionInput) -> Attribution:
    """Compute occlusion: the decrease of the target when a square is blurred, averaged over squares that cover a pixel.

    Source: Zeiler and Fergus 2014, ECCV, section 4.2; the square shows the blurred photograph instead of grey.
    """
    maps = inputs.maps()
    squares = _squares(inputs.images.shape[-1], inputs.images.device)  # (V, S, S)
    return Attribution.from_signed(
        torch.stack([_occlude(inputs, maps, photograph, squares) for photograph in range(len(inputs.images))])
    )


def explain_scorecam(inputs: AttributionInput) -> Attribution:
    """Compute ScoreCAM: channels weighted by the increase of the target when only regions that activate them are shown.

    The increase is measured from the blurred photograph, for the channels that vary most over the photograph.

    Source: Wang et al. 2020, CVPR Workshops, definition 1 and eq. 5, without the softmax over the increases, so that
    they keep their sign.
    """
    activations, maps = layer_activations(inputs), inputs.maps()
    signed = [
        _score_channels(inputs, maps, photograph, activations[photograph]) for photograph in range(len(activations))
    ]
    return Attribution.from_signed(torch.stack(signed))


def _squares(side: int, device: torch.device) -> Tensor:
    """(V, S, S) bool: squares that cover the image, each overlapping the next by a half."""
    length = max(2, round(side / PATCHES_A_SIDE))
    stride = max(1, length // 2)
    starts = sorted({*range(0, side - length, stride), side - length})
    along = torch.zeros(len(starts), side, dtype=torch.bool, device=device)
    for number, start in enumerate(starts):
        along[number, start : start + length] = True
    return (along[:, None, :, None] & along[None, :, None, :]).flatten(0, 1)


def _occlude(inputs: AttributionInput, maps: Tensor, photograph: int, squares: Tensor) -> Tensor:
    """Mean decrease (S, S) of the target; 0 at pixels that no square with a part of the disc covers."""
    used = squares[(squares & inputs.discs[photograph]).any((1, 2))]
    image, baseline = inputs.images[photograph], inputs.baseline[photograph]
    unchanged = target_of_variants(inputs, maps, photograph, image[None])
    decrease, count = torch.zeros_like(image[0]), torch.zeros_like(image[0])
    for part in used.split(MAX_VARIANTS):
        targets = target_of_variants(inputs, maps, photograph, torch.where(part[:, None], baseline, image))
        decrease += torch.einsum("v,vhw->hw", unchanged - targets, part.to(image.dtype))
        count += part.sum(0)
    return decrease / count.clamp(min=1)


def _score_channels(inputs: AttributionInput, maps: Tensor, photograph: int, activations: Tensor) -> Tensor:
    """Compute the attribution (h, w) of one photograph from activations (C, h, w)."""
    image, baseline = inputs.images[photograph], inputs.baseline[photograph]
    varied = activations.flatten(1).std(1).topk(min(SCORED_CHANNELS, len(activations))).indices
    chosen = activations[varied]
    lowest, highest = chosen.amin((1, 2), keepdim=True), chosen.amax((1, 2), keepdim=True)
    masks = (chosen - lowest) / (highest - lowest).clamp(min=1e-12)
    blurred = target_of_variants(inputs, maps, photograph, baseline[None])
    increases = []
    for part in masks.split(MAX_VARIANTS):
        shown = F.interpolate(part[:, None], image.shape[1:], mode="bilinear", align_corners=False)
        targets = target_of_variants(inputs, maps, photograph, baseline + shown * (image - baseline))
        increases.append(targets - blurred)
    return torch.einsum("c,chw->hw", torch.cat(increases), chosen)
