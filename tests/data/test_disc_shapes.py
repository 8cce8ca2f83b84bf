"""The squashing of a data set's photographs is measured on some of them."""

from pathlib import Path

import numpy as np
import pytest

from drkit.data.disc_shapes import NUM_SAMPLED, measure_discs
from drkit.images.files import encode_photograph


def _draw(path: Path, radii: tuple[float, float], shape: tuple[int, int] = (200, 240)) -> Path:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    rho = np.hypot((columns - shape[1] / 2) / radii[0], (rows - shape[0] / 2) / radii[1])
    path.write_bytes(encode_photograph(((rho < 1)[..., None] * np.array([160, 90, 50])).astype(np.uint8), ".png"))
    return path


def test_the_median_is_that_of_the_discs(tmp_path: Path) -> None:
    paths = [_draw(tmp_path / f"{height}.png", (80, height)) for height in (64, 80, 88)]
    paths.append(tmp_path / "broken.png")
    paths[-1].write_bytes(b"no photograph")
    found = measure_discs(paths)
    assert found
    assert (found.photographs, found.median) == (3, pytest.approx(1.0, abs=0.01))
    assert 0.8 < found.low < found.high < 1.1
    assert str(found).startswith("1.00 times as high as wide (median of 3 photographs; nine in ten 0.8")


def test_steps_that_make_discs_round_are_taken_into_account(tmp_path: Path) -> None:
    path = _draw(tmp_path / "a.png", (60, 84))
    before, after = measure_discs([path]), measure_discs([path], ["circle-crop:margin=0.1"])
    assert before
    assert before.median == pytest.approx(1.4, abs=0.03)
    assert after
    assert after.median == pytest.approx(1.0, abs=0.01)


def test_discs_cut_at_the_borders_are_not_squashed(tmp_path: Path) -> None:
    found = measure_discs([_draw(tmp_path / "a.png", (130, 130)), _draw(tmp_path / "b.png", (110, 110), (300, 180))])
    assert found
    assert (found.photographs, found.low, found.high) == (2, 1, 1)


def test_photographs_without_a_disc_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "black.png"
    path.write_bytes(encode_photograph(np.zeros((64, 64, 3), np.uint8), ".png"))
    assert measure_discs([path] * (2 * NUM_SAMPLED)) is None
    assert measure_discs([]) is None
