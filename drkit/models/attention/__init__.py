"""Attention blocks between backbone and pool, which weight the channels or positions of the feature map."""

from drkit.models.attention.building import AttentionChain, build_attention
from drkit.models.attention.shape import MapShape
from drkit.models.attention.watching import BlockAttention, watch

__all__ = ["AttentionChain", "BlockAttention", "MapShape", "build_attention", "watch"]
