"""The background around the fundus disc, whose colour the corners of a photograph show."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CORNER_SHARE = 1 / 32  # share of a side: the corner patches

Pixels = NDArray[np.uint8]


def corners(pixels: Pixels, num_a_side: int | None = None) -> Pixels:
    """The pixels of the four corners of a photograph (H, W, 3) or a plane (H, W), as (n, 3) or (n,).

    Args:
        pixels: The photograph.
        num_a_side: Largest number of columns and rows of each corner; None for all.
    """
    height, width = pixels.shape[:2]
    rows, columns = _ends(height, num_a_side), _ends(width, num_a_side)
    return pixels[rows[:, None], columns].reshape(-1, *pixels.shape[2:])


def surround_colour(photograph: Pixels) -> NDArray[np.float64]:
    """Median colour (3,) of the four corners of a photograph (H, W, 3)."""
    pixels = np.sort(corners(photograph), axis=0)
    middle = len(pixels) // 2  # the number is even
    return (pixels[middle - 1].astype(np.float64) + pixels[middle]) / 2


@lru_cache(maxsize=64)
def _ends(length: int, at_most: int | None) -> NDArray[np.intp]:
    """Indices of the pixels at both ends of a side that belong to its corners."""
    patch = max(1, int(length * CORNER_SHARE))
    first = np.arange(0, patch, -(-patch // (at_most or patch)))
    return np.concatenate([first, length - patch + first])
