"""The fundus disc: the round field of a photograph (the optic disc is another thing)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.images.ellipses import Ellipse, fit_disc
from drkit.images.files import Photograph

CORNER_SHARE = 1 / 32  # of a side: the patches that show the surround's colour
SURROUND_TOLERANCE = 14  # grey levels that noise and JPEG move a surround
QUIET_SURROUND = 5  # grey levels that even a clean surround moves by
DARK_SHARE = 0.12  # of the retina's distance from the surround: what lies below it counts as surround
MIN_FILLED = 0.02  # of a row or column, for it to belong to the disc
MIN_DISC_SHARE = 0.3  # of a side: a smaller "disc" is a misreading
SEARCH_SIDE = 256  # pixels: the disc is looked for in a small copy, its edge is found to a fraction of a pixel
NUM_RAYS = 180  # on which the edge is looked for
MIN_PART = 0.01  # of the photograph: a smaller bright part is text or a reflection outside the disc
FRAME_MARGIN = 2.0  # small pixels: an edge point nearer to the photograph's border is a cut, not an edge
MIN_EDGE = 0.25  # of the rays that must end on the disc's edge
MIN_LIT = 0.3  # of the disc that must differ from the surround
MAX_LIT_OUTSIDE = 0.1  # of the surround that may look like retina
EDGE_WIDTH = 0.75  # small pixels in which retina and surround mix: no longer disc
SAME_DISC = 0.015  # of a side: a disc this near to the one inscribed in a square photograph is that one
SQUASHED = 0.03  # relative difference of the radii from which on a disc is squashed: a dark or a cut edge makes less
SAME_SQUARE = 0.02  # of a side: a square about the disc this near to the whole photograph is the whole

Mask = NDArray[np.bool_]  # (H, W)


class NoDiscError(InputError):
    """The fundus disc cannot be told from its surround; the sentence says why."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    @property
    def side(self) -> int:
        """The longer side in pixels."""
        return max(self.width, self.height)


@dataclass(frozen=True)
class Disc:
    """Where the fundus disc lies, in pixels; the pixel in column i covers i to i + 1.

    A disc is round; where a photograph was squashed its two radii differ.

    Args:
        x: Of the centre; may lie outside a cut photograph's middle.
        y: Of the centre.
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
        """Factors, across and down, that make the disc round by enlarging its shorter radius; 1 where it is round."""
        if abs(self.radius_x / self.radius_y - 1) < SQUASHED:
            return 1.0, 1.0
        return self.radius / self.radius_x, self.radius / self.radius_y

    def mask(self, height: int, width: int) -> Mask:
        """(H, W) bool: pixels whose middle lies in the shown part of the disc."""
        inside = Ellipse(self.x, self.y, self.radius_x, self.radius_y).holds(height, width)
        inside[: self.box.top] = inside[self.box.bottom :] = False
        inside[:, : self.box.left] = inside[:, self.box.right :] = False
        return inside


def find_disc(photograph: Photograph) -> Disc:
    """Find the fundus disc on a black, white or grey surround, cut discs and dark photographs included.

    The corners show the surround. Rays from the middle of what differs from it end on the disc's edge, or on a cut;
    the circle through most of the edges is the disc, or the upright ellipse where no circle fits.

    Args:
        photograph: uint8 (H, W, 3) RGB.

    Raises:
        NoDiscError: no disc can be told from its surround.
    """
    small, scale = _shrink(photograph)
    distance, level = _distance_from_surround(small)
    points, is_cut = _edge_points(distance, level)
    ellipse = _fit(points[~is_cut], small.shape[1], small.shape[0])
    _check_lit(ellipse, distance > level)
    return _disc_of(ellipse, _shown_part(ellipse, distance > level), scale, photograph.shape[:2])


def find_disc_box(photograph: Photograph) -> Box:
    """The rectangle about the shown part of the fundus disc, on a black, white or grey surround.

    Where no round disc is found, rows and columns that differ from the surround make the rectangle; where nothing
    does, the whole photograph is the answer.

    Args:
        photograph: uint8 (H, W, 3) RGB.
    """
    return _shown_box(photograph)[0]


def square_about_disc(photograph: Photograph, size: int, *, round_disc: bool = False) -> Photograph:
    """Cut and pad to the square about the disc and scale it to `size`.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        size: Side of the result in pixels.
        round_disc: Undo the squashing that makes the disc an ellipse, in the same scaling.

    Returns:
        uint8 (size, size, 3) RGB; what lies outside the photograph has the surround's colour.
    """
    return cut_square(photograph, square_frame(photograph, round_disc=round_disc), size)


def square_frame(photograph: Photograph, *, round_disc: bool = False) -> Box:
    """The part of a photograph that `square_about_disc` shows, which may reach beyond it.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        round_disc: Give the part the disc's proportions, so that scaling it to a square makes the disc round.

    Returns:
        A square about the disc; with `round_disc`, about a squashed one, a rectangle.
    """
    box, (across, down) = _shown_box(photograph)
    if not round_disc:
        across = down = 1.0
    if across == down and _is_all_of(photograph, box):
        return Box(0, 0, photograph.shape[1], photograph.shape[0])
    side = max(box.width * across, box.height * down)
    width, height = round(side / across), round(side / down)
    left, top = (box.left + box.right - width) // 2, (box.top + box.bottom - height) // 2
    return Box(left, top, left + width, top + height)


def cut_square(photograph: Photograph, frame: Box, size: int) -> Photograph:
    """A part of a photograph, scaled to a square of `size`; beyond its borders it has the surround's colour.

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


def surround_colour(photograph: Photograph) -> NDArray[np.float64]:
    """Median colour (3,) of the four corners."""
    return np.median(_corners(photograph), axis=0)


def cut(
    photograph: Photograph, left: int, top: int, width: int, height: int, colour: NDArray[np.float64] | None = None
) -> Photograph:
    """The rectangle (height, width, 3) at (left, top), which may reach beyond the photograph.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        left: First column; may be negative.
        top: First row; may be negative.
        width: In pixels.
        height: In pixels.
        colour: (3,) of what lies beyond the photograph; the surround's by default.
    """
    inner = photograph[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    above, before = max(-top, 0), max(-left, 0)
    below, after = height - above - inner.shape[0], width - before - inner.shape[1]
    if not (above or below or before or after):
        return inner.copy()
    value = (surround_colour(photograph) if colour is None else colour).tolist()
    return _as_uint8(cv2.copyMakeBorder(inner, above, below, before, after, cv2.BORDER_CONSTANT, value=value))


def _shrink(photograph: Photograph) -> tuple[Photograph, float]:
    """A copy whose longer side has at most `SEARCH_SIDE` pixels, and how many pixels one of its pixels covers."""
    height, width = photograph.shape[:2]
    scale = max(1.0, max(height, width) / SEARCH_SIDE)
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return _as_uint8(cv2.resize(photograph, size, interpolation=cv2.INTER_AREA)), scale


def _distance_from_surround(photograph: Photograph) -> tuple[NDArray[np.uint8], float]:
    """How far (H, W) uint8 each pixel is from the surround, specks removed; and from where on it is retina."""
    colour = np.tile(surround_colour(photograph).astype(np.uint8), photograph.shape[1])
    surround = np.tile(colour, (photograph.shape[0], 1)).reshape(photograph.shape)
    red, green, blue = cv2.split(cv2.absdiff(photograph, surround))
    distance = cv2.blur(cv2.max(cv2.max(red, green), blue), (3, 3)).astype(np.uint8)
    height, width = distance.shape
    middle = distance[height // 4 : -(height // 4), width // 4 : -(width // 4)]
    noise = float(np.percentile(_corners(distance), 75)) + 3
    level = float(np.clip(DARK_SHARE * np.percentile(middle, 75), max(QUIET_SURROUND, min(noise, 10)), 20))
    return _without_specks(distance, level), level


def _without_specks(distance: NDArray[np.uint8], level: float) -> NDArray[np.uint8]:
    """The same without lit parts that are too small to be retina."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats((distance > level).astype(np.uint8), connectivity=4)
    is_speck = stats[:, cv2.CC_STAT_AREA] < MIN_PART * distance.size
    is_speck[0] = False  # the surround
    if not is_speck.any():
        return distance
    return np.where(is_speck[parts], 0, distance).astype(np.uint8)


def _edge_points(distance: NDArray[np.uint8], level: float) -> tuple[NDArray[np.float64], Mask]:
    """Where (A, 2) the rays leave the retina, and which of them (A,) leave it at the photograph's border."""
    height, width = distance.shape
    x, y = _middle_of_lit(distance > level)
    reach = float(np.hypot(width, height)) * 0.75
    how = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS  # without it the columns beyond the border are not written to
    profile = cv2.warpPolar(distance, (SEARCH_SIDE, NUM_RAYS), (x - 0.5, y - 0.5), reach, how).astype(np.uint8)
    last = _last_above(profile, np.full((NUM_RAYS, 1), level))
    inner = np.clip(last[:, None] - np.arange(3, 8), 0, SEARCH_SIDE - 1)
    height_of_edge = np.median(np.take_along_axis(profile, inner, axis=1), axis=1)
    last = _last_above(profile, np.maximum(level, height_of_edge / 2)[:, None])
    angles = np.arange(NUM_RAYS) * 2 * np.pi / NUM_RAYS
    radii = (last + 0.5) * reach / SEARCH_SIDE
    points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1)
    to_border = np.minimum(points, np.array([width, height]) - points).min(axis=1)
    return points, to_border < FRAME_MARGIN


def _last_above(profile: NDArray[np.uint8], level: NDArray[np.float64]) -> NDArray[np.int64]:
    """(A,) the last column of (A, R) that is above the row's level; 0 where none is."""
    above = profile > level
    return np.where(above.any(axis=1), profile.shape[1] - 1 - above[:, ::-1].argmax(axis=1), 0)


def _middle_of_lit(lit: Mask) -> tuple[float, float]:
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        raise NoDiscError("nothing differs from the surround: black, or one colour all over")
    return (columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2


def _fit(edge: NDArray[np.float64], width: int, height: int) -> Ellipse:
    """The disc through the edge points (E, 2)."""
    if len(edge) < MIN_EDGE * NUM_RAYS:
        raise NoDiscError("no edge of a disc is seen: the photograph is cut inside it")
    found = fit_disc(edge)
    if found is None or found.num_on < MIN_EDGE * NUM_RAYS:
        raise NoDiscError("what differs from the surround is not round")
    side = max(width, height)
    if not MIN_DISC_SHARE * side / 2 <= found.ellipse.radius <= side:
        raise NoDiscError(f"a disc of {found.ellipse.radius / side:.2f} times the photograph's side is a misreading")
    return found.ellipse


def _check_lit(ellipse: Ellipse, lit: Mask) -> None:
    """Hold that the disc differs from its surround, and the surround from it."""
    height, width = lit.shape
    if lit[ellipse.holds(height, width)].mean() < MIN_LIT:
        raise NoDiscError("most of the disc is as dark as its surround")
    outside = lit[~ellipse.holds(height, width, 1.04)]
    if outside.size and outside.mean() > MAX_LIT_OUTSIDE:
        raise NoDiscError("much of what differs from the surround lies outside any disc")


def _shown_part(ellipse: Ellipse, lit: Mask) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the disc's part in the photograph, straight cuts inside it included."""
    height, width = lit.shape
    inside = ellipse.holds(height, width, 0.98)
    lit = lit & inside
    columns = _behind_cuts(lit.sum(axis=0), inside.sum(axis=0))
    rows = _behind_cuts(lit.sum(axis=1), inside.sum(axis=1))
    return (
        max(columns[0], ellipse.x - ellipse.radius_x),
        max(rows[0], ellipse.y - ellipse.radius_y),
        min(columns[1], ellipse.x + ellipse.radius_x),
        min(rows[1], ellipse.y + ellipse.radius_y),
    )


def _behind_cuts(num_lit: NDArray[np.int64], num_inside: NDArray[np.int64]) -> tuple[int, int]:
    """First line, and the one after the last, between straight cuts of the disc; all lines where there is none."""
    lines = np.flatnonzero(num_inside)
    filled = num_lit[lines] / num_inside[lines]
    before, after = _num_cut_away(filled), _num_cut_away(filled[::-1])
    return int(lines[before]) if before else 0, int(lines[-1]) + 1 - after if after else len(num_inside)


def _num_cut_away(filled: NDArray[np.float64]) -> int:
    """How many lines of the disc are empty before, all at once, they are nearly full; dark edges fill slowly."""
    full = int(np.argmax(filled > 0.6))
    return full if full >= 2 and (filled[: full - 1] < 0.03).all() else 0


def _disc_of(ellipse: Ellipse, shown: tuple[float, float, float, float], scale: float, shape: tuple[int, ...]) -> Disc:
    """The disc in the photograph's own pixels; numbers as they will stand in a manifest."""
    height, width = shape[:2]
    left, top, right, bottom = (edge * scale for edge in shown)
    box = Box(max(0, round(left)), max(0, round(top)), min(width, round(right)), min(height, round(bottom)))
    x, y = ellipse.x * scale, ellipse.y * scale
    radius_x, radius_y = (ellipse.radius_x - EDGE_WIDTH) * scale, (ellipse.radius_y - EDGE_WIDTH) * scale
    off = np.abs(np.array([x, y, radius_x, radius_y]) - width / 2).max()
    if height == width and off < SAME_DISC * width:  # a photograph that was cut to its disc already
        x = y = radius_x = radius_y = width / 2
    return Disc(round(x, 2), round(y, 2), round(radius_x, 2), round(radius_y, 2), box)


def _shown_box(photograph: Photograph) -> tuple[Box, tuple[float, float]]:
    """As `find_disc_box`, and the disc's `stretch`."""
    try:
        disc = find_disc(photograph)
    except NoDiscError:
        return _lit_box(photograph), (1.0, 1.0)
    return disc.box, disc.stretch


def _lit_box(photograph: Photograph) -> Box:
    height, width = photograph.shape[:2]
    inside = _differs_from(photograph, surround_colour(photograph))  # (H, W) bool
    columns = np.flatnonzero(inside.mean(axis=0) > MIN_FILLED)
    rows = np.flatnonzero(inside.mean(axis=1) > MIN_FILLED)
    whole = Box(0, 0, width, height)
    if not len(columns) or not len(rows):
        return whole
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return box if box.width >= MIN_DISC_SHARE * width and box.height >= MIN_DISC_SHARE * height else whole


def _is_all_of(photograph: Photograph, box: Box) -> bool:
    """Whether the square about `box` is the photograph itself, but for the uncertainty of the disc's edge."""
    height, width = photograph.shape[:2]
    return height == width and abs(box.side - width) <= SAME_SQUARE * width


def _corners(photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels of the four corners, (n, 3) or (n,)."""
    height, width = photograph.shape[:2]
    tall, wide = max(1, int(height * CORNER_SHARE)), max(1, int(width * CORNER_SHARE))
    corners = [photograph[rows, columns].reshape(-1, *photograph.shape[2:])
               for rows in (slice(None, tall), slice(-tall, None))
               for columns in (slice(None, wide), slice(-wide, None))]  # fmt: skip
    return np.concatenate(corners)


def _differs_from(photograph: Photograph, colour: NDArray[np.float64]) -> Mask:
    """(H, W) bool: where any channel is further from `colour` than noise."""
    low = np.clip(colour - SURROUND_TOLERANCE, 0, 255)
    high = np.clip(colour + SURROUND_TOLERANCE, 0, 255)
    return cv2.inRange(photograph, low, high) == 0


def _as_uint8(pixels: np.ndarray) -> Photograph:
    return pixels.astype(np.uint8, copy=False)
