"""Gates: channels or places of a feature map made stronger or weaker; at first they change nothing.

Feature maps are seldom negative, so all weights that look at one are pushed the same way at once. Without a norm that
takes this common way out, a few steps switch a gate's hidden units off for good, or close every gate alike.
"""

import torch
from timm.layers.cbam import ChannelAttn, SpatialAttn
from timm.layers.eca import EcaModule
from timm.layers.norm import LayerNorm2d
from timm.layers.squeeze_excite import SqueezeExcite
from torch import Tensor, nn

from drkit.errors import UsageError
from drkit.models.attention.shape import MapShape


class Gate(nn.Module):
    """A factor between 0 and 2 for what it opens or closes: 1 where its input is 0.

    So a layer before it that starts at zero leaves the map exactly as it is, and learns from the first step on.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Any shape to the same."""
        return 2 * torch.sigmoid(inputs)


def build_se(shape: MapShape, *, reduction: float) -> nn.Module:
    """Squeeze and excitation: a gate for each channel, from all channels' means over the places.

    Source: Hu, Shen and Sun, Squeeze-and-excitation networks, CVPR 2018, eqs. 2 to 4; the gate twice as wide, the
    hidden units normed.
    """
    hidden = _hidden(shape, reduction)
    block = SqueezeExcite(shape.channels, rd_channels=hidden, norm_layer=LayerNorm2d, gate_layer=Gate)
    return _start_at_zero(block, block.fc2)


def build_eca(shape: MapShape) -> nn.Module:
    """Efficient channel attention: a gate for each channel, from the means of a few neighbouring ones.

    Source: Wang et al., ECA-Net, CVPR 2020, eqs. 5 and 12; the gate twice as wide.
    """
    block = EcaModule(shape.channels, gate_layer=Gate)
    return _start_at_zero(block, block.conv)


def build_spatial(shape: MapShape, *, kernel: float) -> nn.Module:
    """CBAM's spatial gate: one for each place, from mean and maximum over the channels around it.

    Source: Woo et al., CBAM, ECCV 2018, eq. 3; the gate twice as wide, and normed before it is made, not after: so
    the layer that starts at zero is not one single factor.

    Raises:
        UsageError: an even kernel, which has no middle.
    """
    side = int(kernel)
    if side % 2 == 0:
        raise UsageError(f"attention block spatial: kernel={side} has no middle: use {side - 1} or {side + 1}")
    block = SpatialAttn(side, gate_layer=Gate)
    conv = nn.Conv2d(2, 1, side, padding=side // 2)
    block.conv = nn.Sequential(nn.BatchNorm2d(2, affine=False), conv)  # type: ignore[assignment]
    return _start_at_zero(block, conv)


def build_cbam(shape: MapShape, *, reduction: float, kernel: float) -> nn.Module:
    """CBAM: a gate for each channel, from means and maxima over the places, then one for each place.

    Source: Woo et al., CBAM, ECCV 2018, eqs. 1 to 3; the gates twice as wide, the hidden units normed.
    """
    hidden = _hidden(shape, reduction)
    channel = ChannelAttn(shape.channels, rd_channels=hidden, gate_layer=Gate)
    channel.fc1 = nn.Sequential(channel.fc1, LayerNorm2d(hidden))  # type: ignore[assignment]
    return nn.Sequential(_start_at_zero(channel, channel.fc2), build_spatial(shape, kernel=kernel))


def _hidden(shape: MapShape, reduction: float) -> int:
    return max(shape.channels // int(reduction), 4)


def _start_at_zero(block: nn.Module, last: nn.Module) -> nn.Module:
    """The block, its last layer zero."""
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return block
