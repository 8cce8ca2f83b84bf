"""Build attention blocks from their specs."""

from collections.abc import Sequence

import torch
from torch import nn

from drkit.catalogue import ATTENTIONS
from drkit.errors import UsageError
from drkit.models.attention.shape import MapShape
from drkit.models.backbones import Backbone
from drkit.specs import Spec, parse_specs


class AttentionChain(nn.Sequential):
    """A sequence of blocks from feature maps (P, C, h, w) to feature maps of the same shape.

    Args:
        blocks: The blocks in order.
        names: Name of each block in the catalogue.
    """

    def __init__(self, blocks: Sequence[nn.Module], names: Sequence[str]) -> None:
        super().__init__(*blocks)
        self.names = tuple(names)


def build_attention(spec: str, backbone: Backbone, side: int) -> nn.Module:
    """Build the attention blocks between a backbone and the pool; before training they do not change the maps.

    The blocks do not advance torch's random generator, so that a network with attention starts from the same weights as
    a network without.

    Args:
        spec: Specs of the blocks in order, such as `se:reduction=8,spatial`; empty for no attention.
        backbone: The backbone, on which a trial run measures the shape of the maps.
        side: Side of the images in pixels.

    Raises:
        UsageError: a block or parameter is unknown, or a block has no effect on maps of a single position.
    """
    if not spec:
        return nn.Identity()
    specs = parse_specs(ATTENTIONS, "attention block", spec)
    shape = _measure_maps(backbone, side)
    for each in specs:
        _check_positions(each, shape, side)
    with torch.random.fork_rng(devices=[]):
        blocks = [ATTENTIONS[each.name].load()(shape, **dict(each.parameters)) for each in specs]
    return AttentionChain(blocks, [each.name for each in specs])


def _measure_maps(backbone: Backbone, side: int) -> MapShape:
    was_training = backbone.training
    with torch.inference_mode():
        maps = backbone.eval()(torch.zeros(1, 3, side, side))
    backbone.train(was_training)
    return MapShape(*maps.shape[1:])


def _check_positions(spec: Spec, shape: MapShape, side: int) -> None:
    if shape.height * shape.width > 1 or not ATTENTIONS[spec.name].compares_positions:
        return
    alternatives = [name for name, entry in ATTENTIONS.items() if not entry.compares_positions]
    raise UsageError(
        f"attention block {spec.name} compares positions of the feature map, but at {side} pixels this backbone's map"
        f" has a single position, so that the block has no effect: use a larger --size, or {' or '.join(alternatives)}"
    )
