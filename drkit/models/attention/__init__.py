"""Attention: blocks between backbone and pool that say which channels or places of the feature map count."""

from drkit.models.attention.building import AttentionChain, build_attention
from drkit.models.attention.shape import MapShape
from drkit.models.attention.watching import BlockAttention, watch

__all__ = ["AttentionChain", "BlockAttention", "MapShape", "build_attention", "watch"]
