"""The circle or ellipse through most of the points."""

import numpy as np
import pytest

from drkit.images.ellipses import fit_disc


def on_curve(x: float, y: float, radius_x: float, radius_y: float, num: int = 120) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, num, endpoint=False)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)


@pytest.mark.parametrize("radii", [(50, 50), (50, 42), (40, 50)])
def test_a_clean_curve_is_found_exactly(radii: tuple[float, float]) -> None:
    found = fit_disc(on_curve(30, -12, *radii))

    assert found is not None
    assert found.num_on == 120
    ellipse = found.ellipse
    assert (ellipse.x, ellipse.y, ellipse.radius_x, ellipse.radius_y) == pytest.approx((30, -12, *radii), abs=0.01)


def test_two_fifths_of_wrong_points_change_nothing() -> None:
    points = on_curve(100, 80, 60, 60)
    points[:48] = np.random.default_rng(1).uniform(40, 160, (48, 2))
    found = fit_disc(points)

    assert found is not None
    ellipse = found.ellipse
    assert (ellipse.x, ellipse.y, ellipse.radius_x, ellipse.radius_y) == pytest.approx((100, 80, 60, 60), abs=0.5)


def test_two_side_arcs_make_a_circle_not_an_ellipse() -> None:
    points = on_curve(0, 0, 50, 50)
    arcs = points[np.abs(points[:, 1]) < 32]
    found = fit_disc(arcs + np.random.default_rng(2).normal(0, 0.1, arcs.shape))

    assert found is not None
    assert found.ellipse.radius_x == found.ellipse.radius_y == pytest.approx(50, abs=0.5)


def test_pixels_inside_are_those_nearer_than_the_radius() -> None:
    found = fit_disc(on_curve(20, 15, 10, 10))

    assert found is not None
    inside = found.ellipse.holds(30, 40)
    assert inside.shape == (30, 40)
    assert inside.sum() == pytest.approx(np.pi * 100, rel=0.02)


def test_too_few_points_or_a_line_are_no_disc() -> None:
    line = np.stack([np.arange(60.0), np.arange(60.0)], axis=1)

    assert fit_disc(line[:5]) is None
    assert fit_disc(line) is None
