"""The surround is measured in the four corners."""

import numpy as np
import pytest

from drkit.images.disc_edge import Surround
from drkit.images.surround import corners, surround_colour


def test_corners_are_a_thirty_second_of_each_side() -> None:
    photograph = np.zeros((64, 96, 3), np.uint8)
    photograph[:2, :3], photograph[:2, -3:], photograph[-2:, :3], photograph[-2:, -3:] = 1, 2, 3, 4

    assert corners(photograph).shape == (4 * 2 * 3, 3)
    assert np.array_equal(np.bincount(corners(photograph)[:, 0]), [0, 6, 6, 6, 6])
    assert np.array_equal(np.bincount(corners(photograph[..., 0])), [0, 6, 6, 6, 6])


@pytest.mark.parametrize("shape", [(16, 16), (20, 700), (3000, 2000)])
def test_few_pixels_of_each_corner_stand_for_all(shape: tuple[int, int]) -> None:
    photograph = np.zeros((*shape, 3), np.uint8)
    middle = (slice(shape[0] // 4, -(shape[0] // 4)), slice(shape[1] // 4, -(shape[1] // 4)))
    photograph[middle] = 255
    some = corners(photograph, 6)

    assert 4 <= len(some) <= 4 * 6 * 6
    assert len(some) <= len(corners(photograph))
    assert not some.any()


def test_the_colour_is_the_median_and_text_in_one_corner_does_not_count() -> None:
    photograph = np.full((320, 320, 3), (10, 20, 30), np.uint8)
    photograph[100:200, 100:200] = 200
    photograph[:20, :20] = 255

    assert surround_colour(photograph).tolist() == [10, 20, 30]
    assert Surround.of(corners(photograph, 6)).colour == (10, 20, 30)


def test_an_even_number_of_pixels_has_the_mean_of_its_middle_two() -> None:
    photograph = np.zeros((32, 32, 3), np.uint8)
    photograph[0, 0], photograph[0, -1], photograph[-1, 0], photograph[-1, -1] = 1, 2, 5, 9

    assert surround_colour(photograph).tolist() == [3.5, 3.5, 3.5]


def test_noise_is_how_far_most_pixels_lie_from_the_colour() -> None:
    pixels = np.full((80, 3), 100, np.uint8)
    assert Surround.of(pixels).noise == 0
    pixels[:5] = 255  # one in sixteen: text
    assert Surround.of(pixels).noise == 0
    pixels[:20, 1] = 96
    assert Surround.of(pixels).noise == 4
    pixels[40:60, 2] = 107
    assert Surround.of(pixels).noise == 7
