"""Whether two photographs are one: their correlation after one is laid upon the other."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.duplicates.hashing import Plane, even_contrast, mask_retina
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph

SIDE = 128  # pixels of the square about the disc on which photographs are compared

_STEPS = ((25, 30), (7, 40))  # width of the smoothing and iterations, coarse to fine
_ENOUGH = 0.99  # a correlation that needs no better registration
_HOPELESS = 0.6  # correlation after the coarse step below which the fine one is not tried
_WHOLE = 0.99  # of a pixel: laid upon another, a mask's edge is mixed
_FAINTEST = 0.01  # spread of an evened disc below which there is only rounding


@dataclass(frozen=True)
class _Smoothing:
    """How a disc is smoothed (pixels: JPEG's noise is finer), and freed of lighting (`even_contrast`)."""

    smoothing: float
    blur: float
    floor: float


@dataclass(frozen=True)
class _Disc:
    """An evened channel and where it shows retina, both float32 (128, 128)."""

    plane: Plane
    mask: Plane


_STRUCTURE = _Smoothing(smoothing=1.5, blur=6.0, floor=6.0)  # vessels, lesions, the optic disc: one eye's own
_WITH_LIGHT = _Smoothing(smoothing=2.0, blur=12.0, floor=10.0)  # and reflections: one exposure's own


@dataclass(frozen=True)
class Similarity:
    """How alike two discs are, laid upon each other: Pearson correlations, 1 of a photograph with itself.

    Args:
        structure: Of vessels and lesions; high for two photographs of one eye from the same place.
        light: Of reflections and shadows, too; high only for copies of one exposure.
    """

    structure: float
    light: float


def prepare(photograph: Photograph) -> NDArray[np.uint8]:
    """All that is compared of a photograph: uint8 (128, 128, 2), the green channel about the disc and `mask_retina`."""
    square = square_about_disc(photograph, SIDE)
    return np.stack([square[..., 1], mask_retina(square).astype(np.uint8)], axis=2)


def compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Similarity:
    """Lay one disc upon the other by an affine map, and correlate their contrast-evened green channels.

    Args:
        first: uint8 (128, 128, 2), as `prepare` gives.
        second: The same of the other photograph.

    Source: the registration is ECC, Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008.
    """
    structure, warp = _lay(_even(first, _STRUCTURE), _even(second, _STRUCTURE))
    return Similarity(structure, _correlation(_even(first, _WITH_LIGHT), _even(second, _WITH_LIGHT), warp))


def _lay(fixed: _Disc, moving: _Disc) -> tuple[float, Plane]:
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


def _even(prepared: NDArray[np.uint8], evening: _Smoothing) -> _Disc:
    channel, mask = np.ascontiguousarray(prepared[..., 0]), prepared[..., 1].astype(np.float32)
    smooth = cv2.GaussianBlur(channel, (0, 0), evening.smoothing).astype(np.uint8, copy=False)
    return _Disc(even_contrast(smooth, mask, blur=evening.blur, floor=evening.floor), mask)


def _register(fixed: _Disc, moving: _Disc, warp: Plane, width: int, iterations: int) -> Plane:
    """The affine map (2, 3) that lays `moving` upon `fixed`, from `warp` on; `warp` where none is found."""
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, 1e-5)
    both = (fixed.mask * _lay_upon(moving.mask, warp) > _WHOLE).astype(np.uint8)
    try:
        refined = cv2.findTransformECC(fixed.plane, moving.plane, warp.copy(), cv2.MOTION_AFFINE, until, both, width)[1]
    except cv2.error:  # ECC raises where the photographs have nothing in common
        return warp
    return refined.astype(np.float32, copy=False)


def _correlation(fixed: _Disc, moving: _Disc, warp: Plane) -> float:
    """Over what both show; -1 where that is less than half of what the one shows."""
    both = fixed.mask * _lay_upon(moving.mask, warp) > _WHOLE
    if both.sum() < 0.5 * fixed.mask.sum():
        return -1.0
    a, b = fixed.plane[both], _lay_upon(moving.plane, warp)[both]
    visible = min(a.std(), b.std()) > _FAINTEST
    return float(np.corrcoef(a, b)[0, 1]) if visible else 0.0


def _lay_upon(plane: Plane, warp: Plane) -> Plane:
    laid = cv2.warpAffine(plane, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return laid.astype(np.float32, copy=False)
