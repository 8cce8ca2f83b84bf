"""Crops and resizes: round discs, clean surrounds, preserved aspect ratios and idempotence."""

from collections.abc import Callable

import numpy as np
import pytest

from drkit.images.disc import find_disc
from drkit.images.files import Photograph
from drkit.images.filters.frame import circle_crop, crop, resize
from drkit.images.filters.fundus import Fundus

DrawFundus = Callable[..., Photograph]
SHAPES = [
    {},
    {"surround": 255},
    {"radii": (130, 110)},
    {"height": 200, "centre": (200, 100), "radii": (150, 150)},
    {"centre": (110, 150)},
]


def framed(photograph: Photograph) -> Fundus:
    return Fundus.of(photograph, find_disc(photograph))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cropped_photograph_crops_to_itself(draw_fundus: DrawFundus, shape: dict[str, object]) -> None:
    once = circle_crop(framed(draw_fundus(**shape)))

    assert np.array_equal(circle_crop(once).photograph, once.photograph)
    again = circle_crop(framed(once.photograph)).photograph  # the disc is found again, as in another run
    assert again.shape == once.photograph.shape
    assert (again != once.photograph).any(axis=2).mean() < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cropped_disc_is_round_and_central_with_nothing_beside_it(
    draw_fundus: DrawFundus, shape: dict[str, object]
) -> None:
    fundus = circle_crop(framed(draw_fundus(**shape)))
    side = fundus.photograph.shape[0]
    disc = fundus.disc

    assert disc is not None
    assert fundus.photograph.shape == (side, side, 3)
    assert (disc.x, disc.y, disc.radius_x, disc.radius_y) == pytest.approx([side / 2] * 4, rel=0.02)
    outside = ~disc.mask(side, side)
    assert not fundus.photograph[outside].any()
    assert fundus.surround == (0, 0, 0)


def test_crop_leaves_the_surround_and_adds_its_colour(draw_fundus: DrawFundus) -> None:
    fundus = crop(framed(draw_fundus(surround=255, height=200, centre=(200, 100), radii=(150, 150))), margin=0.1)

    assert fundus.photograph.shape[0] == pytest.approx(330, abs=5)
    assert (fundus.photograph[:20] > 250).all()
    assert fundus.surround == pytest.approx((255, 255, 255), abs=1)


def test_resizing_keeps_the_aspect_and_pads(draw_fundus: DrawFundus) -> None:
    fundus = resize(framed(draw_fundus()), size=200)

    assert fundus.photograph.shape == (200, 200, 3)
    assert fundus.disc is not None
    assert fundus.disc.radius_x == pytest.approx(fundus.disc.radius_y, rel=0.01) == pytest.approx(60, abs=1.5)
    assert not fundus.photograph[:24].any()
    assert np.array_equal(resize(fundus, size=200).photograph, fundus.photograph)


def test_shrinking_averages_areas() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200

    assert (resize(Fundus(stripes, None, (0, 0, 0)), size=32).photograph == 100).all()


def test_without_a_disc_the_complete_photograph_is_padded() -> None:
    fundus = circle_crop(Fundus(np.full((40, 60, 3), 90, np.uint8), None, (7, 7, 7)))

    assert fundus.photograph.shape == (60, 60, 3)
    assert (fundus.photograph[10:50] == 90).all()
    assert (fundus.photograph[:10] == 7).all()
