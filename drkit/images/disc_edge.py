"""Where the fundus disc ends: its edge found on rays, through few pixels of a photograph."""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.files import Photograph
from drkit.images.surround import corners, middle_colour

DARK_SHARE = 0.12  # of the retina's distance from the surround: what lies below it counts as surround
QUIET_SURROUND, LOUD_SURROUND = 5, 10  # grey levels that any surround moves by, and none more than
BRIGHTEST_SURROUND = 20  # grey levels from the surround's colour: what is further from it is retina
CORNER_PIXELS = 6  # a side of each corner that are looked at
NUM_RAYS = 96  # on which the edge is looked for
NUM_SAMPLES = 96  # of the photograph on a ray
GOLDEN = (5**0.5 - 1) / 2  # its multiples fill the unit evenly
REACH_FACTOR = 1.05  # between the lengths of rays, so that few of them are worked out
SHORT = NUM_SAMPLES // 2  # samples: where half of the rays end earlier, the disc is small or far from the middle
INSIDE_EDGE = 3  # samples: so far inside, a ray shows how bright the retina is at its edge
FRAME_MARGIN = 1 / 128  # of the longer side: an edge point nearer to the photograph's border is a cut, not an edge
OVERVIEW_SIDE = 96  # pixels of the longer side of the copy in which small discs are looked for

Colour = tuple[int, int, int]
Points = NDArray[np.float64]  # (P, 2) x and y
Flags = NDArray[np.bool_]
Levels = NDArray[np.uint8]  # grey levels from the surround's colour

_WHOLE_PIXELS = np.empty(0, np.uint16)  # the fractions of a map without any


@dataclass(frozen=True)
class Edge:
    """Where rays leave the retina.

    Args:
        points: (A, 2) in the photograph's pixels.
        is_cut: (A,) those at the photograph's border, which are cuts and no edge.
        area: Of the retina in pixels, about.
    """

    points: Points
    is_cut: Flags
    area: float


@dataclass(frozen=True)
class Surround:
    """What lies about the retina.

    Args:
        colour: In whole grey levels.
        noise: Grey levels that it moves by.
    """

    colour: Colour
    noise: float

    def retina_level(self, levels: Levels) -> int:
        """The distance above which a pixel is retina.

        Args:
            levels: Distances from the surround in the middle of the retina.
        """
        lowest = max(QUIET_SURROUND, min(self.noise + 3, LOUD_SURROUND))
        return int(min(max(DARK_SHARE * _upper_quartile(levels), lowest), BRIGHTEST_SURROUND))


@dataclass(frozen=True)
class Rays:
    """Samples on rays from a middle, of one length.

    Each ray begins at another fraction of a step, so that a disc about the middle does not meet all of them between
    the same two samples.

    Args:
        offsets: (A, R, 2) from the middle in whole pixels, the outermost sample of a ray first.
        steps: (A, 2) from one sample of a ray to the next, outwards.
        starts: (A,) of a step from the middle to the innermost sample.
    """

    offsets: NDArray[np.int16]
    steps: Points
    starts: NDArray[np.floating]


def find_edge(photograph: Photograph) -> Edge | None:
    """Where rays from the middle of a photograph leave the retina; where they are short, from the retina's middle.

    Retina ends halfway down the last fall to the surround, however bright it is there.

    Args:
        photograph: (H, W, 3).

    Returns:
        None where nothing differs from the surround.
    """
    height, width = photograph.shape[:2]
    surround = _look_at_corners(photograph)
    edge, lengths = _cast(photograph, surround, width // 2, height // 2, math.hypot(width, height) / 2)
    if 2 * np.count_nonzero(lengths < SHORT) <= NUM_RAYS:
        return edge
    lit, scale = find_lit(photograph, OVERVIEW_SIDE)
    return _cast(photograph, surround, *_aim(lit, scale))[0] if lit.any() else None


def find_lit(photograph: Photograph, side: int) -> tuple[NDArray[np.uint8], float]:
    """Where a copy of a photograph (H, W, 3) with at most `side` pixels on its longer side shows retina.

    Returns:
        (h, w) 1 for retina, else 0; and how many pixels of the photograph a pixel of the copy covers in each direction.
    """
    height, width = photograph.shape[:2]
    scale = max(1.0, max(height, width) / side)
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    small = cv2.resize(photograph, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    colour = middle_colour(corners(small))
    distance = _distance_from(small, colour, (3, 3))
    rows, columns = (slice(length // 4, -(length // 4) or None, 2) for length in distance.shape)
    level = Surround(colour, _upper_quartile(corners(distance))).retina_level(distance[rows, columns])
    return cv2.threshold(distance, level, 1, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False), scale


def _look_at_corners(photograph: Photograph) -> Surround:
    pixels = corners(photograph, CORNER_PIXELS)
    colour = middle_colour(pixels)
    return Surround(colour, _upper_quartile(_distance_from(pixels[None], colour, (1, 1))))


def _cast(photograph: Photograph, surround: Surround, x: int, y: int, reach: float) -> tuple[Edge, NDArray[np.float64]]:
    """Cast rays from the pixel in column x and row y; the edge, and how many samples (A,) each ray is lit for."""
    height, width = photograph.shape[:2]
    rays = _rays(reach)
    places = cv2.add(rays.offsets, np.array([x, y, 0.0, 0.0]))
    seen = cv2.remap(photograph, places, _WHOLE_PIXELS, cv2.INTER_NEAREST, borderValue=surround.colour)
    profile = _distance_from(seen.astype(np.uint8, copy=False), surround.colour, (3, 1))
    level = surround.retina_level(profile[::3, -NUM_SAMPLES // 3 :: 2])
    lengths = _fall(profile, level)
    points = np.array([x + 0.5, y + 0.5]) + (lengths + rays.starts)[:, None] * rays.steps
    margin = FRAME_MARGIN * max(height, width)
    across, down = points.T
    is_cut = (across < margin) | (across > width - margin) | (down < margin) | (down > height - margin)
    share = 2 * math.pi / NUM_RAYS * rays.steps[0, 0] ** 2
    return Edge(points, is_cut, share * _weigh(profile, level)), lengths


def _weigh(profile: Levels, level: int) -> float:
    """How many samples (A, R) are lit, each counted as often as it is steps away from the middle."""
    weights = np.arange(NUM_SAMPLES - 0.5, 0, -1, dtype=np.float32)
    return 4 * float(((profile[::4] > level) @ weights).sum())


def _distance_from(pixels: Photograph, colour: Colour, blurred_over: tuple[int, int]) -> Levels:
    """(h, w) how far the channel that differs most is from a colour, averaged over so many columns and rows."""
    red, green, blue = cv2.split(cv2.absdiff(pixels, np.array([*colour, 0.0])))
    return cv2.blur(cv2.max(cv2.max(red, green), blue), blurred_over).astype(np.uint8, copy=False)


def _upper_quartile(levels: Levels) -> float:
    return float(np.sort(levels, axis=None)[3 * levels.size // 4])


def _aim(lit: NDArray[np.uint8], scale: float) -> tuple[int, int, float]:
    """Column and row of the photograph's pixel in the middle of what is lit, and how far from it anything is lit."""
    moments = cv2.moments(lit, binaryImage=True)
    x, y = moments["m10"] / moments["m00"] + 0.5, moments["m01"] / moments["m00"] + 0.5
    left, top, width, height = cv2.boundingRect(lit)
    reach = math.hypot(max(x - left, left + width - x), max(y - top, top + height - y))
    return int(x * scale), int(y * scale), reach * scale


def _rays(reach: float) -> Rays:
    """That reach so far, or up to a twentieth further."""
    return _rays_of(math.ceil(math.log(max(reach, 1.0), REACH_FACTOR)))


@lru_cache(maxsize=64)
def _rays_of(exponent: int) -> Rays:
    step = REACH_FACTOR**exponent / (NUM_SAMPLES - 1)
    angles = np.arange(NUM_RAYS) * 2 * np.pi / NUM_RAYS
    steps = step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    starts = np.arange(NUM_RAYS) * GOLDEN % 1
    offsets = steps[:, None] * (np.arange(NUM_SAMPLES)[::-1] + starts[:, None])[..., None]
    return Rays(offsets.round().astype(np.int16), steps, starts)


def _fall(profile: Levels, level: int) -> NDArray[np.float64]:
    """(A,) how many samples lie between the middle and the last fall to the surround, with a fraction.

    Args:
        profile: (A, R) distance from the surround, from outside to the middle.
        level: Above which it is retina.
    """
    rays = np.arange(len(profile))
    inside = np.minimum((profile > level).argmax(axis=1) + INSIDE_EDGE, NUM_SAMPLES - 1)
    halfway = np.maximum(np.uint8(level), profile[rays, inside] // 2)
    first = (profile > halfway[:, None]).argmax(axis=1)
    above = profile[rays, first].astype(np.float64)
    below = profile[rays, np.maximum(first - 1, 0)]
    fraction = np.clip((above - halfway) / np.maximum(above - below, 1), 0, 1)
    return np.where(above > halfway, NUM_SAMPLES - 1 - first + fraction, 0.0)
