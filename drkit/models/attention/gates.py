"""Gates that scale the channels or positions of a feature map; before training they do not change the map.

The values of feature maps are rarely negative, so the gradients of all weights that a gate applies to a map have the
same sign. The blocks therefore contain a norm that removes this common component. Without it, a few steps can switch
off a gate's hidden units for good, or close all gates.
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
    """Twice the sigmoid: a factor in (0, 2), which is 1 for input 0.

    Therefore, a preceding layer that is initialised to zero does not change the map, but has a gradient from the first
    step.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute factors of the same shape as the inputs."""
        return 2 * torch.sigmoid(inputs)


def build_se(shape: MapShape, *, reduction: float) -> nn.Module:
    """Build squeeze-and-excitation: a gate for each channel, computed from the means of all channels.

    Source: Hu, Shen and Sun, Squeeze-and-excitation networks, CVPR 2018, eqs. 2 to 4, with gates in (0, 2) and
    normalised hidden units.
    """
    hidden = _hidden(shape, reduction)
    block = SqueezeExcite(shape.channels, rd_channels=hidden, norm_layer=LayerNorm2d, gate_layer=Gate)
    return _start_at_zero(block, block.fc2)


def build_eca(shape: MapShape) -> nn.Module:
    """Build efficient channel attention: a gate for each channel, computed from the means of neighbouring channels.

    Source: Wang et al., ECA-Net, CVPR 2020, eqs. 5 and 12, with gates in (0, 2).
    """
    block = EcaModule(shape.channels, gate_layer=Gate)
    return _start_at_zero(block, block.conv)


def build_spatial(shape: MapShape, *, kernel: float) -> nn.Module:
    """Build CBAM's spatial attention: a gate for each position, computed from channel means and maxima around it.

    Source: Woo et al., CBAM, ECCV 2018, eq. 3, with gates in (0, 2) and the norm before the convolution instead of
    after it, so that the convolution can be initialised to zero.

    Raises:
        UsageError: the kernel size is even.
    """
    side = int(kernel)
    if side % 2 == 0:
        raise UsageError(f"attention block spatial: kernel={side} must be odd: use {side - 1} or {side + 1}")
    block = SpatialAttn(side, gate_layer=Gate)
    conv = nn.Conv2d(2, 1, side, padding=side // 2)
    block.conv = nn.Sequential(nn.BatchNorm2d(2, affine=False), conv)  # type: ignore[assignment]
    return _start_at_zero(block, conv)


def build_cbam(shape: MapShape, *, reduction: float, kernel: float) -> nn.Module:
    """Build CBAM: a gate for each channel, computed from means and maxima, followed by a gate for each position.

    Source: Woo et al., CBAM, ECCV 2018, eqs. 1 to 3, with gates in (0, 2) and normalised hidden units.
    """
    hidden = _hidden(shape, reduction)
    channel = ChannelAttn(shape.channels, rd_channels=hidden, gate_layer=Gate)
    channel.fc1 = nn.Sequential(channel.fc1, LayerNorm2d(hidden))  # type: ignore[assignment]
    return nn.Sequential(_start_at_zero(channel, channel.fc2), build_spatial(shape, kernel=kernel))


def _hidden(shape: MapShape, reduction: float) -> int:
    return max(shape.channels // int(reduction), 4)


def _start_at_zero(block: nn.Module, last: nn.Module) -> nn.Module:
    """Set the parameters of a block's last layer to zero, and return the block."""
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return block
