"""Augmentation as algebra: what each matrix does to pixels."""

import numpy as np
import pytest
import torch

from drkit.data.augmentation import LUMINANCE, MEDIUM, NONE, STRONG, Policy, colour, draw, geometry
from drkit.data.rendering import InputFormat, render

SIDE = 33
AS_IT_IS = InputFormat(SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CPU = torch.device("cpu")
PLAIN_COLOUR = torch.eye(3, 4)[None]


@pytest.fixture
def photograph() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def _draws(**values: float) -> torch.Tensor:
    names = ("turn", "zoom", "mirror_x", "mirror_y", "shear_x", "shear_y", "shift_x", "shift_y")
    return torch.tensor([[values.get(name, 1.0 if name.startswith("mirror") else 0.0) for name in names]])


def _after(photograph: np.ndarray, matrix: torch.Tensor) -> np.ndarray:
    images = render(photograph[None], AS_IT_IS, CPU, (matrix, PLAIN_COLOUR))
    return images[0].permute(1, 2, 0).numpy() * 255


def test_no_policy_changes_nothing() -> None:
    matrix, tint = draw(NONE, ["a", "b"], seed=0, epoch=1, side=SIDE)
    assert torch.allclose(matrix, torch.eye(3).expand(2, 3, 3))
    assert torch.allclose(tint, torch.eye(3, 4).expand(2, 3, 4))


def test_a_draw_depends_on_seed_epoch_and_photograph_alone() -> None:
    alone = draw(STRONG, ["b"], seed=3, epoch=5, side=SIDE)
    among = draw(STRONG, ["a", "b", "c"], seed=3, epoch=5, side=SIDE)
    assert all(torch.equal(one[0], many[1]) for one, many in zip(alone, among, strict=True))
    others = [draw(STRONG, ["b"], seed=4, epoch=5, side=SIDE), draw(STRONG, ["b"], seed=3, epoch=6, side=SIDE)]
    assert not any(torch.equal(alone[0], other[0]) for other in others)


def test_a_quarter_turn_is_numpys(photograph: np.ndarray) -> None:
    turned = _after(photograph, geometry(Policy(turn=90), _draws(turn=1.0), SIDE))
    assert min(np.abs(turned - np.rot90(photograph, k)).max() for k in (1, 3)) < 0.1


@pytest.mark.parametrize(("draws", "axis"), [({"mirror_x": -1.0}, 1), ({"mirror_y": -1.0}, 0)])
def test_a_mirror_is_numpys(photograph: np.ndarray, draws: dict[str, float], axis: int) -> None:
    mirrored = _after(photograph, geometry(Policy(flip=True), _draws(**draws), SIDE))
    assert np.abs(mirrored - np.flip(photograph, axis)).max() < 0.1


def test_a_shift_moves_by_a_share_of_the_side(photograph: np.ndarray) -> None:
    shifted = _after(photograph, geometry(Policy(shift=4 / SIDE), _draws(shift_x=1.0), SIDE))
    assert np.abs(shifted[:, 4:] - photograph[:, :-4]).max() < 0.1
    assert np.abs(shifted[:, :4]).max() < 0.1  # what was not seen is black


def test_geometry_keeps_the_middle_in_place_without_shift() -> None:
    middle = torch.tensor([(SIDE - 1) / 2, (SIDE - 1) / 2, 1.0])
    drawn = torch.rand(50, 8) * 2 - 1
    moved = geometry(Policy(turn=180, flip=True, zoom=0.2), drawn, SIDE) @ middle
    assert torch.allclose(moved, middle.expand(50, 3), atol=1e-4)


def test_brightness_multiplies_and_no_saturation_is_grey() -> None:
    one = torch.tensor([[1.0, 0, 0, 0, 0]])
    assert torch.allclose(colour(Policy(brightness=0.5), one)[0], torch.eye(3, 4) * 1.5)
    grey = colour(Policy(saturation=1.0), torch.tensor([[0.0, 0, -1.0, 0, 0]]))[0]
    pixel = torch.tensor([0.9, 0.2, 0.4])
    assert torch.allclose(grey[:, :3] @ pixel, torch.full((3,), float(pixel @ torch.tensor(LUMINANCE))))


def test_normalisation_is_folded_in(photograph: np.ndarray) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    images = render(photograph[None], InputFormat(SIDE, mean, std), CPU)
    expected = (photograph / 255 - np.array(mean)) / np.array(std)
    assert np.abs(images[0].permute(1, 2, 0).numpy() - expected).max() < 1e-4
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_rendering_is_the_same_in_any_batch(photograph: np.ndarray) -> None:
    photographs = np.stack([photograph, photograph[::-1], photograph[:, ::-1]])
    names = ["a", "b", "c"]
    together = render(photographs, AS_IT_IS, CPU, draw(MEDIUM, names, 0, 1, SIDE))
    single = [
        render(one[None], AS_IT_IS, CPU, draw(MEDIUM, [name], 0, 1, SIDE))[0]
        for one, name in zip(photographs, names, strict=True)
    ]
    assert torch.allclose(together, torch.stack(single), atol=1e-5)
