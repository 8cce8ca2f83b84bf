"""Photographs have the pixels of the bank, and the blur does not cross the edge of the disc."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from drkit.data.bank import build_bank
from drkit.explaining.photographs import PICTURE_SIDE, blur, blur_discs, read_views, shrink_mask
from drkit.records.layouts import read_dataset


@pytest.mark.parametrize("steps", [(), ("circle-crop:margin=0", "gamma:gamma=2")])
def test_pixels_are_the_banks(eyes: Path, tmp_path: Path, steps: tuple[str, ...]) -> None:
    labels = read_dataset(eyes).of_split("val")
    bank = build_bank(labels, 37, tmp_path, steps=steps)
    views = read_views(labels.paths(), 37, steps)
    assert np.array_equal(np.stack([view.pixels for view in views]), bank.pixels)
    assert tuple(view.sha256 for view in views) == bank.hashes
    squashed = read_views(labels.paths(), 37, steps, round_discs=True)
    rounded = build_bank(labels, 37, tmp_path, steps=steps, round_discs=True)
    assert np.array_equal(np.stack([view.pixels for view in squashed]), rounded.pixels)
    assert views[0].picture.shape == (PICTURE_SIDE, PICTURE_SIDE, 3)
    assert all(view.has_disc and 0.5 < view.disc.mean() < 0.9 for view in views)


def test_the_blur_takes_detail_and_leaves_colour_and_surround() -> None:
    discs = torch.zeros(1, 64, 64, dtype=torch.bool)
    discs[0, 8:56, 8:56] = True
    images = torch.full((1, 3, 64, 64), -5.0)
    images[0, :, 8:56, 8:56] = 1.0
    images[0, :, 30:33, 30:33] = 9.0
    blurred = blur_discs(images, discs)
    assert torch.equal(blurred[:, :, :8], images[:, :, :8])
    inside = blurred[0, 0][discs[0]]
    assert inside.max() < 2.5  # the spot is gone
    assert inside.min() >= 1.0 - 1e-4  # and the surround did not leak in


def test_a_mask_shrinks_by_majority() -> None:
    mask = np.zeros((4, 4), dtype=bool)
    mask[:2, :2] = True
    mask[0, 2] = True
    assert shrink_mask(mask, 2).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("sigma", [0.8, 2.0, 5.0])
def test_blur_is_scipys(sigma: float) -> None:
    planes = torch.rand(2, 20, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = [gaussian_filter(plane.numpy(), sigma, mode="constant", radius=round(3 * sigma)) for plane in planes]
    assert np.allclose(blur(planes, sigma), expected)
