"""A pixel grid of the part of the retina that is visible in any view."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.synthetic.anatomy import DISC_DISTANCE, Points

Layer = NDArray[np.uint8]  # (h, w), coverage of each pixel, 0-255
Field = NDArray[np.float32]  # (h, w)
ColourImage = NDArray[np.float32]  # (h, w, 3) RGB, 1 is white

HALF_WIDTH, HALF_HEIGHT = DISC_DISTANCE / 2 + 1.15, 1.15  # of the canvas, in radii of the fundus disc
_SHIFT = 4  # OpenCV takes outlines in 1/16 pixels


@dataclass(frozen=True)
class Canvas:
    """Mapping from points of the retina to pixels.

    Args:
        middle: Centre of the canvas, (2,), in radii of the fundus disc from the fovea.
        scale: Pixels per radius of the fundus disc.
    """

    middle: NDArray[np.float64]
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return round(2 * HALF_HEIGHT * self.scale), round(2 * HALF_WIDTH * self.scale)

    def to_pixels(self, points: Points) -> Points:
        """Convert points of the retina, (n, 2), to pixel coordinates (x, y)."""
        height, width = self.shape
        return (points - self.middle) * self.scale + np.array([(width - 1) / 2, (height - 1) / 2])

    def blank(self) -> Layer:
        """An empty layer."""
        return np.zeros(self.shape, np.uint8)

    def fill(self, layer: Layer, outline: Points, value: int = 255) -> None:
        """Fill a closed outline, (n, 2), with smooth edges."""
        corners = np.round(self.to_pixels(outline) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(layer, [corners], value, cv2.LINE_AA, _SHIFT)

    def soften(self, layer: Layer, sigma: float) -> Field:
        """Blur a layer with a Gaussian of `sigma` radii of the fundus disc, and scale it to 0-1."""
        field = layer.astype(np.float32) / 255
        return np.asarray(cv2.GaussianBlur(field, (0, 0), max(sigma * self.scale, 0.3)), np.float32)

    def coarser(self, times: int) -> "Canvas":
        """The same area with fewer pixels."""
        return Canvas(self.middle, self.scale / times)

    def window(self, centre: NDArray[np.float64], radius: float) -> tuple[slice, slice]:
        """Return the rows and columns within `radius` of a point."""
        x, y = self.to_pixels(centre[None])[0]
        reach, (height, width) = radius * self.scale, self.shape
        rows = slice(max(0, int(y - reach)), min(height, int(y + reach) + 2))
        return rows, slice(max(0, int(x - reach)), min(width, int(x + reach) + 2))

    def distance_from(self, centre: NDArray[np.float64], aspect: float = 1.0) -> Field:
        """Distance of each pixel from a point, in radii of the fundus disc, with heights divided by `aspect`."""
        height, width = self.shape
        x0, y0 = self.to_pixels(centre[None])[0]
        x = (np.arange(width, dtype=np.float32) - np.float32(x0)) / np.float32(self.scale)
        y = (np.arange(height, dtype=np.float32) - np.float32(y0)) / np.float32(self.scale * aspect)
        return np.sqrt(x[None, :] ** 2 + y[:, None] ** 2)


def clouds(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> Field:
    """Draw smooth noise with mean 0 and standard deviation 1, approximately, and `cells` cells along the height."""
    height, width = shape
    coarse = rng.standard_normal((cells, max(2, cells * width // height)), dtype=np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth * np.float32(1.4), np.float32)


def step_down(distance: Field, radius: float, softness: float) -> Field:
    """1 inside `radius`, 0 outside, with a soft edge."""
    return np.clip((radius - distance) / softness + 0.5, 0, 1).astype(np.float32)


def encode_mask(mask: Layer) -> bytes:
    """Encode a mask, uint8 (h, w), as a grey PNG."""
    return cv2.imencode(".png", mask)[1].tobytes()
