"""A photograph with its disc: the extension beyond the rim, and painting the surround."""

from collections.abc import Callable

import numpy as np

from drkit.images.disc import Box, Disc, find_disc
from drkit.images.files import Photograph
from drkit.images.filters.fundus import CUT_WIDTH, RIM, Fundus


def test_extending_mirrors_the_disc_and_leaves_its_inside() -> None:
    columns = np.tile(np.arange(100, dtype=np.uint8)[None, :, None], (100, 1, 3))
    disc = Disc(50, 50, 40, 40, Box(10, 10, 90, 90))
    extended = Fundus(columns, disc, (0, 0, 0)).extended()

    inner = Disc(50, 50, 37, 37, disc.box).mask(100, 100)
    assert np.array_equal(extended[inner], columns[inner])
    rim = 50 + 40 * RIM
    for column in (92, 96):
        assert abs(int(extended[50, column, 0]) - (2 * rim - column)) <= 2


def test_a_cut_disc_is_mirrored_at_its_cut() -> None:
    rows = np.tile(np.arange(100, dtype=np.uint8)[:, None, None], (1, 100, 3))
    disc = Disc(50, 50, 48, 48, Box(2, 20, 98, 80))
    extended = Fundus(rows, disc, (0, 0, 0)).extended()

    first, last = 20 + CUT_WIDTH, 80 - CUT_WIDTH
    assert extended[:, 50].min() >= first
    assert extended[:, 50].max() < last
    assert abs(int(extended[first - 5, 50, 0]) - (first + 5)) <= 1


def test_all_of_a_photograph_without_a_disc_is_retina(draw_fundus: Callable[..., Photograph]) -> None:
    fundus = Fundus.of(draw_fundus(), None)

    assert fundus.mask() is None
    assert fundus.extended() is fundus.photograph
    assert fundus.with_surround((9, 9, 9)) is fundus
    assert fundus.radius == 200


def test_painting_the_surround_keeps_the_retina(draw_fundus: Callable[..., Photograph]) -> None:
    photograph = draw_fundus()
    fundus = Fundus.of(photograph, find_disc(photograph)).with_surround((1, 2, 3))
    inside = fundus.mask() == 255

    assert np.array_equal(fundus.photograph[inside], photograph[inside])
    assert (fundus.photograph[~inside] == (1, 2, 3)).all()
