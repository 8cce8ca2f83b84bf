"""Whether two photographs are one: their correlation after one is laid upon the other."""

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.auditing.hashing import Plane, disc_mask, even_contrast
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph

SIDE = 128  # pixels of the square about the disc on which photographs are compared

_BLUR, _FLOOR = 12.0, 10.0
_SMOOTHING = 2.0  # pixels: what JPEG adds and resizing takes away is finer
_STEPS = ((25, 30), (7, 40))  # width of the smoothing and iterations, coarse to fine
_FAINTEST = 0.01  # spread of a contrast-evened disc below which there is only rounding
_HOPELESS = 0.8  # correlation after the coarse step below which the fine one is not tried


def prepare(photograph: Photograph) -> NDArray[np.uint8]:
    """The green channel of the square about the disc, uint8 (128, 128): all that is compared."""
    return np.ascontiguousarray(square_about_disc(photograph, SIDE)[..., 1])


def registered_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8], enough: float) -> float:
    """Pearson correlation of two discs' contrast-evened green channels, after an affine registration.

    Args:
        first: uint8 (128, 128), as `prepare` gives.
        second: The same of the other photograph.
        enough: A correlation that needs no better registration.

    Returns:
        From -1 to 1; 1 of a photograph with itself.

    Source: the registration is ECC, Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008.
    """
    fixed, moving = _plane(first), _plane(second)
    warp = np.eye(2, 3, dtype=np.float32)
    best = _correlation(fixed, moving, warp)
    for width, iterations in _STEPS:
        if best >= enough or (width != _STEPS[0][0] and best < _HOPELESS):
            break
        warp = _register(fixed, moving, warp, width, iterations)
        best = max(best, _correlation(fixed, moving, warp))
    return best


def _plane(channel: NDArray[np.uint8]) -> Plane:
    smooth = cv2.GaussianBlur(channel, (0, 0), _SMOOTHING).astype(np.uint8, copy=False)
    return even_contrast(smooth, blur=_BLUR, floor=_FLOOR)


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
