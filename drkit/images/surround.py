"""What lies about the fundus disc: the colour that the corners of a photograph show."""

import numpy as np
from numpy.typing import NDArray

CORNER_SHARE = 1 / 32  # of a side: the patches that show the surround's colour

Pixels = NDArray[np.uint8]


def corners(pixels: Pixels, num_a_side: int | None = None) -> Pixels:
    """Pixels of the four corners of (H, W, 3) or (H, W): (n, 3) or (n,).

    Args:
        pixels: The photograph.
        num_a_side: Leave out columns and rows, so that at most so many of each corner are taken; None: all.
    """
    height, width = pixels.shape[:2]
    tall, wide = max(1, int(height * CORNER_SHARE)), max(1, int(width * CORNER_SHARE))
    down, across = -(-tall // (num_a_side or tall)), -(-wide // (num_a_side or wide))
    patches = [pixels[rows, columns].reshape(-1, *pixels.shape[2:])
               for rows in (slice(None, tall, down), slice(-tall, None, down))
               for columns in (slice(None, wide, across), slice(-wide, None, across))]  # fmt: skip
    return np.concatenate(patches)


def surround_colour(photograph: Pixels) -> NDArray[np.float64]:
    """Median colour (3,) of the four corners of a photograph (H, W, 3)."""
    low, high = _middle(corners(photograph))
    return (low.astype(np.float64) + high) / 2


def middle_colour(pixels: Pixels) -> tuple[int, int, int]:
    """Median colour of pixels (n, 3) in whole grey levels, rounded down."""
    red, green, blue = ((low + high) // 2 for low, high in zip(*_middle(pixels).tolist(), strict=True))
    return red, green, blue


def _middle(pixels: Pixels) -> Pixels:
    """The middle two (2, 3) of pixels (n, 3), channel by channel; of four corners there is an even number."""
    return np.sort(pixels, axis=0)[len(pixels) // 2 - 1 : len(pixels) // 2 + 1]
