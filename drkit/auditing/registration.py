"""Whether two photographs are one: their correlation after one is laid upon the other."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.auditing.hashing import Plane, disc_mask, even_contrast
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph

SIDE = 128  # pixels of the square about the disc on which photographs are compared

_STEPS = ((25, 30), (7, 40))  # width of the smoothing and iterations, coarse to fine
_ENOUGH = 0.99  # a correlation that needs no better registration
_HOPELESS = 0.6  # correlation after the coarse step below which the fine one is not tried
_FAINTEST = 0.01  # spread of an evened disc below which there is only rounding


@dataclass(frozen=True)
class _Evening:
    """How a disc is smoothed (pixels: JPEG's noise is finer), and freed of lighting (`even_contrast`)."""

    smoothing: float
    blur: float
    floor: float


_STRUCTURE = _Evening(smoothing=1.5, blur=6.0, floor=6.0)  # vessels, lesions, the optic disc: one eye's own
_WITH_LIGHT = _Evening(smoothing=2.0, blur=12.0, floor=10.0)  # and reflections: one exposure's own


@dataclass(frozen=True)
class Likeness:
    """How alike two discs are, laid upon each other: Pearson correlations, 1 of a photograph with itself.

    Args:
        structure: Of vessels and lesions; high for two photographs of one eye from the same place.
        light: Of reflections and shadows, too; high only for copies of one exposure.
    """

    structure: float
    light: float


def prepare(photograph: Photograph) -> NDArray[np.uint8]:
    """The green channel of the square about the disc, uint8 (128, 128): all that is compared."""
    return np.ascontiguousarray(square_about_disc(photograph, SIDE)[..., 1])


def compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Likeness:
    """Lay one disc upon the other by an affine map, and correlate their contrast-evened green channels.

    Args:
        first: uint8 (128, 128), as `prepare` gives.
        second: The same of the other photograph.

    Source: the registration is ECC, Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008.
    """
    fixed, moving = _plane(first, _STRUCTURE), _plane(second, _STRUCTURE)
    best, warp = _lay(fixed, moving)
    light = _correlation(_plane(first, _WITH_LIGHT), _plane(second, _WITH_LIGHT), warp)
    return Likeness(best, light)


def _lay(fixed: Plane, moving: Plane) -> tuple[float, Plane]:
    """The best correlation found, and the affine map (2, 3) that gives it."""
    warp = best_warp = np.eye(2, 3, dtype=np.float32)
    best = _correlation(fixed, moving, warp)
    for step, (width, iterations) in enumerate(_STEPS):
        if best >= _ENOUGH or (step and best < _HOPELESS):
            break
        warp = _register(fixed, moving, warp, width, iterations)
        reached = _correlation(fixed, moving, warp)
        if reached > best:
            best, best_warp = reached, warp
    return best, best_warp


def _plane(channel: NDArray[np.uint8], evening: _Evening) -> Plane:
    smooth = cv2.GaussianBlur(channel, (0, 0), evening.smoothing).astype(np.uint8, copy=False)
    return even_contrast(smooth, blur=evening.blur, floor=evening.floor)


def _register(fixed: Plane, moving: Plane, warp: NDArray[np.float32], width: int, iterations: int) -> Plane:
    """The affine map (2, 3) that lays `moving` upon `fixed`, from `warp` on; `warp` where none is found."""
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, 1e-5)
    mask = disc_mask(SIDE).astype(np.uint8)
    try:
        found = cv2.findTransformECC(fixed, moving, warp.copy(), cv2.MOTION_AFFINE, until, mask, width)[1]
    except cv2.error:  # ECC raises where the photographs have nothing in common
        return warp
    return found.astype(np.float32, copy=False)


def _correlation(fixed: Plane, moving: Plane, warp: NDArray[np.float32]) -> float:
    laid = cv2.warpAffine(moving, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    mask = disc_mask(SIDE)
    both = cv2.warpAffine(mask, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) * mask > 0.99
    if both.sum() < 0.5 * mask.sum():
        return -1.0
    a, b = fixed[both], laid[both]
    visible = min(a.std(), b.std()) > _FAINTEST
    return float(np.corrcoef(a, b)[0, 1]) if visible else 0.0
