"""Similarity of two photographs: their correlation after registration."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.duplicates.hashing import Plane, even_contrast, mask_retina
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph

SIDE = 128  # pixels of the square about the disc on which photographs are compared

_STEPS = ((25, 30), (7, 40))  # width of the smoothing and number of iterations, coarse to fine
_ENOUGH = 0.99  # correlation that needs no better registration
_HOPELESS = 0.6  # correlation after the coarse step below which the fine step is skipped
_INSIDE = 0.99  # value of a warped mask above which a pixel is entirely inside
_FAINTEST = 0.01  # standard deviation of an evened disc below which it has only rounding errors


@dataclass(frozen=True)
class _Smoothing:
    """Sigma in pixels of the smoothing, which removes JPEG noise, and arguments of `even_contrast`."""

    smoothing: float
    blur: float
    floor: float


@dataclass(frozen=True)
class _Disc:
    """A channel with evened contrast and the mask of its retina, both float32 (128, 128)."""

    plane: Plane
    mask: Plane


_STRUCTURE = _Smoothing(smoothing=1.5, blur=6.0, floor=6.0)  # vessels, lesions and optic disc, which belong to an eye
_WITH_LIGHT = _Smoothing(smoothing=2.0, blur=12.0, floor=10.0)  # and reflections, which belong to an exposure


@dataclass(frozen=True)
class Similarity:
    """Pearson correlations of two registered discs.

    Args:
        structure: Correlation of vessels and lesions; high for two photographs of one eye from the same position.
        light: Correlation that includes reflections and shadows; high only for copies of one exposure.
    """

    structure: float
    light: float


def prepare(photograph: Photograph) -> NDArray[np.uint8]:
    """Compute the input of `compare` from a photograph, uint8 (128, 128, 2): its green channel and `mask_retina`."""
    square = square_about_disc(photograph, SIDE)
    return np.stack([square[..., 1], mask_retina(square).astype(np.uint8)], axis=2)


def compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Similarity:
    """Register two discs by an affine map, and correlate their green channels with evened contrast.

    Args:
        first: uint8 (128, 128, 2), the result of `prepare`.
        second: uint8 (128, 128, 2), the result of `prepare` for the other photograph.

    Source: Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008 (ECC registration).
    """
    structure, warp = _align(_even(first, _STRUCTURE), _even(second, _STRUCTURE))
    return Similarity(structure, _correlation(_even(first, _WITH_LIGHT), _even(second, _WITH_LIGHT), warp))


def _align(fixed: _Disc, moving: _Disc) -> tuple[float, Plane]:
    """The best correlation, and its affine map (2, 3)."""
    warp = best_warp = np.eye(2, 3, dtype=np.float32)
    best = _correlation(fixed, moving, warp)
    for step, (width, iterations) in enumerate(_STEPS):
        if best >= _ENOUGH or (step and best < _HOPELESS):
            break
        warp = _register(fixed, moving, warp, width, iterations)
        correlation = _correlation(fixed, moving, warp)
        if correlation > best:
            best, best_warp = correlation, warp
    return best, best_warp


def _even(prepared: NDArray[np.uint8], evening: _Smoothing) -> _Disc:
    channel, mask = np.ascontiguousarray(prepared[..., 0]), prepared[..., 1].astype(np.float32)
    smooth = cv2.GaussianBlur(channel, (0, 0), evening.smoothing).astype(np.uint8, copy=False)
    return _Disc(even_contrast(smooth, mask, blur=evening.blur, floor=evening.floor), mask)


def _register(fixed: _Disc, moving: _Disc, warp: Plane, width: int, iterations: int) -> Plane:
    """Refine the affine map (2, 3) from `moving` to `fixed`; it is returned unchanged if ECC does not converge."""
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, 1e-5)
    both = (fixed.mask * _warp(moving.mask, warp) > _INSIDE).astype(np.uint8)
    try:
        refined = cv2.findTransformECC(fixed.plane, moving.plane, warp.copy(), cv2.MOTION_AFFINE, until, both, width)[1]
    except cv2.error:  # ECC raises if the photographs have nothing in common
        return warp
    return refined.astype(np.float32, copy=False)


def _correlation(fixed: _Disc, moving: _Disc, warp: Plane) -> float:
    """The correlation on the retina that both show; -1 if it is less than half of the retina of `fixed`."""
    both = fixed.mask * _warp(moving.mask, warp) > _INSIDE
    if both.sum() < 0.5 * fixed.mask.sum():
        return -1.0
    a, b = fixed.plane[both], _warp(moving.plane, warp)[both]
    visible = min(a.std(), b.std()) > _FAINTEST
    return float(np.corrcoef(a, b)[0, 1]) if visible else 0.0


def _warp(plane: Plane, warp: Plane) -> Plane:
    warped = cv2.warpAffine(plane, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return warped.astype(np.float32, copy=False)
