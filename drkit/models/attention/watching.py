"""Record the gates and attention weights of attention blocks while they run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from drkit.models.attention.building import AttentionChain
from drkit.models.attention.comparing import SelfAttention2d
from drkit.models.attention.gates import Gate

AttentionAxis = Literal["channels", "positions", "pairs"]


@dataclass(frozen=True)
class BlockAttention:
    """Gates or attention weights of a block for P photographs.

    Args:
        name: Name of the block.
        kind: `channels` or `positions`, gates in (0, 2) of channels or positions; `pairs`, attention weights between
            positions.
        values: (P, C) gates of channels, (P, h, w) gates of positions, or (P, heads, h * w, h * w) attention weights
            with rows that sum to 1.
    """

    name: str
    kind: AttentionAxis
    values: Tensor


def watch(attention: nn.Module, maps: Tensor) -> list[BlockAttention]:
    """Run attention on maps (P, C, h, w), and return the gates and attention weights in the order of execution."""
    if not isinstance(attention, AttentionChain):
        return []
    recorded = []
    with torch.no_grad():
        for name, block in zip(attention.names, attention, strict=True):
            with _recording(block) as outputs:
                maps = block(maps)
            recorded += [_describe(name, block, values) for values in outputs]
    return recorded


@contextmanager
def _recording(block: nn.Module) -> Iterator[list[Tensor]]:
    """Record the outputs of a block's gates, or of its softmax, within the context."""
    outputs: list[Tensor] = []
    modules = [module for module in block.modules() if isinstance(module, Gate | nn.Softmax)]
    hooks = [module.register_forward_hook(lambda *arguments: outputs.append(arguments[2])) for module in modules]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _describe(name: str, block: nn.Module, values: Tensor) -> BlockAttention:
    if isinstance(block, SelfAttention2d):
        return BlockAttention(name, "pairs", values)
    if values.ndim == 3 or values.shape[2:] == (1, 1):  # (P, 1, C) or (P, C, 1, 1)
        return BlockAttention(name, "channels", values.flatten(1))
    return BlockAttention(name, "positions", values.squeeze(1))
