"""Self-attention between the positions of a feature map; before training it does not change the map."""

import torch
from timm.layers.norm import LayerNorm2d
from timm.layers.pos_embed_rel import RelPosBias
from torch import Tensor, nn

from drkit.models.attention.shape import MapShape


class SelfAttention2d(nn.Module):
    """Adds to each position a weighted mean of the values at all positions.

    Args:
        shape: Shape of the feature map.
        heads: Number of attention heads.
        reduction: Ratio of the map's channels to the channels of all heads together, which are rounded down to a
            multiple of the heads.
        position: Module that adds a bias for the relative position to the similarities; None for no bias.
    """

    def __init__(self, shape: MapShape, heads: int, reduction: int, position: nn.Module | None) -> None:
        super().__init__()
        size = max(shape.channels // reduction // heads, 1)  # channels of each head
        self.heads, self.scale = heads, size**-0.5
        self.norm = LayerNorm2d(shape.channels)
        self.look = nn.Conv2d(shape.channels, 2 * heads * size, 1)  # queries and keys
        self.value = nn.Conv2d(shape.channels, heads * size, 1)
        self.position = position or nn.Identity()
        self.softmax = nn.Softmax(-1)
        self.output = nn.Conv2d(heads * size, shape.channels, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def weights(self, normed: Tensor) -> Tensor:
        """Compute attention weights (P, heads, h * w, h * w), rows summing to 1, of normalised maps (P, C, h, w)."""
        queries, keys = self._split(self.look(normed), 2 * self.heads).chunk(2, 1)  # (P, heads, d, h * w)
        similarities = torch.einsum("phdq,phdk->phqk", queries * self.scale, keys)
        return self.softmax(self.position(similarities))

    def forward(self, maps: Tensor) -> Tensor:
        """Apply attention to feature maps (P, C, h, w); the shape does not change."""
        normed = self.norm(maps)
        values = self._split(self.value(normed), self.heads)
        attended = torch.einsum("phqk,phdk->phdq", self.weights(normed), values)
        return maps + self.output(attended.flatten(1, 2).unflatten(2, maps.shape[2:]))

    def _split(self, maps: Tensor, parts: int) -> Tensor:
        """Split maps (P, parts * d, h, w) into (P, parts, d, h * w)."""
        return maps.unflatten(1, (parts, -1)).flatten(3)


def build_self(shape: MapShape, *, heads: float, reduction: float) -> nn.Module:
    """Build multi-head self-attention with a learned bias for the relative position.

    Source: Vaswani et al., Attention is all you need, NeurIPS 2017, eq. 1; bias: Liu et al., Swin Transformer, ICCV
    2021, eq. 4.
    """
    position = RelPosBias((shape.height, shape.width), int(heads))
    return SelfAttention2d(shape, int(heads), int(reduction), position)


def build_nonlocal(shape: MapShape, *, reduction: float) -> nn.Module:
    """Build a non-local block: self-attention with one head and without a bias for the position.

    Source: Wang et al., Non-local neural networks, CVPR 2018, eqs. 1 and 6 with the embedded Gaussian of eq. 3; scaled
    and normalised as self-attention, whereas the paper has a batch norm after the output.
    """
    return SelfAttention2d(shape, 1, int(reduction), None)
