"""The fundus disc: the round field of a photograph (the optic disc is another thing)."""

from dataclasses import dataclass

import cv2
import numpy as np

from drkit.images.files import Photograph

CORNER_SHARE = 1 / 32  # of a side: the patches that show the surround's colour
SURROUND_TOLERANCE = 14  # grey levels that noise and JPEG move a surround
MIN_FILLED = 0.02  # of a row or column, for it to belong to the disc
MIN_DISC_SHARE = 0.3  # of a side: a smaller "disc" is a misreading


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        """The longer side in pixels."""
        return max(self.right - self.left, self.bottom - self.top)


def find_disc_box(photograph: Photograph) -> Box:
    """The rectangle about the fundus disc, on a black, white or grey surround.

    The corners show the surround; rows and columns that differ from it hold the disc. Where no disc can be told
    from its surround, the whole photograph is the answer.

    Args:
        photograph: uint8 (H, W, 3) RGB.
    """
    height, width = photograph.shape[:2]
    inside = _differs_from(photograph, _surround_colour(photograph))  # (H, W) bool
    columns = np.flatnonzero(inside.mean(axis=0) > MIN_FILLED)
    rows = np.flatnonzero(inside.mean(axis=1) > MIN_FILLED)
    whole = Box(0, 0, width, height)
    if not len(columns) or not len(rows):
        return whole
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    plausible = box.right - box.left >= MIN_DISC_SHARE * width and box.bottom - box.top >= MIN_DISC_SHARE * height
    return box if plausible else whole


def square_about_disc(photograph: Photograph, size: int) -> Photograph:
    """Cut and pad to the square about the disc, never squashed, and scale it to `size`.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        size: Side of the result in pixels.

    Returns:
        uint8 (size, size, 3) RGB; what lies outside the photograph has the surround's colour.
    """
    box = find_disc_box(photograph)
    left = (box.left + box.right - box.side) // 2
    top = (box.top + box.bottom - box.side) // 2
    square = _cut_square(photograph, left, top, box.side)
    shrinks = box.side > size
    return _as_uint8(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))


def _surround_colour(photograph: Photograph) -> np.ndarray:
    """Median colour (3,) of the four corners."""
    height, width = photograph.shape[:2]
    tall, wide = max(1, int(height * CORNER_SHARE)), max(1, int(width * CORNER_SHARE))
    corners = [photograph[rows, columns].reshape(-1, 3)
               for rows in (slice(None, tall), slice(-tall, None))
               for columns in (slice(None, wide), slice(-wide, None))]  # fmt: skip
    return np.median(np.concatenate(corners), axis=0)


def _differs_from(photograph: Photograph, colour: np.ndarray) -> np.ndarray:
    """(H, W) bool: where any channel is further from `colour` than noise."""
    low = np.clip(colour - SURROUND_TOLERANCE, 0, 255)
    high = np.clip(colour + SURROUND_TOLERANCE, 0, 255)
    return cv2.inRange(photograph, low, high) == 0


def _cut_square(photograph: Photograph, left: int, top: int, side: int) -> Photograph:
    """The square (side, side, 3) at (left, top), which may reach beyond the photograph."""
    inner = photograph[max(top, 0) : top + side, max(left, 0) : left + side]
    above, before = max(-top, 0), max(-left, 0)
    below, after = side - above - inner.shape[0], side - before - inner.shape[1]
    colour = _surround_colour(photograph).tolist()
    return _as_uint8(cv2.copyMakeBorder(inner, above, below, before, after, cv2.BORDER_CONSTANT, value=colour))


def _as_uint8(pixels: np.ndarray) -> Photograph:
    return pixels.astype(np.uint8, copy=False)
