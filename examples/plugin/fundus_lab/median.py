"""A filter that removes dust and hot pixels."""

import cv2
import numpy as np

from drkit.images.filters.fundus import Fundus


def median(fundus: Fundus, *, radius: int = 1) -> Fundus:
    """Replace each pixel of the retina by the median of its neighbours.

    Args:
        fundus: The photograph and its disc.
        radius: Radius of the square neighbourhood in pixels.
    """
    filtered = cv2.medianBlur(fundus.extended(), 2 * int(radius) + 1)
    return fundus.with_retina(filtered.astype(np.uint8, copy=False))
