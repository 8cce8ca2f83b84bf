"""What attention blocks decide, read off while they work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from drkit.models.attention.building import AttentionChain
from drkit.models.attention.comparing import SelfAttention2d
from drkit.models.attention.gates import Gate

AttentionAxis = Literal["channels", "places", "pairs"]


@dataclass(frozen=True)
class BlockAttention:
    """What one block decided about P photographs.

    Args:
        name: The block's.
        kind: channels: a factor between 0 and 2 each; places: likewise; pairs: what each place gives to each.
        values: (P, C), (P, h, w), or (P, heads, h * w, h * w) with rows summing to 1.
    """

    name: str
    kind: AttentionAxis
    values: Tensor


def watch(attention: nn.Module, maps: Tensor) -> list[BlockAttention]:
    """What each gate and each comparison of places decides about maps (P, C, h, w), in the order of working."""
    if not isinstance(attention, AttentionChain):
        return []
    found = []
    with torch.no_grad():
        for name, block in zip(attention.names, attention, strict=True):
            with _listening(block) as heard:
                maps = block(maps)
            found += [_describe(name, block, values) for values in heard]
    return found


@contextmanager
def _listening(block: nn.Module) -> Iterator[list[Tensor]]:
    """Outputs of the block's gates, or of its softmax."""
    heard: list[Tensor] = []
    telling = [module for module in block.modules() if isinstance(module, Gate | nn.Softmax)]
    hooks = [module.register_forward_hook(lambda *given: heard.append(given[2])) for module in telling]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _describe(name: str, block: nn.Module, values: Tensor) -> BlockAttention:
    if isinstance(block, SelfAttention2d):
        return BlockAttention(name, "pairs", values)
    if values.ndim == 3 or values.shape[2:] == (1, 1):  # (P, 1, C) or (P, C, 1, 1)
        return BlockAttention(name, "channels", values.flatten(1))
    return BlockAttention(name, "places", values.squeeze(1))
