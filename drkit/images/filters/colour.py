"""Filters of colour and contrast, inside the disc."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.filters.fundus import Fundus

MAX_GAIN = 8.0  # largest gain of a channel; an empty channel stays empty


def clahe(fundus: Fundus, *, clip: float = 2.0, tiles: int = 8) -> Fundus:
    """Even out the local contrast of the luminance.

    Works on L of CIE L*a*b*; tiles at the rim contain mirrored retina instead of the surround.

    Args:
        fundus: Photograph with or without a known disc.
        clip: Limit of the contrast, in mean heights of a histogram bin.
        tiles: Number of tiles per side.

    Source: Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994).
    """
    lab = cv2.cvtColor(fundus.extended(), cv2.COLOR_RGB2LAB)
    lightness = cv2.extractChannel(lab, 0)
    cv2.insertChannel(cv2.createCLAHE(clip, (tiles, tiles)).apply(lightness), lab, 0)
    return fundus.with_retina(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(np.uint8, copy=False))


def gamma(fundus: Fundus, *, gamma: float = 1.5) -> Fundus:
    """Raise every value to the power 1 / gamma, on a scale from 0 to 1.

    Args:
        fundus: Photograph with or without a known disc.
        gamma: Above 1 brightens, below 1 darkens.
    """
    levels = np.linspace(0, 1, 256)
    return _look_up(fundus, np.repeat((255 * levels ** (1 / gamma))[:, None], 3, axis=1))


def green(fundus: Fundus) -> Fundus:
    """Replace all three channels by the green one; the surround turns grey as well."""
    channel = cv2.extractChannel(fundus.photograph, 1)
    level = fundus.surround[1]
    grey = cv2.merge([channel] * 3).astype(np.uint8, copy=False)
    return replace(fundus, photograph=grey, surround=(level, level, level))


def grey_world(fundus: Fundus, *, strength: float = 1.0) -> Fundus:
    """Scale the channels so that their means inside the disc are equal.

    Args:
        fundus: Photograph with or without a known disc.
        strength: Exponent of the gains: 0 changes nothing, 1 makes the means equal.

    Source: Buchsbaum, A spatial processor model for object colour perception, J. Franklin Inst. 310 (1980).
    """
    means = np.array(cv2.mean(fundus.photograph, fundus.mask())[:3])  # (3,)
    gains = np.clip(means.mean() / np.maximum(means, 1e-6), 1 / MAX_GAIN, MAX_GAIN) ** strength
    return _look_up(fundus, np.arange(256)[:, None] * gains)


def _look_up(fundus: Fundus, values: NDArray[np.float64]) -> Fundus:
    """Replace the level k of channel c inside the disc by values[k, c] of (256, 3)."""
    table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return fundus.with_retina(cv2.LUT(fundus.photograph, table[None]).astype(np.uint8, copy=False))
