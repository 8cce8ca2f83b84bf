"""Self-attention: each place of a feature map adds what it finds in the others; at first it adds nothing."""

import torch
from timm.layers.norm import LayerNorm2d
from timm.layers.pos_embed_rel import RelPosBias
from torch import Tensor, nn

from drkit.models.attention.shape import MapShape


class SelfAttention2d(nn.Module):
    """Each place looks at all places and adds a weighted mean of what it finds there.

    Args:
        shape: Of the map.
        heads: Comparisons side by side.
        reduction: C / the number of channels in which places are compared, rounded to a multiple of the heads.
        position: What is added to the comparisons of two places for where they lie to each other; None: nothing.
    """

    def __init__(self, shape: MapShape, heads: int, reduction: int, position: nn.Module | None) -> None:
        super().__init__()
        size = max(shape.channels // reduction // heads, 1)  # channels of a head
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
        """Maps (P, C, h, w), normed, to what each place gives to each: (P, heads, h * w, h * w), rows summing to 1."""
        queries, keys = self._split(self.look(normed), 2 * self.heads).chunk(2, 1)  # (P, heads, d, h * w)
        alike = torch.einsum("phdq,phdk->phqk", queries * self.scale, keys)
        return self.softmax(self.position(alike))

    def forward(self, maps: Tensor) -> Tensor:
        """(P, C, h, w) to the same."""
        normed = self.norm(maps)
        values = self._split(self.value(normed), self.heads)
        found = torch.einsum("phqk,phdk->phdq", self.weights(normed), values)
        return maps + self.output(found.flatten(1, 2).unflatten(2, maps.shape[2:]))

    def _split(self, maps: Tensor, parts: int) -> Tensor:
        """(P, parts * d, h, w) to (P, parts, d, h * w)."""
        return maps.unflatten(1, (parts, -1)).flatten(3)


def build_self(shape: MapShape, *, heads: float, reduction: float) -> nn.Module:
    """Multi-head self-attention over the places, with a learned bias for where two lie to each other.

    Source: Vaswani et al., Attention is all you need, NeurIPS 2017, eq. 1; the bias: Liu et al., Swin Transformer,
    ICCV 2021, eq. 4.
    """
    position = RelPosBias((shape.height, shape.width), int(heads))
    return SelfAttention2d(shape, int(heads), int(reduction), position)


def build_nonlocal(shape: MapShape, *, reduction: float) -> nn.Module:
    """A non-local block: one comparison, wherever the places lie.

    Source: Wang et al., Non-local neural networks, CVPR 2018, eqs. 1 and 6 with the embedded Gaussian of eq. 3;
    scaled and normed as self-attention, where the paper has a batch norm behind.
    """
    return SelfAttention2d(shape, 1, int(reduction), None)
