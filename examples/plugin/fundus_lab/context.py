"""The global context block."""

from timm.layers.global_context import GlobalContext
from torch import nn

from drkit.models.attention import MapShape


def build_context(shape: MapShape, *, reduction: float = 8) -> nn.Module:
    """A weighted mean over all positions, transformed and added to each position; it starts by adding zero.

    Source: Cao et al., GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV Workshops 2019.
    """
    hidden = max(shape.channels // int(reduction), 4)
    block = GlobalContext(shape.channels, fuse_add=True, fuse_scale=False, rd_channels=hidden)
    for parameter in block.mlp_add.fc2.parameters():
        nn.init.zeros_(parameter)
    return block
