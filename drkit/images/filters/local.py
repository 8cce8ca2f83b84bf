"""Filters that compare a pixel with its neighbours, inside the disc."""

from dataclasses import replace

import cv2
import numpy as np

from drkit.images.disc import Box, Disc
from drkit.images.files import Photograph
from drkit.images.filters.frame import scale_to
from drkit.images.filters.fundus import Fundus

GREY = 128
SMALL_SIGMA = 2.0  # pixels: a wide blur is computed on a reduced copy, with a sigma of one to two times this


def blur(fundus: Fundus, *, sigma: float = 1.0) -> Fundus:
    """Blur the retina without mixing in the surround.

    Args:
        fundus: Photograph with or without a known disc.
        sigma: Standard deviation of the Gaussian, in pixels.
    """
    return fundus.with_retina(gaussian(fundus.extended(), sigma))


def sharpen(fundus: Fundus, *, sigma: float = 2.0, amount: float = 1.0) -> Fundus:
    """Add `amount` times the difference to a blurred copy (unsharp mask).

    Args:
        fundus: Photograph with or without a known disc.
        sigma: Standard deviation of the Gaussian, in pixels.
        amount: 0 changes nothing.
    """
    photograph = fundus.extended()
    sharper = cv2.addWeighted(photograph, 1 + amount, gaussian(photograph, sigma), -amount, 0)
    return fundus.with_retina(sharper.astype(np.uint8, copy=False))


def ben_graham(
    fundus: Fundus, *, radius: int = 0, weight: float = 4.0, blur: float = 30.0, clip: float = 0.9
) -> Fundus:
    """Subtract the local mean colour: weight * (I - Gaussian(I, R / blur)) + 128, grey beyond `clip` of the radius R.

    Args:
        fundus: Photograph with or without a known disc.
        radius: Radius R in pixels to which the disc is scaled first; 0 for no scaling.
        weight: Gain of the contrast.
        blur: Ratio of R to the standard deviation of the Gaussian.
        clip: Share of the radius that is kept.

    Source: B. Graham, Kaggle Diabetic Retinopathy Detection competition report (2015), section 2.
    """
    if radius:
        scale = radius / fundus.radius
        height, width = (max(1, round(side * scale)) for side in fundus.photograph.shape[:2])
        fundus = scale_to(fundus, width, height)
    photograph = fundus.extended()
    mean = _wide_gaussian(photograph, fundus.radius / blur)  # float32 (H, W, 3)
    flat = cv2.addWeighted(photograph, weight, mean, -weight, GREY, dtype=cv2.CV_8U)
    disc = _shrink_disc(fundus.disc, clip) if fundus.disc else None
    levelled = replace(fundus, photograph=flat.astype(np.uint8, copy=False), disc=disc)
    return levelled.with_surround((GREY, GREY, GREY))


def gaussian(photograph: Photograph, sigma: float) -> Photograph:
    """Blur (H, W, 3) with a Gaussian of `sigma` pixels, its borders mirrored."""
    return cv2.GaussianBlur(photograph, (0, 0), sigma, borderType=cv2.BORDER_REFLECT).astype(np.uint8, copy=False)


def _wide_gaussian(photograph: Photograph, sigma: float) -> np.ndarray:
    """float32 (H, W, 3): a Gaussian computed on a reduced copy, within a grey level of the exact one."""
    height, width = photograph.shape[:2]
    factor = 2 ** max(0, int(np.log2(sigma / SMALL_SIGMA)))  # powers of two average areas fastest
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA)
    # Area averaging and linear interpolation also blur: variances of 1/12 and 1/6 of a reduced pixel.
    rest = max(0.3, (sigma / factor) ** 2 - (1 / 4 if factor > 1 else 0)) ** 0.5
    blurred = cv2.GaussianBlur(small.astype(np.float32), (0, 0), rest, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)


def _shrink_disc(disc: Disc, share: float) -> Disc:
    """Scale a disc by `share` about its centre, and clip its box to it."""
    shrunk = replace(disc, radius_x=disc.radius_x * share, radius_y=disc.radius_y * share)
    box = Box(
        max(disc.box.left, int(disc.x - shrunk.radius_x)),
        max(disc.box.top, int(disc.y - shrunk.radius_y)),
        min(disc.box.right, int(disc.x + shrunk.radius_x) + 1),
        min(disc.box.bottom, int(disc.y + shrunk.radius_y) + 1),
    )
    return replace(shrunk, box=box)
