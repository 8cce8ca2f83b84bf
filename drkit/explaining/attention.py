"""The attention of a network: over positions of a feature map, photographs of a unit, and channels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.explaining.activations import AttributionInput
from drkit.explaining.attribution import Attribution
from drkit.models.attention import BlockAttention, watch
from drkit.models.fusion import AttentionFusion
from drkit.models.grader import Grader


def explain_attention(inputs: AttributionInput) -> Attribution:
    """Compute attention above its even share (positive) and below it (negative), whatever the target.

    If attention also joins the photographs of a unit, a photograph's share of the unit's attribution is its weight; it
    is spread evenly over the disc if no position is preferred to another.

    Raises:
        UsageError: the network attends neither to positions nor to photographs.
    """
    grader, maps = inputs.grader, inputs.maps()
    watched = watch(grader.attention, maps)
    factors = position_weights(watched, maps)
    weights = photograph_weights(grader, maps, inputs.index)
    if weights is not None:
        spread = factors - 1 if factors is not None and (factors != 1).any() else inputs.discs.to(maps.dtype)
        # Scale each photograph's map so that it sums to the photograph's weight.
        mass = spread.abs().sum((1, 2)).clamp(min=torch.finfo(spread.dtype).tiny)
        return Attribution.from_signed(spread * (weights / mass)[:, None, None])
    if factors is None:
        raise UsageError(_refusal(watched))
    return Attribution.from_signed(factors - 1)


def position_weights(watched: Sequence[BlockAttention], maps: Tensor) -> Tensor | None:
    """The weight of each position of a map, (P, h, w), at least 0, with mean 1 over a photograph.

    For a spatial gate the weight is the gate's value; for self-attention it is the mean weight with which the other
    positions attend to this one, over heads. The weights of several blocks are multiplied.

    Args:
        watched: The values that `watch` recorded.
        maps: (P, C, h, w), the maps that were watched.

    Returns:
        The weights, or None if no block attends to positions.
    """
    factors = [item.values for item in watched if item.kind == "positions"]
    received = [item.values.mean((1, 2)) for item in watched if item.kind == "pairs"]  # (P, h * w)
    factors += [shares.unflatten(1, maps.shape[2:]) for shares in received]
    if not factors:
        return None
    product = torch.stack(factors).prod(0)
    return product / product.mean((1, 2), keepdim=True).clamp(min=torch.finfo(product.dtype).tiny)


def photograph_weights(grader: Grader, maps: Tensor, index: UnitIndex) -> Tensor | None:
    """The weight (P,) of each photograph, which sum to 1 in each unit; None without attention fusion."""
    if not isinstance(grader.fusion, AttentionFusion):
        return None
    with torch.no_grad():
        return grader.fusion.weights(grader.pool(grader.attention(maps)), index)


def channel_gates(grader: Grader, images: Tensor, index: UnitIndex) -> Tensor | None:
    """The factor (P, C), 0 to 2, by which channel attention scales each channel; None without channel attention.

    The factors of several blocks are multiplied.
    """
    with torch.no_grad():
        watched = watch(grader.attention, grader.maps(images, index))
    gates = [item.values for item in watched if item.kind == "channels"]
    return torch.stack(gates).prod(0) if gates else None


def _refusal(watched: Sequence[BlockAttention]) -> str:
    blocks = ", ".join(dict.fromkeys(item.name for item in watched))
    if not blocks:
        return "this run has no attention: train one with drkit attend, or with --fusion attention"
    return (
        f"the attention of this run ({blocks}) weighs channels, neither positions nor photographs: draw it with"
        " drkit plot attention"
    )
