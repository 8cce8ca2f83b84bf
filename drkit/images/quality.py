"""Quality of a photograph: sharpness, brightness, visible share of the disc, and whether it shows a fundus at all."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.disc import NoDiscError, cut_square, find_disc, square_frame
from drkit.images.files import Photograph

SIDE = 384  # pixels: side of the square about the disc that is measured; smaller photographs are not enlarged
INNER = 0.85  # radii: pixels farther from the centre are not measured
LIT = 12  # grey levels: darker pixels count as surround
FINE, COARSE = 0.7, 1.5  # pixels: sigmas of the two Gaussian blurs whose difference is the finest detail

# docs/predicting.md says how well these limits find bad photographs.
MIN_SHARPNESS = 1.5  # grey levels
MIN_BRIGHTNESS = 60.0  # grey levels
MIN_SHOWN = 0.8  # share of the disc's area
MIN_REDNESS = 0.37  # share of red in the colour; grey has a third


@dataclass(frozen=True)
class QualityMeasures:
    """Measures of a photograph's quality.

    Args:
        sharpness: 95th percentile of the finest detail in the green channel, in grey levels.
        brightness: Mean of the brightest channel within the disc, 0 to 255.
        redness: Mean share of red in the colour within the disc, in [0, 1].
        shown: Share of the disc's area that is in the photograph; None if no disc is found.
    """

    sharpness: float
    brightness: float
    redness: float
    shown: float | None

    def warnings(self) -> tuple[str, ...]:
        """Reasons to trust a grade of this photograph less, as sentences."""
        if self.shown is None and self.redness < MIN_REDNESS:
            return ("probably not a fundus photograph: no round disc is found, and it is not red",)
        checks = (
            (self.sharpness < MIN_SHARPNESS, f"blurred: finest detail {self.sharpness:.1f}, expected {MIN_SHARPNESS}"),
            (
                self.brightness < MIN_BRIGHTNESS,
                f"dark: {self.brightness:.0f} grey levels, expected {MIN_BRIGHTNESS:.0f}",
            ),
            (self.shown is None, "no round disc is found: cut inside the disc, or very dark"),
            (
                self.shown is not None and self.shown < MIN_SHOWN,
                f"disc cut: {self.shown or 0:.0%} of its area is shown, expected {MIN_SHOWN:.0%}",
            ),
        )
        return tuple(sentence for fails, sentence in checks if fails)


def measure_quality(photograph: Photograph) -> QualityMeasures:
    """Measure a photograph.

    Args:
        photograph: uint8 (H, W, 3) RGB, unfiltered.
    """
    frame = square_frame(photograph)
    square = cut_square(photograph, frame, min(SIDE, frame.side))
    inside = _inside(square)
    detail = _finest_detail(square[..., 1])[inside]
    colours = square[inside].astype(np.float64)
    return QualityMeasures(
        sharpness=float(np.percentile(np.abs(detail), 95)),
        brightness=float(colours.max(1).mean()),
        redness=float((colours[:, 0] / np.maximum(colours.sum(1), 1)).mean()),
        shown=_share_shown(photograph),
    )


def _inside(square: Photograph) -> NDArray[np.bool_]:
    """Lit pixels well inside the disc, (S, S) bool; all pixels if hardly any is lit."""
    side = len(square)
    rows, columns = np.ogrid[:side, :side]
    distance = np.hypot(rows - (side - 1) / 2, columns - (side - 1) / 2)
    inside = (distance < INNER * side / 2) & (square.max(2) > LIT)
    return inside if inside.mean() > 0.01 else np.ones_like(inside)


def _finest_detail(channel: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Difference of Gaussians (S, S), in grey levels."""
    grey = channel.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (FINE, COARSE))
    return np.asarray(fine - coarse, np.float32)


def _share_shown(photograph: Photograph) -> float | None:
    try:
        disc = find_disc(photograph)
    except NoDiscError:
        return None
    area = math.pi * disc.radius_x * disc.radius_y
    return min(float(disc.mask(*photograph.shape[:2]).sum() / area), 1.0)
