"""Neighbourhood filters equal direct computation and do not depend on the surround."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from drkit.images.disc import find_disc
from drkit.images.files import Photograph
from drkit.images.filters.fundus import Fundus
from drkit.images.filters.local import ben_graham, blur, gaussian, sharpen

DrawFundus = Callable[..., Photograph]


def framed(photograph: Photograph) -> Fundus:
    return Fundus.of(photograph, find_disc(photograph))


def graham_directly(fundus: Fundus, weight: float = 4.0) -> np.ndarray:
    """The report's formula with a Gaussian of full size, in floating point, not clipped to the circle."""
    photograph = fundus.extended().astype(np.float64)
    mean = cv2.GaussianBlur(photograph, (0, 0), fundus.radius / 30, borderType=cv2.BORDER_REFLECT)
    return np.clip(weight * (photograph - mean) + 128, 0, 255)


@pytest.mark.parametrize("radius", [100, 250])
def test_ben_graham_is_the_reports_formula(draw_fundus: DrawFundus, radius: int) -> None:
    side = 2 * radius + 40
    fundus = framed(draw_fundus(side, side, (side / 2, side / 2), (radius, radius)))
    filtered = ben_graham(fundus)
    mask = filtered.mask()

    assert mask is not None
    difference = np.abs(filtered.photograph - graham_directly(fundus))[mask == 255]
    assert difference.mean() < 1  # grey levels
    assert (filtered.photograph[mask == 0] == 128).all()


def test_ben_graham_clips_to_a_share_of_the_radius(draw_fundus: DrawFundus) -> None:
    fundus = framed(draw_fundus())
    filtered = ben_graham(fundus, clip=0.5)

    assert filtered.disc is not None
    assert filtered.disc.radius == pytest.approx(fundus.radius / 2)
    assert filtered.surround == (128, 128, 128)


def test_ben_graham_scales_to_a_radius(draw_fundus: DrawFundus) -> None:
    filtered = ben_graham(framed(draw_fundus()), radius=60, clip=1)

    assert filtered.radius == pytest.approx(60, rel=0.02)


def test_ben_graham_ignores_brightness(draw_fundus: DrawFundus) -> None:
    one = ben_graham(framed(draw_fundus()))
    photograph = draw_fundus()
    shifted = np.clip(photograph.astype(int) + 20, 0, 255).astype(np.uint8)
    brighter = ben_graham(Fundus(shifted, find_disc(photograph), (20, 20, 20)))

    assert np.abs(one.photograph.astype(int) - brighter.photograph).mean() < 0.5


def test_blur_is_gaussian_and_lets_nothing_of_the_surround_in(draw_fundus: DrawFundus) -> None:
    photograph = draw_fundus(surround=255)
    fundus = framed(photograph)
    inside = fundus.mask() == 255
    filtered = blur(fundus, sigma=6).photograph

    assert np.array_equal(filtered[~inside], photograph[~inside])
    assert filtered[inside].max() <= photograph[inside].max()
    assert filtered[150, 200] == pytest.approx(gaussian(photograph, 6)[150, 200], abs=1)


def test_sharpening_by_nothing_changes_nothing(draw_fundus: DrawFundus) -> None:
    flat = Fundus(draw_fundus(), None, (0, 0, 0))

    assert np.array_equal(sharpen(flat, amount=0).photograph, flat.photograph)


def test_sharpening_adds_what_blurring_takes(draw_fundus: DrawFundus) -> None:
    flat = Fundus(draw_fundus(), None, (0, 0, 0))
    photograph = flat.photograph.astype(float)
    expected = np.clip(photograph + 1.5 * (photograph - gaussian(flat.photograph, 3)), 0, 255)

    assert np.abs(sharpen(flat, sigma=3, amount=1.5).photograph - expected).max() <= 1


def test_a_sharpened_rim_has_no_ring(draw_fundus: DrawFundus) -> None:
    photograph = draw_fundus(surround=255)
    photograph[find_disc(photograph).mask(300, 400)] = (150, 90, 50)  # flat retina
    fundus = framed(photograph)
    inside = fundus.mask() == 255

    assert np.abs(sharpen(fundus, amount=3).photograph[inside].astype(int) - (150, 90, 50)).max() <= 1
