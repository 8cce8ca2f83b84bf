"""Rays find the edge of the drawn disc at any position."""

from collections.abc import Callable

import numpy as np
import pytest

from drkit.images.disc_edge import NUM_RAYS, Surround, find_edge
from drkit.images.files import Photograph

DrawFundus = Callable[..., Photograph]
WITHIN = 2.0  # pixels, of single points: a ray is sampled about every third pixel


def distances(points: np.ndarray, centre: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """(P,) of points from an upright ellipse, in pixels."""
    away = points - np.array(centre)
    rho = np.hypot(*(away / np.array(radii)).T)
    return np.hypot(*away.T) * np.abs(1 - 1 / rho)


@pytest.mark.parametrize("radii", [(120, 120), (130, 105), (80, 120)])
@pytest.mark.parametrize("surround", [0, 255])
def test_every_ray_ends_on_the_disc(draw_fundus: DrawFundus, surround: int, radii: tuple[int, int]) -> None:
    centre = (190, 160)
    edge = find_edge(draw_fundus(surround=surround, centre=centre, radii=radii))

    assert edge is not None
    assert len(edge.points) == NUM_RAYS
    off = distances(edge.points, centre, radii)
    assert off.max() < WITHIN
    assert off.mean() < 1  # retina and surround mix at the edge
    assert edge.area == pytest.approx(np.pi * radii[0] * radii[1], rel=0.1)  # "about"


@pytest.mark.parametrize(
    ("centre", "radius"),
    [
        ((90, 85), 50),  # it holds no pixel near the photograph's middle
        ((330, 230), 60),
        ((215, 140), 45),
    ],
)
def test_a_small_disc_off_the_middle_is_found(draw_fundus: DrawFundus, centre: tuple[int, int], radius: int) -> None:
    edge = find_edge(draw_fundus(centre=centre, radii=(radius, radius)))

    assert edge is not None
    off = distances(edge.points, centre, (radius, radius))
    assert np.count_nonzero(off < WITHIN) > 0.95 * NUM_RAYS
    assert edge.area == pytest.approx(np.pi * radius**2, rel=0.1)


def test_the_border_of_the_photograph_is_no_edge_of_the_disc(draw_fundus: DrawFundus) -> None:
    """Of a radius of 150 in 200 pixels of height; about half of the rays end at the top or the bottom."""
    edge = find_edge(draw_fundus(height=200, centre=(200, 100), radii=(150, 150)))

    assert edge is not None
    assert 0.4 * NUM_RAYS < len(edge.points) < 0.6 * NUM_RAYS
    assert distances(edge.points, (200, 100), (150, 150)).max() < WITHIN
    assert edge.points[:, 1].min() > 2
    assert edge.points[:, 1].max() < 198


@pytest.mark.parametrize("noise", [2, 4, 8])
def test_a_noisy_dark_surround_moves_no_edge(draw_fundus: DrawFundus, noise: int) -> None:
    photograph = draw_fundus().astype(int) + np.random.default_rng(1).integers(0, noise + 1, (300, 400, 3))
    edge = find_edge(np.clip(photograph, 0, 255).astype(np.uint8))

    assert edge is not None
    assert len(edge.points) == NUM_RAYS
    assert distances(edge.points, (200, 150), (120, 120)).max() < WITHIN


@pytest.mark.parametrize("level", [0, 3, 128, 255])
def test_one_colour_all_over_has_no_edge(level: int) -> None:
    assert find_edge(np.full((120, 160, 3), level, np.uint8)) is None


def test_a_dark_spot_inside_is_no_edge(draw_fundus: DrawFundus) -> None:
    """A ray ends at its last transition to the surround, and not at its first."""
    photograph = draw_fundus()
    photograph[120:180, 230:260] = 0
    edge = find_edge(photograph)

    assert edge is not None
    assert distances(edge.points, (200, 150), (120, 120)).max() < WITHIN


def test_the_retina_begins_above_the_surrounds_noise() -> None:
    quiet, noisy = Surround((0, 0, 0), 1), Surround((0, 0, 0), 6)
    dark, bright = np.full((4, 4), 20, np.uint8), np.full((4, 4), 200, np.uint8)

    assert [quiet.retina_level(dark), noisy.retina_level(dark)] == [5, 9]  # at least 5; 3 above the noise
    assert Surround((0, 0, 0), 60).retina_level(dark) == 10
    assert quiet.retina_level(np.full((4, 4), 100, np.uint8)) == 12  # 0.12 times the retina's distance
    assert quiet.retina_level(bright) == 20
