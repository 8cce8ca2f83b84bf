"""Colour filters change only the disc and have the documented identities and means."""

from collections.abc import Callable

import numpy as np
import pytest

from drkit.images.disc import find_disc
from drkit.images.files import Photograph
from drkit.images.filters.colour import clahe, gamma, green, grey_world
from drkit.images.filters.fundus import Fundus

DrawFundus = Callable[..., Photograph]


@pytest.fixture(params=[0, 255], ids=["black", "white"])
def fundus(request: pytest.FixtureRequest, draw_fundus: DrawFundus) -> Fundus:
    photograph = draw_fundus(surround=request.param)
    return Fundus.of(photograph, find_disc(photograph))


@pytest.mark.parametrize("act", [clahe, gamma, grey_world])
def test_the_surround_stays_as_it_is(fundus: Fundus, act: Callable[[Fundus], Fundus]) -> None:
    filtered = act(fundus).photograph
    outside = fundus.mask() == 0

    assert np.array_equal(filtered[outside], fundus.photograph[outside])
    assert (filtered[~outside] != fundus.photograph[~outside]).mean() > 0.5


def test_neutral_parameters_change_nothing(fundus: Fundus) -> None:
    assert np.array_equal(gamma(fundus, gamma=1).photograph, fundus.photograph)
    assert np.array_equal(grey_world(fundus, strength=0).photograph, fundus.photograph)


def test_gamma_is_a_power_law() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    filtered = gamma(Fundus(ramp, None, (0, 0, 0)), gamma=2).photograph

    assert np.array_equal(filtered, np.rint(255 * np.sqrt(ramp / 255)).astype(np.uint8))


def test_grey_world_makes_the_means_of_the_disc_equal(fundus: Fundus) -> None:
    inside = fundus.mask() == 255
    means = grey_world(fundus).photograph[inside].mean(axis=0)

    assert np.ptp(fundus.photograph[inside].mean(axis=0)) > 50
    assert np.ptp(means) < 2


def test_grey_world_leaves_an_empty_channel_empty() -> None:
    photograph = np.full((20, 20, 3), (120, 60, 0), np.uint8)

    assert not grey_world(Fundus(photograph, None, (0, 0, 0))).photograph[..., 2].any()


def test_green_is_grey_and_the_green_channel(fundus: Fundus) -> None:
    filtered = green(fundus).photograph

    for channel in range(3):
        assert np.array_equal(filtered[..., channel], fundus.photograph[..., 1])


def test_clahe_raises_local_contrast_and_keeps_colours(fundus: Fundus) -> None:
    inside = fundus.mask() == 255
    before, after = fundus.photograph[inside].astype(int), clahe(fundus, clip=4).photograph[inside].astype(int)

    assert after.max(axis=1).std() > before.max(axis=1).std()
    assert (after[:, 0] > after[:, 2]).mean() > 0.99  # red above blue, as before


def test_clahe_does_not_see_the_surround(draw_fundus: DrawFundus) -> None:
    black, white = draw_fundus(surround=0), draw_fundus(surround=255)
    disc = find_disc(black)
    inner = disc.mask(300, 400)
    one, other = (clahe(Fundus(p, disc, (0, 0, 0))).photograph[inner].astype(int) for p in (black, white))

    assert np.abs(one - other).mean() < 1
