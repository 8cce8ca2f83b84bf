"""Aspect ratio of a data set's photographs, measured by the shape of their fundus discs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drkit.errors import DrkitError
from drkit.images.disc import find_disc
from drkit.images.files import read_content
from drkit.images.filters import apply_steps
from drkit.images.reduced import decode_reduced
from drkit.machine import allowed_cpus

NUM_SAMPLED = 64  # photographs, spread evenly over a data set
DECODED_SIDE = 256  # pixels that the shorter side keeps when a large photograph is decoded at a fraction


@dataclass(frozen=True)
class DiscShapes:
    """Height divided by width of the fundus discs of some photographs; 1 is round.

    Args:
        photographs: Number of discs measured.
        median: Median of height divided by width.
        low: 5th percentile.
        high: 95th percentile.
    """

    photographs: int
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.median:.2f} times as high as wide (median of {self.photographs} photographs; nine in ten"
            f" {self.low:.2f} to {self.high:.2f})"
        )


def measure_discs(paths: Sequence[Path], steps: Sequence[str] = (), workers: int | None = None) -> DiscShapes | None:
    """Measure the fundus discs of a sample of photographs, without those that show none or cannot be read.

    Args:
        paths: Paths of a data set's photographs.
        steps: Preprocessing steps to apply to the photographs first.
        workers: Number of threads. None: one per allowed CPU.

    Returns:
        None if no disc is found.
    """
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(NUM_SAMPLED, len(paths))).round().astype(int))
    with ThreadPoolExecutor(workers or allowed_cpus()) as pool:
        measured = pool.map(lambda index: _height_over_width(paths[index], steps), chosen)
        ratios = [ratio for ratio in measured if ratio is not None]
    if not ratios:
        return None
    low, median, high = (float(share) for share in np.percentile(ratios, [5, 50, 95]))
    return DiscShapes(len(ratios), median, low, high)


def _height_over_width(path: Path, steps: Sequence[str]) -> float | None:
    try:
        photograph = decode_reduced(read_content(path), str(path), DECODED_SIDE)[0].pixels
        disc = find_disc(apply_steps(photograph, steps))
    except DrkitError:
        return None
    return disc.radius_y / disc.radius_x
