"""The input and output of filters: a photograph with its fundus disc and the colour of its surround."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.disc import Box, Disc
from drkit.images.files import Photograph
from drkit.images.surround import surround_colour

RIM = 0.98  # of the radius: beyond it the retina mixes with the surround
CUT_WIDTH = 2  # pixels at a straight cut, where scaling mixed retina and surround
NO_FRACTIONS = np.empty(0, np.uint16)  # of a map of whole pixels
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Fundus:
    """The input and output of filters.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        disc: The photograph's fundus disc; None if it is unknown, so that the whole photograph counts as retina.
        surround: RGB colour of the surround, and of padding.
    """

    photograph: Photograph
    disc: Disc | None
    surround: Colour

    @classmethod
    def of(cls, photograph: Photograph, disc: Disc | None) -> "Fundus":
        """A photograph with the colour of its surround measured in the corners."""
        red, green, blue = (round(float(value)) for value in surround_colour(photograph))
        return cls(photograph, disc, (red, green, blue))

    @property
    def radius(self) -> float:
        """Radius of the disc in pixels, or half the longer side if the disc is unknown."""
        return self.disc.radius if self.disc else max(self.photograph.shape[:2]) / 2

    def mask(self) -> NDArray[np.uint8] | None:
        """uint8 (H, W), 255 inside the disc and 0 outside; None if the disc is unknown."""
        height, width = self.photograph.shape[:2]
        return _mask(self.disc, height, width) if self.disc else None

    def extended(self) -> Photograph:
        """The photograph with the retina mirrored at the disc's rim over the surround.

        Filters of neighbourhoods do not see the edge of the disc then, and make no ring along it.
        """
        if self.disc is None:
            return self.photograph
        height, width = self.photograph.shape[:2]
        source = _mirror(_to_whole_pixels(self.disc), height, width)
        return cv2.remap(self.photograph, source, NO_FRACTIONS, cv2.INTER_NEAREST).astype(np.uint8, copy=False)

    def with_retina(self, filtered: Photograph) -> "Fundus":
        """Replace the retina by that of `filtered` (H, W, 3), and keep the surround."""
        mask = self.mask()
        if mask is None:
            return replace(self, photograph=filtered)
        mixed = self.photograph.copy()
        cv2.copyTo(filtered, mask, mixed)
        return replace(self, photograph=mixed)

    def with_surround(self, colour: Colour) -> "Fundus":
        """Paint everything outside the disc."""
        mask = self.mask()
        if mask is None:
            return self
        height, width = self.photograph.shape[:2]
        row = np.tile(np.array(colour, np.uint8), width)
        painted = np.tile(row, (height, 1)).reshape(height, width, 3)
        cv2.copyTo(self.photograph, mask, painted)
        return Fundus(painted, self.disc, colour)


@lru_cache(maxsize=8)
def _mask(disc: Disc, height: int, width: int) -> NDArray[np.uint8]:
    return disc.mask(height, width).astype(np.uint8) * np.uint8(255)


def _to_whole_pixels(disc: Disc) -> Disc:
    """Round a disc to whole pixels, so that the nearly equal discs of cropped photographs share one cached map."""
    return Disc(round(disc.x), round(disc.y), round(disc.radius_x), round(disc.radius_y), disc.box)


@lru_cache(maxsize=8)
def _mirror(disc: Disc, height: int, width: int) -> NDArray[np.int16]:
    """(H, W, 2) column and row of each pixel's source: the pixel itself or, beyond the rim, its mirror image."""
    box = Box(*(edge + sign * CUT_WIDTH for edge, sign in zip(disc.box.edges, (1, 1, -1, -1), strict=True)))
    rim = replace(disc, radius_x=disc.radius_x * RIM, radius_y=disc.radius_y * RIM, box=box)
    source = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.int16)
    beyond = ~rim.mask(height, width)
    rows, columns = np.nonzero(beyond)
    across, down = (columns + 0.5 - disc.x) / rim.radius_x, (rows + 0.5 - disc.y) / rim.radius_y
    rho = np.hypot(across, down)
    scale = np.where(rho > 1, np.maximum(2 - rho, 0) / np.maximum(rho, 1), 1)
    x = _reflect(disc.x + across * scale * rim.radius_x, box.left, box.right)
    y = _reflect(disc.y + down * scale * rim.radius_y, box.top, box.bottom)
    source[beyond] = np.stack([x, y], axis=1)
    return source


def _reflect(position: NDArray[np.floating], first: int, end: int) -> NDArray[np.intp]:
    """Integer positions in [first, end); positions outside are mirrored at the nearer end."""
    folded = np.where(position < first, 2 * first - position, position)
    folded = np.where(folded > end, 2 * end - folded, folded)
    return np.clip(folded.astype(np.intp), first, end - 1)
