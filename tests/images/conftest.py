"""A drawn fundus photograph whose disc is known."""

from collections.abc import Callable

import numpy as np
import pytest

from drkit.images.files import Photograph

DrawFundus = Callable[..., Photograph]


@pytest.fixture(scope="session")
def draw_fundus() -> DrawFundus:
    """Draws (H, W, 3): an upright ellipse of mottled retina on a plain surround."""

    def draw(
        height: int = 300,
        width: int = 400,
        centre: tuple[float, float] = (200, 150),
        radii: tuple[float, float] = (120, 120),
        surround: int = 0,
        brightness: float = 1.0,
    ) -> Photograph:
        generator = np.random.default_rng(0)
        across = (np.arange(width) + 0.5 - centre[0]) / radii[0]
        down = (np.arange(height) + 0.5 - centre[1]) / radii[1]
        rho = np.hypot(across[None, :], down[:, None])
        shade = 1 - 0.3 * np.minimum(rho, 1) + 0.1 * np.sin(9 * across[None, :]) * np.cos(7 * down[:, None])
        retina = shade[..., None] * np.array([190, 105, 55]) * brightness
        pixels = np.where((rho <= 1)[..., None], retina, surround) + generator.normal(0, 1, (height, width, 1))
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)

    return draw
