"""Evidence in colour over the photograph in grey: orange speaks for, blue against, safe for colour-blind eyes."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.files import Photograph

Strength = NDArray[np.floating]  # (H, W) in [0, 1]
Anchors = Sequence[tuple[int, int, int]]

# From weak to strong: hues of Okabe and Ito 2008, getting lighter, so that they order in grey print, too.
FOR: Anchors = ((120, 40, 0), (213, 94, 0), (245, 165, 35), (255, 238, 150))
AGAINST: Anchors = ((0, 40, 90), (0, 114, 178), (86, 180, 233), (200, 240, 255))

FAINT = 0.06  # evidence below this share of the strongest is not drawn
OPACITY = 0.9  # of the strongest evidence
DIM = 0.8  # of the grey photograph's brightness, so that colour stands out


def paint(picture: Photograph, strength: Strength, colours: Anchors, disc: NDArray[np.bool_]) -> Photograph:
    """Lay evidence over a photograph, which turns grey; outside the disc nothing is painted.

    Args:
        picture: uint8 (H, H, 3) RGB.
        strength: (S, S) in [0, 1], scaled up to the picture.
        colours: `FOR` or `AGAINST`.
        disc: (H, H) bool.
    """
    shown = _enlarge(strength, len(picture)) * disc
    return _blend(_grey(picture), _colour(shown, colours), _opacity(shown))


def paint_both(picture: Photograph, speaking_for: Strength, against: Strength, disc: NDArray[np.bool_]) -> Photograph:
    """Lay what is left of the evidence for one answer (orange) or the other (blue) over a photograph; see `paint`."""
    left = speaking_for - against
    once = paint(picture, np.maximum(left, 0), FOR, disc)
    shown = _enlarge(np.maximum(-left, 0), len(picture)) * disc
    return _blend(once, _colour(shown, AGAINST), _opacity(shown))


def colour_bar(colours: Anchors, width: int, height: int) -> Photograph:
    """What weak to strong looks like on black, uint8 (height, width, 3)."""
    ramp = np.tile(np.linspace(0, 1, width), (height, 1))
    return _blend(np.zeros((height, width, 3), np.uint8), _colour(ramp, colours), _opacity(ramp))


def strip(pictures: Sequence[Photograph], gap: int = 6) -> Photograph:
    """Pictures of one height side by side, white between them."""
    padded = [np.pad(picture, ((0, 0), (0, gap), (0, 0)), constant_values=255) for picture in pictures[:-1]]
    return np.hstack([*padded, pictures[-1]])


def _enlarge(strength: Strength, side: int) -> NDArray[np.float32]:
    resized = cv2.resize(strength.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.clip(resized, 0, 1).astype(np.float32)


def _grey(picture: Photograph) -> Photograph:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return (np.repeat(grey[..., None], 3, axis=2) * DIM).astype(np.uint8)


def _colour(strength: Strength, colours: Anchors) -> NDArray[np.float64]:
    """(H, W, 3)."""
    places = np.linspace(0, 1, len(colours))
    channels = [np.interp(strength, places, [colour[channel] for colour in colours]) for channel in range(3)]
    return np.stack(channels, axis=-1)


def _opacity(strength: Strength) -> NDArray[np.float64]:
    """(H, W, 1) in [0, OPACITY], rising from 0 at `FAINT`."""
    visible = np.clip((strength - FAINT) / (1 - FAINT), 0, 1)
    return (OPACITY * visible**0.6)[..., None].astype(np.float64)


def _blend(below: Photograph, colour: NDArray[np.float64], opacity: NDArray[np.float64]) -> Photograph:
    return np.rint(below * (1 - opacity) + colour * opacity).astype(np.uint8)
