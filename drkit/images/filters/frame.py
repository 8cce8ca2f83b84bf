"""Filters that crop and scale."""

from dataclasses import replace

import cv2
import numpy as np

from drkit.images.disc import Box, Disc, cut
from drkit.images.files import Photograph
from drkit.images.filters.fundus import Fundus

BLACK = (0, 0, 0)
SAME_FRAME = 1.0  # pixels: tolerance for a square about the disc that is the whole photograph


def circle_crop(fundus: Fundus, *, margin: float = 0.0) -> Fundus:
    """Crop to the square about the disc, and make everything outside the disc black.

    A photograph without a known disc is padded to a square.

    Args:
        fundus: Photograph with or without a known disc.
        margin: Margin about the disc, in radii.
    """
    return crop(fundus, margin=margin).with_surround(BLACK)


def crop(fundus: Fundus, *, margin: float = 0.0) -> Fundus:
    """Cut to the square about the disc; parts beyond the photograph get the surround's colour.

    A squashed disc is made round first. A photograph without a known disc is padded to a square.

    Args:
        fundus: Photograph with or without a known disc.
        margin: Margin about the disc, in radii.
    """
    fundus = _round(fundus)
    if fundus.disc is None:
        return _pad(fundus)
    side = max(1, round(2 * fundus.radius * (1 + margin)))
    left, top = fundus.disc.x - side / 2, fundus.disc.y - side / 2
    if fundus.photograph.shape[:2] == (side, side) and max(abs(left), abs(top)) < SAME_FRAME:
        return fundus
    return _cut(fundus, round(left), round(top), side)


def resize(fundus: Fundus, *, size: int = 512) -> Fundus:
    """Scale the longer side to `size`, averaging areas, and pad to a square with the surround's colour.

    Args:
        fundus: Photograph with or without a known disc.
        size: Side of the result in pixels.
    """
    height, width = fundus.photograph.shape[:2]
    scale = size / max(height, width)
    return _pad(scale_to(fundus, max(1, round(width * scale)), max(1, round(height * scale))))


def scale_to(fundus: Fundus, width: int, height: int) -> Fundus:
    """Scale to (height, width), averaging areas if that shrinks the photograph."""
    old_height, old_width = fundus.photograph.shape[:2]
    if (old_height, old_width) == (height, width):
        return fundus
    shrinks = width < old_width or height < old_height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    scaled: Photograph = cv2.resize(fundus.photograph, (width, height), interpolation=how).astype(np.uint8, copy=False)
    disc = _scale_disc(fundus.disc, width / old_width, height / old_height) if fundus.disc else None
    return replace(fundus, photograph=scaled, disc=disc)


def _round(fundus: Fundus) -> Fundus:
    """Stretch the shorter radius of a squashed disc to the longer."""
    if fundus.disc is None:
        return fundus
    height, width = fundus.photograph.shape[:2]
    across, down = fundus.disc.stretch
    return scale_to(fundus, round(width * across), round(height * down))


def _pad(fundus: Fundus) -> Fundus:
    """Pad to a square with the photograph in its middle."""
    height, width = fundus.photograph.shape[:2]
    side = max(height, width)
    return fundus if height == width else _cut(fundus, -((side - width) // 2), -((side - height) // 2), side)


def _cut(fundus: Fundus, left: int, top: int, side: int) -> Fundus:
    colour = np.array(fundus.surround, np.float64)
    disc = _shift_disc(fundus.disc, left, top, side) if fundus.disc else None
    return replace(fundus, photograph=cut(fundus.photograph, left, top, side, side, colour), disc=disc)


def _scale_disc(disc: Disc, across: float, down: float) -> Disc:
    box = Box(
        round(disc.box.left * across),
        round(disc.box.top * down),
        round(disc.box.right * across),
        round(disc.box.bottom * down),
    )
    return Disc(disc.x * across, disc.y * down, disc.radius_x * across, disc.radius_y * down, box)


def _shift_disc(disc: Disc, left: int, top: int, side: int) -> Disc:
    box = disc.box
    moved = Box(
        max(0, box.left - left),
        max(0, box.top - top),
        min(side, box.right - left),
        min(side, box.bottom - top),
    )
    return replace(disc, x=disc.x - left, y=disc.y - top, box=moved)
