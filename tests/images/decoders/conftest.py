"""A photograph with distinguishable channels, sides and depth."""

import numpy as np
import pytest


@pytest.fixture
def photograph() -> np.ndarray:
    """uint8 (32, 48, 3): red rises to the right, green downwards, blue is dark; black and white occur."""
    rows, columns = np.meshgrid(np.linspace(0, 255, 32), np.linspace(0, 255, 48), indexing="ij")
    pixels = np.stack([columns, rows, np.full_like(rows, 40)], -1).round().astype(np.uint8)
    pixels[:4, :4], pixels[-4:, -4:] = 0, 255
    return pixels
