"""The fundus disc: the round field of view of a photograph, not the optic disc."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.images.disc_edge import NUM_RAYS, Points, find_edge
from drkit.images.ellipses import Ellipse, fit_disc
from drkit.images.files import Photograph
from drkit.images.surround import surround_colour

SURROUND_TOLERANCE = 14  # grey levels by which noise and JPEG change the surround
MIN_FILLED = 0.02  # share of a row or column that must differ from the surround
MIN_DISC_SHARE = 0.3  # share of a side: a smaller "disc" is an error
MIN_EDGE = 0.25  # share of the rays that must end on the disc's edge
MIN_LIT = 0.3  # share of the disc that must differ from the surround
BEYOND = 1.04  # radii: farther out there must be no retina
MAX_BEYOND = 0.1  # share of the edge points that may be there: notches, text
EDGE_WIDTH = 0.75  # pixels (of a side of up to 256) in which retina and surround mix; not part of the disc
CUT_SHORT = 0.95  # radii: an edge point nearer to the centre may belong to a straight cut
CUT_DEPTH = 0.02  # radii: tolerance of a straight cut, which may be slightly tilted
MIN_ON_CUT = 0.75  # share of the rays that would meet a straight cut; a dark, round edge has fewer
MAX_SIDE = 32_000  # pixels: OpenCV cannot sample a larger photograph
SAME_DISC = 0.015  # share of a side: tolerance for a disc that is inscribed in a square photograph
SQUASHED = 0.03  # relative difference of the radii of a squashed disc; dark or cut edges cause less
SAME_SQUARE = 0.02  # share of a side: tolerance for a square about the disc that is the whole photograph

Mask = NDArray[np.bool_]  # (H, W)
Edges = tuple[float, float, float, float]  # left, top, right, bottom


class NoDiscError(InputError):
    """The fundus disc cannot be distinguished from its surround; the message says why."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """The left, top, right and bottom edge in pixels."""
        return self.left, self.top, self.right, self.bottom

    @property
    def side(self) -> int:
        """The longer side in pixels."""
        return max(self.width, self.height)


@dataclass(frozen=True)
class Disc:
    """Position of the fundus disc in pixels; the pixel in column i covers i to i + 1.

    The disc is round unless the photograph was squashed; then its two radii differ.

    Args:
        x: Column of the centre.
        y: Row of the centre.
        radius_x: Horizontal radius.
        radius_y: Vertical radius.
        box: The part of the disc that the photograph shows: discs are often cut at top and bottom.
    """

    x: float
    y: float
    radius_x: float
    radius_y: float
    box: Box

    @property
    def radius(self) -> float:
        """The longer radius: that of the disc before it was squashed."""
        return max(self.radius_x, self.radius_y)

    @property
    def stretch(self) -> tuple[float, float]:
        """Horizontal and vertical factors, at least 1, that make the disc round by enlarging its shorter radius."""
        if abs(self.radius_x / self.radius_y - 1) < SQUASHED:
            return 1.0, 1.0
        return self.radius / self.radius_x, self.radius / self.radius_y

    def mask(self, height: int, width: int) -> Mask:
        """Pixels whose centre is in the visible part of the disc, (H, W) bool."""
        inside = Ellipse(self.x, self.y, self.radius_x, self.radius_y).holds(height, width)
        inside[: self.box.top] = inside[self.box.bottom :] = False
        inside[:, : self.box.left] = inside[:, self.box.right :] = False
        return inside


def find_disc(photograph: Photograph) -> Disc:
    """Find the fundus disc on a black, white or grey surround, also if it is cut or dark.

    The corners show the surround. Rays from the middle of the pixels that differ from it end on the disc's edge or on
    a cut. The disc is the circle through most of these points, or an upright ellipse if no circle fits.

    Args:
        photograph: uint8 (H, W, 3) RGB.

    Raises:
        NoDiscError: no disc can be distinguished from the surround.
    """
    height, width = photograph.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise NoDiscError(f"{width} x {height} pixels are more than {MAX_SIDE} on a side")
    edge = find_edge(photograph)
    if edge is None:
        raise NoDiscError("nothing differs from the surround: the photograph has a single colour")
    ellipse = _fit(edge.points, max(height, width))
    away = ellipse.away(edge.points)
    rho = np.hypot(*away.T)
    if edge.area < MIN_LIT * math.pi * ellipse.radius_x * ellipse.radius_y:
        raise NoDiscError("most of the disc is as dark as its surround")
    if np.count_nonzero(rho > BEYOND) > MAX_BEYOND * len(rho):
        raise NoDiscError("much of what differs from the surround lies outside any disc")
    shown = _shown_part(ellipse, away) if (rho < CUT_SHORT).any() else ellipse.edges
    return _disc_of(ellipse, shown, height, width)


def find_disc_box(photograph: Photograph) -> Box:
    """Find the bounding box of the visible part of the fundus disc on a black, white or grey surround.

    If no round disc is found, it is the bounding box of the rows and columns that differ from the surround; if none
    does, the whole photograph.

    Args:
        photograph: uint8 (H, W, 3) RGB.
    """
    return _shown_box(photograph)[0]


def square_about_disc(photograph: Photograph, size: int, *, round_disc: bool = False) -> Photograph:
    """Cut and pad to the square about the disc and scale it to `size`.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        size: Side of the result in pixels.
        round_disc: Whether to make a squashed disc round.

    Returns:
        uint8 (size, size, 3) RGB; pixels outside the photograph have the surround's colour.
    """
    return cut_square(photograph, square_frame(photograph, round_disc=round_disc), size)


def square_frame(photograph: Photograph, *, round_disc: bool = False) -> Box:
    """The part of a photograph that `square_about_disc` shows, which may extend beyond it.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        round_disc: Whether the part has the disc's proportions, so that scaling it to a square makes the disc round.

    Returns:
        A square about the disc; with `round_disc`, a rectangle about a squashed disc.
    """
    box, (across, down) = _shown_box(photograph)
    if not round_disc:
        across = down = 1.0
    height, width = photograph.shape[:2]
    is_cropped = height == width and abs(box.side - width) <= SAME_SQUARE * width  # to its disc already
    if across == down and is_cropped:
        return Box(0, 0, width, height)
    side = max(box.width * across, box.height * down)
    width, height = round(side / across), round(side / down)
    left, top = (box.left + box.right - width) // 2, (box.top + box.bottom - height) // 2
    return Box(left, top, left + width, top + height)


def cut_square(photograph: Photograph, frame: Box, size: int) -> Photograph:
    """Scale a part of a photograph to a square; beyond its borders it has the surround's colour.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        frame: The part, from `square_frame`.
        size: Side of the result in pixels.
    """
    whole = frame == Box(0, 0, photograph.shape[1], photograph.shape[0])
    square = photograph if whole else cut(photograph, frame.left, frame.top, frame.width, frame.height)
    if square.shape[:2] == (size, size):
        return square.copy()
    shrinks = min(square.shape[:2]) > size
    return _as_uint8(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def cut(
    photograph: Photograph, left: int, top: int, width: int, height: int, colour: NDArray[np.float64] | None = None
) -> Photograph:
    """Cut out the rectangle (height, width, 3) at (left, top), which may extend beyond the photograph.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        left: First column; may be negative.
        top: First row; may be negative.
        width: Width in pixels.
        height: Height in pixels.
        colour: Colour (3,) of pixels beyond the photograph; by default the surround's.
    """
    inner = photograph[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    above, before = max(-top, 0), max(-left, 0)
    below, after = height - above - inner.shape[0], width - before - inner.shape[1]
    if not (above or below or before or after):
        return inner.copy()
    value = (surround_colour(photograph) if colour is None else colour).tolist()
    return _as_uint8(cv2.copyMakeBorder(inner, above, below, before, after, cv2.BORDER_CONSTANT, value=value))


def _fit(edge: Points, side: int) -> Ellipse:
    """The disc through the edge points of a photograph whose longer side is `side`."""
    if len(edge) < MIN_EDGE * NUM_RAYS:
        raise NoDiscError("no edge of a disc is visible: the photograph is cut inside it")
    fit = fit_disc(edge)
    if fit is None or fit.num_on < MIN_EDGE * NUM_RAYS:
        raise NoDiscError("what differs from the surround is not round")
    if not MIN_DISC_SHARE * side / 2 <= fit.ellipse.radius <= side:
        raise NoDiscError(f"a disc of {fit.ellipse.radius / side:.2f} times the photograph's side is not plausible")
    return fit.ellipse


def _shown_part(ellipse: Ellipse, away: Points) -> Edges:
    """Left, top, right and bottom of the part of the disc between straight cuts inside the photograph.

    Args:
        ellipse: The disc.
        away: Edge points (P, 2), relative to its centre and in radii.
    """
    right, bottom = map(_shown_radii, away.T)
    left, top = map(_shown_radii, -away.T)
    return (
        ellipse.x - left * ellipse.radius_x,
        ellipse.y - top * ellipse.radius_y,
        ellipse.x + right * ellipse.radius_x,
        ellipse.y + bottom * ellipse.radius_y,
    )


def _shown_radii(reached: NDArray[np.float64]) -> float:
    """Visible extent of the disc in one direction, in radii: 1, or the distance of a cut that nearly all rays meet.

    Args:
        reached: Distances (P,) of the edge points in this direction, in radii.
    """
    cut = float(np.partition(reached, -2)[-2])  # one point may be beyond it
    if not 0 < cut < CUT_SHORT:
        return 1.0
    num_meet = NUM_RAYS * math.acos(cut) / math.pi
    return cut if np.count_nonzero(reached > cut - CUT_DEPTH) >= MIN_ON_CUT * num_meet else 1.0


def _disc_of(ellipse: Ellipse, shown: Edges, height: int, width: int) -> Disc:
    """The disc without its blurred edge, with numbers rounded as in a manifest."""
    left, top, right, bottom = map(round, shown)
    box = Box(max(0, left), max(0, top), min(width, right), min(height, bottom))
    edge_width = EDGE_WIDTH * max(1.0, max(height, width) / 256)
    x, y, radius_x, radius_y = ellipse.x, ellipse.y, ellipse.radius_x - edge_width, ellipse.radius_y - edge_width
    off = max(abs(value - width / 2) for value in (x, y, radius_x, radius_y))
    if height == width and off < SAME_DISC * width:  # the photograph was cut to its disc before
        x = y = radius_x = radius_y = width / 2
    return Disc(round(x, 2), round(y, 2), round(radius_x, 2), round(radius_y, 2), box)


def _shown_box(photograph: Photograph) -> tuple[Box, tuple[float, float]]:
    """The box of `find_disc_box`, and the disc's `stretch`."""
    try:
        disc = find_disc(photograph)
    except NoDiscError:
        return _lit_box(photograph), (1.0, 1.0)
    return disc.box, disc.stretch


def _lit_box(photograph: Photograph) -> Box:
    height, width = photograph.shape[:2]
    colour = surround_colour(photograph)
    low = np.clip(colour - SURROUND_TOLERANCE, 0, 255)
    high = np.clip(colour + SURROUND_TOLERANCE, 0, 255)
    is_surround = _as_uint8(cv2.inRange(photograph, low, high)) // np.uint8(255)  # (H, W) 1 or 0
    columns = np.flatnonzero(cv2.reduce(is_surround, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[0] < 1 - MIN_FILLED)
    rows = np.flatnonzero(cv2.reduce(is_surround, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[:, 0] < 1 - MIN_FILLED)
    whole = Box(0, 0, width, height)
    if not len(columns) or not len(rows):
        return whole
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return box if box.width >= MIN_DISC_SHARE * width and box.height >= MIN_DISC_SHARE * height else whole


def _as_uint8(pixels: np.ndarray) -> Photograph:
    return pixels.astype(np.uint8, copy=False)
