"""The shape of a backbone's feature map."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MapShape:
    """The shape of a feature map (C, h, w), for which attention blocks are built.

    Args:
        channels: Number of channels C.
        height: Height h.
        width: Width w.
    """

    channels: int
    height: int
    width: int
