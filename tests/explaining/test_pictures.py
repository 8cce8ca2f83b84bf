"""Colours: none without evidence or outside the disc, and hues that are distinct for colour-blind readers."""

import numpy as np
import pytest

from drkit.explaining.pictures import AGAINST, FOR, colour_bar, paint, paint_both, strip

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
DISC = np.zeros((40, 40), dtype=bool)
DISC[5:35, 5:35] = True


def test_without_evidence_the_photograph_is_grey() -> None:
    painted = paint(PICTURE, np.zeros((10, 10)), FOR, DISC)
    assert (painted == painted[..., :1]).all()
    both = paint_both(PICTURE, np.zeros((10, 10)), np.zeros((10, 10)), DISC)
    assert (both == both[..., :1]).all()


def test_nothing_is_painted_outside_the_disc() -> None:
    for painted in (
        paint(PICTURE, np.ones((10, 10)), FOR, DISC),
        paint_both(PICTURE, np.ones((10, 10)), np.zeros((10, 10)), DISC),
        paint_both(PICTURE, np.zeros((10, 10)), np.ones((10, 10)), DISC),
    ):
        assert (painted[~DISC] == painted[~DISC][:, :1]).all()
    black = paint(np.zeros_like(PICTURE), np.ones((10, 10)), AGAINST, DISC)
    assert (black[~DISC] == 0).all()
    assert (black[DISC] > 100).any()


@pytest.mark.parametrize("colours", [FOR, AGAINST])
def test_more_evidence_is_lighter(colours: tuple) -> None:
    bar = colour_bar(colours, 100, 4).astype(np.float64)
    lightness = bar[0] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) >= -1.5).all()
    assert lightness[-1] > lightness[0] + 120


def test_for_and_against_differ_for_colour_blind_eyes() -> None:
    """Orange and blue part on the blue-yellow axis, which the common colour blindnesses keep."""
    for strength in (0.4, 0.7, 1.0):
        one, other = (
            paint(np.full_like(PICTURE, 90), np.full((4, 4), strength), c, DISC)[20, 20].astype(int)
            for c in (FOR, AGAINST)
        )
        yellow_blue = [(colour[0] + colour[1]) / 2 - colour[2] for colour in (one, other)]
        assert yellow_blue[0] > 20 > -10 > yellow_blue[1]


def test_a_comparison_paints_the_stronger_side() -> None:
    left = np.zeros((40, 40))
    left[:, :20] = 1
    painted = paint_both(np.full_like(PICTURE, 60), left, 1 - left, DISC).astype(int)
    assert painted[20, 10, 0] > painted[20, 10, 2]
    assert painted[20, 30, 2] > painted[20, 30, 0]


def test_a_comparison_fades_where_both_sides_are_equally_strong() -> None:
    ramp = np.tile(np.linspace(0, 1, 40), (40, 1))
    grey = paint(PICTURE, np.zeros((40, 40)), FOR, DISC).astype(int)
    painted = paint_both(PICTURE, ramp, 1 - ramp, DISC).astype(int)
    assert (painted[20, 19:21] == grey[20, 19:21]).all()
    assert (painted[20, [6, 33]] != grey[20, [6, 33]]).any(1).all()


def test_a_strip_is_as_wide_as_its_pictures_and_gaps() -> None:
    assert strip([PICTURE, PICTURE, PICTURE], gap=6).shape == (40, 132, 3)
