"""Evidence from the photograph itself: gradients along a path, and what happens when parts are taken away."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.explaining.evidence import Evidence
from drkit.explaining.inquiry import MAX_VARIANTS, Inquiry, activations_of, ask_variants

PATH_POINTS = 24  # of the Gauss-Legendre rule along the path
PATCHES_A_SIDE = 8  # an occluded square is this part of the side, and moves by half of itself
SCORED_CHANNELS = 128  # of a layer: those that vary most over the photograph


def explain_integrated_gradients(inquiry: Inquiry) -> Evidence:
    """Integrated gradients: the gradient by the pixels, along the straight way from the baseline, times the way.

    The baseline is the photograph blurred inside its disc, so details are what is explained. The evidence of all
    photographs of a unit sums to the answer less the baseline's answer.

    Source: Sundararajan et al. 2017, ICML, eq. 1.
    """
    way = inquiry.images - inquiry.baseline
    total = torch.zeros_like(way)
    nodes, weights = np.polynomial.legendre.leggauss(PATH_POINTS)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        total += weight * _pixel_gradient(inquiry, inquiry.baseline + float(node) * way)
    return Evidence.of_signed((way * total).sum(1))


def explain_occlusion(inquiry: Inquiry) -> Evidence:
    """Occlusion: how far the answer falls when a square loses its detail, averaged over the squares on a pixel.

    Source: Zeiler and Fergus 2014, ECCV, section 4.2; the square shows the blurred photograph in place of grey.
    """
    maps = inquiry.maps()
    squares = _squares(inquiry.images.shape[-1], inquiry.images.device)  # (V, S, S)
    return Evidence.of_signed(
        torch.stack([_occlude(inquiry, maps, photograph, squares) for photograph in range(len(inquiry.images))])
    )


def explain_scorecam(inquiry: Inquiry) -> Evidence:
    """ScoreCAM: each channel weighted by how far showing only what it marks lifts the answer above the baseline's.

    Only the channels that vary most over a photograph are tried; the rest of it shows the blurred photograph.

    Source: Wang et al. 2020, CVPR Workshops, definition 1 and eq. 5; the increases are not put through a softmax,
    so that they keep their sign.
    """
    activations, maps = activations_of(inquiry), inquiry.maps()
    signed = [
        _score_channels(inquiry, maps, photograph, activations[photograph]) for photograph in range(len(activations))
    ]
    return Evidence.of_signed(torch.stack(signed))


def _pixel_gradient(inquiry: Inquiry, images: Tensor) -> Tensor:
    leaf = images.detach().requires_grad_()
    with torch.enable_grad():
        answer = inquiry.question.ask(inquiry.grader(leaf, inquiry.places)).sum()
    return torch.autograd.grad(answer, leaf)[0]


def _squares(side: int, device: torch.device) -> Tensor:
    """(V, S, S) bool: squares that cover the image, each overlapping the next by a half."""
    length = max(2, round(side / PATCHES_A_SIDE))
    stride = max(1, length // 2)
    starts = sorted({*range(0, side - length, stride), side - length})
    along = torch.zeros(len(starts), side, dtype=torch.bool, device=device)
    for number, start in enumerate(starts):
        along[number, start : start + length] = True
    return (along[:, None, :, None] & along[None, :, None, :]).flatten(0, 1)


def _occlude(inquiry: Inquiry, maps: Tensor, photograph: int, squares: Tensor) -> Tensor:
    """(S, S) mean fall of the answer; 0 where no square that meets the disc lies."""
    used = squares[(squares & inquiry.discs[photograph]).any((1, 2))]
    image, baseline = inquiry.images[photograph], inquiry.baseline[photograph]
    whole = ask_variants(inquiry, maps, photograph, image[None])
    fall, count = torch.zeros_like(image[0]), torch.zeros_like(image[0])
    for part in used.split(MAX_VARIANTS):
        answers = ask_variants(inquiry, maps, photograph, torch.where(part[:, None], baseline, image))
        fall += torch.einsum("v,vhw->hw", whole - answers, part.to(image.dtype))
        count += part.sum(0)
    return fall / count.clamp(min=1)


def _score_channels(inquiry: Inquiry, maps: Tensor, photograph: int, activations: Tensor) -> Tensor:
    """(h, w) of activations (C, h, w)."""
    image, baseline = inquiry.images[photograph], inquiry.baseline[photograph]
    varied = activations.flatten(1).std(1).topk(min(SCORED_CHANNELS, len(activations))).indices
    chosen = activations[varied]
    lowest, highest = chosen.amin((1, 2), keepdim=True), chosen.amax((1, 2), keepdim=True)
    masks = (chosen - lowest) / (highest - lowest).clamp(min=1e-12)
    nothing = ask_variants(inquiry, maps, photograph, baseline[None])
    rises = []
    for part in masks.split(MAX_VARIANTS):
        shown = F.interpolate(part[:, None], image.shape[1:], mode="bilinear", align_corners=False)
        rises.append(ask_variants(inquiry, maps, photograph, baseline + shown * (image - baseline)) - nothing)
    return torch.einsum("c,chw->hw", torch.cat(rises), chosen)
