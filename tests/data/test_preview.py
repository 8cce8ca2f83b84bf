"""The sheet that shows what a policy does."""

import numpy as np
import pytest
import torch

from drkit.data.augmentation import MEDIUM, NONE, STRONG, draw
from drkit.data.preview import GAP, preview_policy
from drkit.data.rendering import InputFormat, render

WANTED = InputFormat(64, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def photographs() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)


def _tiles(sheet: np.ndarray, num: int, copies: int) -> np.ndarray:
    """The photographs of the sheet (num, 1 + copies, 64, 64, 3), without the caption."""
    body = sheet[-num * (64 + GAP) :]
    assert sheet.shape[1] == (1 + copies) * (64 + GAP)
    tiles = body.reshape(num, 64 + GAP, 1 + copies, 64 + GAP, 3).transpose(0, 2, 1, 3, 4)
    assert (tiles[:, :, 64:] == 255).all()
    assert (tiles[:, :, :, 64:] == 255).all()
    return tiles[:, :, :64, :64]


def test_a_row_has_the_photograph_followed_by_its_augmented_copies(photographs: np.ndarray) -> None:
    sheet = preview_policy(photographs, STRONG, WANTED, 5, copies=3, image_ids=["a", "b"])
    assert sheet.dtype == np.uint8
    tiles = _tiles(sheet, 2, 3)
    assert np.array_equal(tiles[:, 0], photographs)
    plain = InputFormat(64, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    for epoch in (1, 2, 3):
        images = render(photographs, plain, torch.device("cpu"), draw(STRONG, ["a", "b"], 5, epoch, 64))
        assert np.abs(tiles[:, epoch] - images.permute(0, 2, 3, 1).numpy() * 255).max() <= 0.5 + 1e-3


def test_a_preview_of_nothing_repeats_the_photograph(photographs: np.ndarray) -> None:
    tiles = _tiles(preview_policy(photographs, NONE, WANTED, 0, copies=2), 2, 2)
    assert np.array_equal(tiles, np.stack([photographs] * 3, 1))


def test_the_sheet_depends_on_the_seed_and_names_it(photographs: np.ndarray) -> None:
    one, again, other = (preview_policy(photographs, MEDIUM, WANTED, seed, copies=7) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    strip = one.shape[0] - 2 * (64 + GAP)
    assert not np.array_equal(one[strip:], other[strip:])
    assert not np.array_equal(one[:strip], other[:strip])


def test_the_caption_fits_a_narrow_sheet(photographs: np.ndarray) -> None:
    wide, narrow = (preview_policy(photographs, STRONG, WANTED, 0, copies=copies) for copies in (7, 1))
    assert narrow.shape[0] > wide.shape[0]


def test_without_copies_only_the_photographs_are_shown(photographs: np.ndarray) -> None:
    assert np.array_equal(_tiles(preview_policy(photographs, MEDIUM, WANTED, 0, copies=0), 2, 0)[:, 0], photographs)
