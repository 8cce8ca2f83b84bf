"""The shape of a backbone's feature map."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MapShape:
    """What an attention block is built for.

    Args:
        channels: C.
        height: h, in places.
        width: w, in places.
    """

    channels: int
    height: int
    width: int
