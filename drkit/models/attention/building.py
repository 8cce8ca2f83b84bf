"""From the blocks' names to the blocks."""

from collections.abc import Sequence

import torch
from torch import nn

from drkit.catalogue import ATTENTIONS
from drkit.errors import UsageError
from drkit.models.attention.shape import MapShape
from drkit.models.backbones import Backbone
from drkit.specs import Spec, parse_specs


class AttentionChain(nn.Sequential):
    """Blocks one after another, from feature maps (P, C, h, w) to feature maps.

    Args:
        blocks: In order.
        names: As typed, one a block.
    """

    def __init__(self, blocks: Sequence[nn.Module], names: Sequence[str]) -> None:
        super().__init__(*blocks)
        self.names = tuple(names)


def build_attention(spec: str, backbone: Backbone, side: int) -> nn.Module:
    """Build what stands between a backbone and the pool; before the first step it changes nothing.

    Nor does it draw from torch's generator for others: a network with attention begins as the same one without.

    Args:
        spec: Blocks in order, `se:reduction=8,spatial`; empty: none.
        backbone: Gives the maps.
        side: Of the images in pixels; a trial run tells the maps' size.

    Raises:
        UsageError: an unknown block or parameter, or one that does nothing on maps of a single place.
    """
    if not spec:
        return nn.Identity()
    choices = parse_specs(ATTENTIONS, "attention block", spec)
    shape = _try_out(backbone, side)
    for choice in choices:
        _check_places(choice, shape, side)
    with torch.random.fork_rng(devices=[]):
        blocks = [ATTENTIONS[choice.name].load()(shape, **dict(choice.parameters)) for choice in choices]
    return AttentionChain(blocks, [choice.name for choice in choices])


def _try_out(backbone: Backbone, side: int) -> MapShape:
    was_training = backbone.training
    with torch.inference_mode():
        maps = backbone.eval()(torch.zeros(1, 3, side, side))
    backbone.train(was_training)
    return MapShape(*maps.shape[1:])


def _check_places(choice: Spec, shape: MapShape, side: int) -> None:
    if shape.height * shape.width > 1 or not ATTENTIONS[choice.name].compares_places:
        return
    free = [name for name, entry in ATTENTIONS.items() if not entry.compares_places]
    raise UsageError(
        f"attention block {choice.name} looks from place to place, and on images of {side} pixels this backbone's map"
        f" has a single one, where it does nothing: use a larger --size, or {' or '.join(free)}"
    )
