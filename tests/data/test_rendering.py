"""From photographs to images: ranges, unchanged pixels, and equal results in every batch and on every device."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fake_card import CARD, fake_card
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.filters import gaussian_blur2d
from scipy.ndimage import affine_transform

from drkit.catalogue import POLICIES
from drkit.data.augmentation import MEDIUM, NONE, STRONG, TEMPLATE, Changes, Policy, draw
from drkit.data.rendering import InputFormat, dihedral_views, prepare, render

SIDE = 33
AS_IT_IS = InputFormat(SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
IMAGENET = InputFormat(24, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CPU = torch.device("cpu")
NAMES = ["a", "b", "c", "d", "e", "f"]
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")
GPU = pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])
EVERYTHING = replace(STRONG, blur=0.05, blur_probability=0.7, noise=0.2, noise_probability=0.7, erase_probability=0.7)


@pytest.fixture
def photographs() -> np.ndarray:
    """Six photographs on black."""
    pixels = np.zeros((len(NAMES), SIDE, SIDE, 3), np.uint8)
    pixels[:, 3:-3, 3:-3] = np.random.default_rng(0).integers(0, 256, (len(NAMES), SIDE - 6, SIDE - 6, 3), np.uint8)
    return pixels


def _unchanged(num: int = 1) -> Changes:
    return draw(NONE, NAMES[:num], 0, 1, SIDE)


def test_without_changes_images_are_the_normalised_resize(photographs: np.ndarray) -> None:
    images = render(photographs, IMAGENET, CPU)
    pixels = torch.from_numpy(photographs).permute(0, 3, 1, 2).double() / 255
    resized = F.interpolate(pixels, (24, 24), mode="bilinear", align_corners=True)
    mean, std = (torch.tensor(values).double()[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))
    assert torch.allclose(images.double(), (resized - mean) / std, atol=1e-4)


@pytest.mark.parametrize("side", [SIDE, 24, 47])
def test_no_change_is_the_same_as_no_changes(photographs: np.ndarray, side: int) -> None:
    input_format = replace(IMAGENET, side=side)
    assert torch.allclose(
        render(photographs, input_format, CPU),
        render(photographs, input_format, CPU, _unchanged(len(NAMES))),
        atol=1e-3,
    )


@settings(max_examples=25)
@given(st.sampled_from([*POLICIES]), st.integers(0, 1000), st.integers(17, 40))
def test_images_are_float32_channels_last_and_within_what_a_camera_gives(name: str, epoch: int, side: int) -> None:
    photographs = np.random.default_rng(epoch).integers(0, 256, (3, 20, 20, 3), np.uint8)
    before = photographs.copy()
    input_format = replace(IMAGENET, side=side)
    images = render(photographs, input_format, CPU, draw(POLICIES[name].load(), NAMES[:3], 0, epoch, 20))
    assert images.dtype == torch.float32
    assert images.shape == (3, 3, side, side)
    assert images.is_contiguous(memory_format=torch.channels_last)
    channels = images * torch.tensor(IMAGENET.std)[:, None, None] + torch.tensor(IMAGENET.mean)[:, None, None]
    assert channels.min() >= -1e-5
    assert channels.max() <= 1 + 1e-5
    assert np.array_equal(photographs, before)


@pytest.mark.parametrize("policy", [MEDIUM, EVERYTHING, TEMPLATE])
def test_rendering_is_the_same_in_any_batch(photographs: np.ndarray, policy: Policy) -> None:
    together = render(photographs, IMAGENET, CPU, draw(policy, NAMES, 0, 1, SIDE))
    single = [
        render(one[None], IMAGENET, CPU, draw(policy, [name], 0, 1, SIDE))[0]
        for one, name in reversed(list(zip(photographs, NAMES, strict=True)))
    ]
    assert torch.allclose(together, torch.stack(single[::-1]), atol=1e-4)


def test_warp_and_colour_agree_with_scipy_in_double_precision(photographs: np.ndarray) -> None:
    policy = replace(MEDIUM, contrast=0.0)
    changes = draw(policy, NAMES, 0, 1, SIDE)
    images = render(photographs, AS_IT_IS, CPU, changes).double().numpy()
    for row, photograph in enumerate(photographs):
        # scipy's coordinates are (y, x), and its matrix maps new positions to old ones.
        back = np.linalg.inv(changes.geometry[row].double().numpy())[:2][::-1][:, [1, 0, 2]]
        moved = [
            affine_transform(
                photograph[:, :, channel].astype(float), back[:, :2], back[:, 2], order=1, mode="grid-constant"
            )
            for channel in range(3)
        ]
        product = changes.colour[row, :, :3].double().numpy()
        expected = np.einsum("ij,jyx->iyx", product, np.stack(moved)) / 255
        assert np.abs(images[row] - expected.clip(0, 1)).max() < 2e-3


@pytest.mark.parametrize("kind", [GPU])
@pytest.mark.parametrize("policy", [NONE, MEDIUM, replace(EVERYTHING, noise=0.0), TEMPLATE])
def test_a_gpu_makes_the_same_images_but_for_noise(photographs: np.ndarray, policy: Policy, kind: str) -> None:
    changes = draw(policy, NAMES, 0, 1, SIDE)
    here, there = (render(photographs, IMAGENET, device, changes) for device in (CPU, torch.device(kind)))
    assert torch.allclose(here, there.cpu(), atol=1e-3)


@pytest.mark.parametrize("policy", [NONE, MEDIUM, EVERYTHING, TEMPLATE])
def test_rendering_never_mixes_devices(photographs: np.ndarray, policy: Policy) -> None:
    changes = draw(policy, NAMES, 0, 1, SIDE)
    with fake_card():
        images = render(photographs, IMAGENET, CARD, changes)
        assert images.device == CARD
        assert torch.equal(images.cpu(), render(photographs, IMAGENET, CPU, changes))


# The other transformations.


@pytest.mark.parametrize("level", [0, 255, 128])
def test_pixels_uncovered_by_a_rotation_have_the_colour_of_the_surround(level: int) -> None:
    photograph = np.full((1, SIDE, SIDE, 3), level, np.uint8)
    photograph[:, 8:-8, 8:-8] = 90
    changes = draw(Policy(turn=180, zoom=0.3, shift=0.1, shear=20), ["a"], 0, 4, SIDE)
    image = render(photograph, AS_IT_IS, CPU, changes)[0] * 255
    border = torch.cat(
        [image[:, 0].flatten(), image[:, -1].flatten(), image[:, :, 0].flatten(), image[:, :, -1].flatten()]
    )
    assert (border - level).abs().max() < 0.5
    assert (image - 90).abs().min() < 0.5


def test_a_blur_is_kornias(photographs: np.ndarray) -> None:
    changes = replace(_unchanged(2), blur=torch.tensor([0.0, 0.04]), max_blur=0.05)
    images = render(photographs[:2], AS_IT_IS, CPU, changes)
    plain = render(photographs[:2], AS_IT_IS, CPU)
    sigma = 0.04 * SIDE
    assert torch.allclose(images[0], plain[0], atol=1e-5)
    assert torch.allclose(images[1], gaussian_blur2d(plain[1:], 11, (sigma, sigma))[0], atol=1e-4)


def test_the_smallest_blur_changes_nothing(photographs: np.ndarray) -> None:
    changes = replace(_unchanged(), blur=torch.tensor([1e-30]), max_blur=0.05)
    images = render(photographs[:1], AS_IT_IS, CPU, changes)
    assert torch.allclose(images, render(photographs[:1], AS_IT_IS, CPU), atol=1e-5)


@pytest.mark.parametrize("kind", ["cpu", GPU])
def test_noise_is_normal_with_the_given_deviation_and_does_not_change_black(kind: str) -> None:
    photographs = np.zeros((2, 128, 128, 3), np.uint8)
    photographs[:, :, 64:] = 128
    deviations = torch.tensor([0.05, 0.1])
    changes = replace(draw(NONE, ["a", "b"], 0, 1, 128), noise=deviations)
    input_format = InputFormat(128, (0.5, 0.4, 0.3), (0.2, 0.3, 0.5))
    images = render(photographs, input_format, torch.device(kind), changes).cpu()
    added = (images - render(photographs, input_format, CPU)) * torch.tensor(input_format.std)[:, None, None]
    assert added[:, :, :, :63].abs().max() < 1e-5
    noise = added[:, :, :, 65:].flatten(2) / deviations[:, None, None]  # (2, 3, pixels)
    assert torch.allclose(noise.mean(2), torch.tensor(0.0), atol=0.05)
    assert torch.allclose(noise.std(2), torch.tensor(1.0), rtol=0.05)
    assert torch.allclose((noise.abs() < 1).float().mean(2), torch.tensor(0.683), atol=0.02)
    assert torch.allclose(torch.corrcoef(noise.flatten(0, 1)), torch.eye(6), atol=0.05)  # channels and photographs


def test_noise_is_drawn_where_a_batch_is_rendered_and_not_by_torchs_own_generator(photographs: np.ndarray) -> None:
    """The feed prepares batches in a thread on the CPU, so what it draws must not grow with the number of pixels."""
    changes = draw(replace(EVERYTHING, noise_probability=1.0), NAMES, 0, 1, SIDE)
    small, large = (
        prepare(photographs, replace(IMAGENET, side=side), CPU, changes).args[1].tensors.values() for side in (24, 512)
    )
    assert [tensor.nbytes for tensor in small] == [tensor.nbytes for tensor in large]
    before = torch.get_rng_state()
    render(photographs, IMAGENET, CPU, changes)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_erased_rectangle_has_the_surrounds_colour_and_the_rest_is_untouched() -> None:
    photograph = np.full((1, 40, 40, 3), 200, np.uint8)
    photograph[:, :3] = photograph[:, -3:] = 0
    changes = replace(draw(NONE, ["a"], 0, 1, 40), erased=torch.tensor([[0.25, 0.5, 0.5, 0.75]]))
    image = render(photograph, InputFormat(40, (0.0,) * 3, (1.0,) * 3), CPU, changes)[0] * 255
    expected = photograph[0].copy()
    expected[20:30, 10:20] = 0
    assert np.abs(image.permute(1, 2, 0).numpy() - expected).max() < 0.01


def test_the_templates_crop_and_pad_are_slices() -> None:
    """A crop of 210 of 256 pixels at (30, 12) is placed at (9, 3) of 224, as in the course's template."""
    yy, xx = np.mgrid[:256, :256] / 255
    photograph = (np.stack([60 + 120 * xx, 60 + 120 * yy, 150 - 60 * xx * yy], 2)).astype(np.uint8)
    photograph[:6, :6] = photograph[:6, -6:] = photograph[-6:, :6] = photograph[-6:, -6:] = 0
    chances = {"crop_x": 30 / 46, "crop_y": 12 / 46, "place_x": 9 / 14, "place_y": 3 / 14}
    image = render(photograph[None], InputFormat(224, (0.0,) * 3, (1.0,) * 3), CPU, _template(chances))[0] * 255
    expected = np.zeros((224, 224, 3))
    expected[3:213, 9:219] = photograph[12:222, 30:240]
    assert np.abs(image.permute(1, 2, 0).numpy() - expected)[5:211, 11:217].max() < 1.5
    outside = np.ones((224, 224), bool)
    outside[2:214, 8:220] = False
    assert image.permute(1, 2, 0).numpy()[outside].max() < 0.01


def _template(chances: dict[str, float]) -> Changes:
    from drkit.data.augmentation.drawing import DRAWS, _window
    from drkit.data.augmentation.matrices import geometry

    drawn = {name: torch.tensor([2 * chances[name] - 1 if name in chances else 1.0]) for name in DRAWS}
    plain = draw(NONE, ["a"], 0, 1, 256)
    return replace(plain, geometry=geometry(TEMPLATE, drawn, 256), window=_window(TEMPLATE, drawn))


# Test-time copies.


def _images() -> torch.Tensor:
    return torch.rand((2, 3, 5, 5), generator=torch.Generator().manual_seed(0))


def test_the_eight_views_begin_with_the_image_and_are_distinct() -> None:
    images = _images()
    views = list(dihedral_views(images))
    assert len(views) == 8
    assert torch.equal(views[0], images)
    assert not any(torch.equal(one, other) for number, one in enumerate(views) for other in views[:number])
    assert all(torch.equal(view.flatten().sort().values, images.flatten().sort().values) for view in views)


def test_a_view_of_a_view_is_one_of_the_eight() -> None:
    known = {view.numpy().tobytes() for view in dihedral_views(_images())}
    for view in dihedral_views(_images()):
        assert {again.contiguous().numpy().tobytes() for again in dihedral_views(view)} == known


def test_a_mean_over_the_views_does_not_depend_on_the_orientation_of_the_image() -> None:
    weights = torch.rand((3, 5, 5), generator=torch.Generator().manual_seed(1))
    means = [
        torch.stack([(view * weights).sum((1, 2, 3)) for view in dihedral_views(laid)]).mean(0)
        for laid in dihedral_views(_images())
    ]
    assert all(torch.allclose(mean, means[0]) for mean in means)


def test_views_keep_the_memory_format() -> None:
    last = _images().contiguous(memory_format=torch.channels_last)
    assert all(view.is_contiguous(memory_format=torch.channels_last) for view in dihedral_views(last))
    assert all(view.is_contiguous() for view in dihedral_views(_images()))
