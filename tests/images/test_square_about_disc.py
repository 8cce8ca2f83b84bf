"""The square about the fundus disc."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from drkit.images.disc import find_disc_box, square_about_disc
from drkit.images.files import read_photograph


def _disc(surround: int, size: tuple[int, int] = (120, 200), centre: tuple[int, int] = (110, 60), radius: int = 50):
    photograph = np.full((*size, 3), surround, np.uint8)
    cv2.circle(photograph, centre, radius, (180, 90, 40), -1)
    noise = np.random.default_rng(0).integers(-4, 5, photograph.shape)
    return np.clip(photograph + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("surround", [0, 255, 120])
def test_the_disc_is_found_on_any_surround(surround: int) -> None:
    box = find_disc_box(_disc(surround))
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((60, 10, 161, 111), abs=3)


def test_a_photograph_is_never_squashed_and_a_cropped_one_crops_to_itself() -> None:
    square = square_about_disc(_disc(0), 100)
    inside = square[:, :, 0] > 90
    height, width = inside.any(1).sum(), inside.any(0).sum()
    assert abs(int(height) - int(width)) <= 2
    assert width >= 96
    again = square_about_disc(square, 100)
    assert np.abs(again.astype(int) - square).mean() < 4


def test_a_disc_cut_at_top_and_bottom_is_padded() -> None:
    cut = _disc(0, size=(70, 200), centre=(100, 35), radius=50)
    square = square_about_disc(cut, 100)
    assert square[:10].max() < 30
    assert square[50, 50, 0] > 150


def test_without_a_recognisable_disc_the_complete_photograph_is_kept() -> None:
    flat = np.full((40, 60, 3), 128, np.uint8)
    box = find_disc_box(flat)
    assert (box.left, box.top, box.right, box.bottom) == (0, 0, 60, 40)


def test_real_photographs_fill_their_square(shared_data: Path) -> None:
    paths = sorted((shared_data / "DeepDRiD" / "val").rglob("*.jpg"))[::40]
    paths += sorted((shared_data / "IDRiD").rglob("*.jpg"))[::60]
    for path in paths:
        square = square_about_disc(read_photograph(path), 64)
        columns = np.abs(square.astype(int) - np.median(square[:2, :2], (0, 1))).max(-1).mean(0)
        assert columns[2:5].mean() > 5, path
        assert columns[-5:-2].mean() > 5, path
