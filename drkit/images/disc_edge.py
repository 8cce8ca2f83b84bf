"""Find the edge of the fundus disc along rays, which sample few pixels of a photograph."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.files import Photograph
from drkit.images.surround import corners

DARK_SHARE = 0.12  # share of the retina's distance from the surround below which a pixel counts as surround
MIN_NOISE, MAX_NOISE = 5, 10  # grey levels: the least and the most that a surround is assumed to vary
NOISE_MARGIN = 3  # grey levels above the noise of the corners
MAX_LEVEL = 20  # grey levels: a pixel that differs more from the surround is retina
CORNER_PIXELS = 6  # samples per side of each corner
NUM_RAYS = 96
NUM_SAMPLES = 96  # per ray
GOLDEN = (5**0.5 - 1) / 2  # the fractional parts of its multiples are evenly spread
REACH_FACTOR = 1.05  # ratio of neighbouring lengths of rays, of which few are computed and cached
SHORT = NUM_SAMPLES / 3  # samples: if half of the rays end earlier, the disc is small or far from the middle
SECOND_REACH = 1.5  # length of the second rays, in half diagonals of the first edge points' bounding box
INSIDE_EDGE = 3  # samples inside the edge at which the brightness of the retina is measured
FRAME_MARGIN = 1 / 128  # share of the longer side: an edge point nearer to the border belongs to a cut

Points = NDArray[np.float64]  # (P, 2) x and y
Levels = NDArray[np.uint8]  # distances from the surround's colour in grey levels

_WHOLE_PIXELS = np.empty(0, np.uint16)  # fractional parts of a map in whole pixels
_FIRST_SAMPLES = np.arange(NUM_RAYS) * NUM_SAMPLES  # in a flattened profile
_TO_THE_MIDDLE = np.arange(NUM_SAMPLES - 0.5, 0, -1, dtype=np.float32)  # steps from each sample


@dataclass(frozen=True)
class Edge:
    """Edge of the retina.

    Args:
        points: Edge points (P, 2) in pixels of the photograph, without those at its border, which belong to cuts.
        area: Approximate area of the retina in pixels.
    """

    points: Points
    area: float


@dataclass(frozen=True)
class Surround:
    """The surround of the retina.

    Args:
        colour: RGB colour, 0-255.
        noise: Variation in grey levels.
    """

    colour: tuple[int, int, int]
    noise: int

    @classmethod
    def of(cls, pixels: NDArray[np.uint8]) -> "Surround":
        """Estimate it from pixels (N, 3): their median, and how far the middle three quarters are from it."""
        ordered, eighth = np.sort(pixels, axis=0), len(pixels) // 8
        low, (red, green, blue), high = (ordered[part * eighth].tolist() for part in (1, 4, 7))
        noise = max(high[0] - red, high[1] - green, high[2] - blue, red - low[0], green - low[1], blue - low[2])
        return cls((red, green, blue), noise)

    def distance(self, pixels: Photograph) -> Levels:
        """Distances (A, R) of pixels (A, R, 3) in the channel that differs most, averaged over three samples."""
        red, green, blue = cv2.split(cv2.absdiff(pixels, np.array([*self.colour, 0.0])))
        return cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 1)).astype(np.uint8, copy=False)

    def retina_level(self, levels: Levels) -> int:
        """The distance above which a pixel is retina.

        Args:
            levels: Distances from the surround in the middle of the retina.
        """
        upper_quartile = np.sort(levels, axis=None)[3 * levels.size // 4]
        lowest = max(MIN_NOISE, min(self.noise + NOISE_MARGIN, MAX_NOISE))
        return int(min(max(DARK_SHARE * upper_quartile, lowest), MAX_LEVEL))


@dataclass(frozen=True)
class Rays:
    """Samples on rays of one length from a common origin.

    Each ray begins at a different fraction of a step, so that a disc about the origin does not cross all of them
    between the same two samples.

    Args:
        offsets: Samples (A, R, 2) relative to the origin in whole pixels, the outermost sample of a ray first.
        starts: Innermost sample (A, 2) of each ray, relative to the origin.
        steps: Vectors (A, 2) from one sample of a ray to the next, outwards.
        step: Length of each step in pixels.
    """

    offsets: NDArray[np.int16]
    starts: Points
    steps: Points
    step: float


def find_edge(photograph: Photograph) -> Edge | None:
    """Find the edge of the retina along rays from the middle of a photograph.

    If these rays are short, others start in the middle of their end points. The edge is where the distance from the
    surround has halved in its last descent, however bright the retina is there.

    Args:
        photograph: uint8 (H, W, 3) RGB.

    Returns:
        None if nothing differs from the surround.
    """
    height, width = photograph.shape[:2]
    surround = Surround.of(corners(photograph, CORNER_PIXELS))
    points, lengths, area = _cast(photograph, surround, width // 2, height // 2, math.hypot(width, height) / 2)
    if 2 * np.count_nonzero(lengths < SHORT) > NUM_RAYS:
        ends = points[lengths > 0]
        if not len(ends):
            return None
        (left, top), (right, bottom) = ends.min(axis=0), ends.max(axis=0)
        reach = SECOND_REACH * math.hypot(right - left, bottom - top) / 2
        points, _, area = _cast(photograph, surround, int(left + right) // 2, int(top + bottom) // 2, reach)
    half = np.array([width / 2, height / 2])
    to_border = half - np.abs(points - half)
    return Edge(points[to_border.min(axis=1) > FRAME_MARGIN * max(height, width)], area)


def _cast(
    photograph: Photograph, surround: Surround, x: int, y: int, reach: float
) -> tuple[Points, NDArray[np.float64], float]:
    """Cast rays from the pixel in column x and row y.

    Returns:
        Edge points (A, 2), their distances (A,) in samples, and the retina's area in pixels.
    """
    rays = _rays_of(math.ceil(math.log(max(reach, 1.0), REACH_FACTOR)))
    samples = cv2.add(rays.offsets, np.array([x, y, 0.0, 0.0]))
    pixels = cv2.remap(photograph, samples, _WHOLE_PIXELS, cv2.INTER_NEAREST, borderValue=surround.colour)
    profile = surround.distance(pixels.astype(np.uint8, copy=False))
    level = surround.retina_level(profile[::3, -NUM_SAMPLES // 3 :: 2])
    lengths = _lengths(profile, level)
    points = rays.starts + lengths[:, None] * rays.steps + (x + 0.5, y + 0.5)
    # Area from every fourth ray: a sample represents the sector between neighbouring rays at its distance.
    steps_away = float(((profile > level)[::4] @ _TO_THE_MIDDLE).sum())
    return points, lengths, 4 * steps_away * rays.step**2 * 2 * math.pi / NUM_RAYS


def _lengths(profile: Levels, level: int) -> NDArray[np.float64]:
    """Distances (A,) from the origin to the last descent to the surround, in samples and fractions.

    Args:
        profile: Distances (A, R) from the surround, from the outermost sample to the origin.
        level: Distance above which a sample is retina.
    """
    values = profile.ravel()
    inside = np.minimum((profile > level).argmax(axis=1) + INSIDE_EDGE, NUM_SAMPLES - 1)
    halfway = np.maximum(values[_FIRST_SAMPLES + inside] // 2, level)
    last = (profile > halfway[:, None]).argmax(axis=1)
    above = values[_FIRST_SAMPLES + last].astype(np.float64)
    below = values[_FIRST_SAMPLES + np.maximum(last - 1, 0)]
    fraction = np.minimum((above - halfway) / np.maximum(above - below, 1), 1)
    return np.where(fraction > 0, NUM_SAMPLES - 1 - last + fraction, 0.0)


@lru_cache(maxsize=64)
def _rays_of(exponent: int) -> Rays:
    step = REACH_FACTOR**exponent / (NUM_SAMPLES - 1)
    angles = np.arange(NUM_RAYS) * 2 * np.pi / NUM_RAYS
    steps = step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    starts = np.arange(NUM_RAYS) * GOLDEN % 1
    offsets = steps[:, None] * (np.arange(NUM_SAMPLES)[::-1] + starts[:, None])[..., None]
    return Rays(offsets.round().astype(np.int16), starts[:, None] * steps, steps, step)
