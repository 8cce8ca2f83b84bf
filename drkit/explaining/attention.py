"""A network's own attention: places, photographs of a unit, and channels."""

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
    """Attention above its even share (positive) and below (negative), whatever the target.

    Where the photographs of a unit are joined by attention, too, each photograph's share of the unit's attribution is
    its weight, spread over the whole disc where no pixel of the map is preferred to another.

    Raises:
        UsageError: the network attends neither to places nor to photographs.
    """
    grader, maps = inputs.grader, inputs.maps()
    watched = watch(grader.attention, maps)
    factors = attended_places(watched, maps)
    weights = attended_photographs(grader, maps, inputs.places)
    if weights is not None:
        places = factors - 1 if factors is not None and (factors != 1).any() else inputs.discs.to(maps.dtype)
        # Scale each photograph's map so that it sums to the photograph's weight.
        mass = places.abs().sum((1, 2)).clamp(min=torch.finfo(places.dtype).tiny)
        return Attribution.from_signed(places * (weights / mass)[:, None, None])
    if factors is None:
        raise UsageError(_refusal(watched))
    return Attribution.from_signed(factors - 1)


def attended_places(watched: Sequence[BlockAttention], maps: Tensor) -> Tensor | None:
    """How much each place counts, (P, h, w), never negative; 1 is its even share, the mean of a photograph.

    A gate of places counts as it is: what closes all places alike prefers none. Of self-attention it is what a place
    gives to all, over heads and receiving places. Several blocks are multiplied.

    Args:
        watched: From `watch`.
        maps: (P, C, h, w) that were watched.

    Returns:
        None where no block looks at places.
    """
    factors = [item.values for item in watched if item.kind == "places"]
    given = [item.values.mean((1, 2)) for item in watched if item.kind == "pairs"]  # (P, h * w)
    factors += [shares.unflatten(1, maps.shape[2:]) for shares in given]
    if not factors:
        return None
    together = torch.stack(factors).prod(0)
    return together / together.mean((1, 2), keepdim=True).clamp(min=torch.finfo(together.dtype).tiny)


def attended_photographs(grader: Grader, maps: Tensor, places: UnitIndex) -> Tensor | None:
    """The weight of each photograph in its unit, (P,), summing to 1 over a unit; None: it has no such attention."""
    if not isinstance(grader.fusion, AttentionFusion):
        return None
    with torch.no_grad():
        return grader.fusion.weights(grader.pool(grader.attention(maps)), places)


def channel_gates(grader: Grader, images: Tensor, places: UnitIndex) -> Tensor | None:
    """How far each channel is opened, (P, C) from 0 to 2, 1 as without; None: it has no gates of channels.

    Several blocks are multiplied.
    """
    with torch.no_grad():
        watched = watch(grader.attention, grader.maps(images, places))
    gates = [item.values for item in watched if item.kind == "channels"]
    return torch.stack(gates).prod(0) if gates else None


def _refusal(watched: Sequence[BlockAttention]) -> str:
    blocks = ", ".join(dict.fromkeys(item.name for item in watched))
    if not blocks:
        return "this run has no attention to show: train one with drkit attend, or with --fusion attention"
    return (
        f"the attention of this run ({blocks}) looks at channels, neither at places nor at photographs: see them by"
        " drkit plot attention"
    )
