"""Augmentation: the effect of each matrix on pixels, and the distribution of the draws."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.enhance import adjust_brightness_accumulative, adjust_contrast_with_mean_subtraction, adjust_saturation
from kornia.geometry.transform import hflip, rotate, vflip

from drkit.catalogue import POLICIES
from drkit.data.augmentation import LIGHT, MEDIUM, NONE, STRONG, TEMPLATE, Changes, Policy, draw
from drkit.data.augmentation.drawing import DRAWS, MAX_ASPECT, name_draws
from drkit.data.augmentation.matrices import LUMINANCE, colour, geometry
from drkit.data.augmentation.policy import LIMITS
from drkit.data.rendering import InputFormat, render

SIDE = 33
AS_IT_IS = InputFormat(SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CPU = torch.device("cpu")
TENSORS = [field.name for field in fields(Changes) if field.name != "max_blur"]
MANY = [str(number) for number in range(2000)]


@pytest.fixture
def photograph() -> np.ndarray:
    """A photograph on a black surround, bright enough that none of its pixels counts as black."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[3:-3, 3:-3] = np.random.default_rng(0).integers(80, 180, (SIDE - 6, SIDE - 6, 3), np.uint8)
    return pixels


def _drawn(num: int = 1, **values: float) -> dict[str, torch.Tensor]:
    """Draws that change nothing, except for those that are given."""
    plain = {name: 1.0 if name.startswith("mirror") else -1.0 if name.endswith("happens") else 0.0 for name in DRAWS}
    return {name: torch.full((num,), value) for name, value in (plain | values).items()}


def _change(policy: Policy, **values: float) -> Changes:
    drawn, nothing = _drawn(**values), draw(NONE, ["a"], 0, 1, SIDE)
    return replace(nothing, geometry=geometry(policy, drawn, SIDE), colour=colour(policy, drawn))


def _after(photograph: np.ndarray, changes: Changes) -> np.ndarray:
    return render(photograph[None], AS_IT_IS, CPU, changes)[0].permute(1, 2, 0).numpy() * 255


def _image(photograph: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255


def _array(image: torch.Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).numpy() * 255


def test_no_policy_changes_nothing(photograph: np.ndarray) -> None:
    changes = draw(NONE, ["a", "b"], seed=0, epoch=1, side=SIDE)
    assert torch.equal(changes.geometry, torch.eye(3).expand(2, 3, 3))
    assert torch.allclose(changes.colour, torch.eye(3, 4).expand(2, 3, 4), atol=1e-6)
    assert torch.equal(changes.window, torch.tensor([[0.0, 0, 1, 1]]).expand(2, 4))
    assert not changes.blur.any()
    assert not changes.noise.any()
    assert torch.equal(changes.erased[:, :2], changes.erased[:, 2:])
    assert np.abs(_after(photograph, draw(NONE, ["a"], 0, 1, SIDE)) - photograph).max() < 0.01


@pytest.mark.parametrize("policy", [STRONG, TEMPLATE])
def test_a_draw_depends_on_seed_epoch_and_photograph_alone(policy: Policy) -> None:
    alone = draw(policy, ["b"], seed=3, epoch=5, side=SIDE)
    among = draw(policy, ["c", "a", "b"], seed=3, epoch=5, side=SIDE)
    for name in TENSORS:
        assert torch.equal(getattr(alone, name)[0], getattr(among, name)[2]), name
    for other in (draw(policy, ["b"], 4, 5, SIDE), draw(policy, ["b"], 3, 6, SIDE), draw(policy, ["a"], 3, 5, SIDE)):
        assert not torch.equal(alone.geometry, other.geometry)
        assert not torch.equal(alone.colour, other.colour)
        assert not torch.equal(alone.noise_seeds, other.noise_seeds)


def test_draws_are_the_same_as_in_earlier_versions() -> None:
    """Runs are repeated and resumed from their seed, so the draws of a seed must never change."""
    changes = draw(Policy(turn=180), ["1_l1"], seed=0, epoch=1, side=SIDE)
    angle = torch.rad2deg(torch.atan2(changes.geometry[0, 1, 0], changes.geometry[0, 0, 0]))
    assert float(angle) == pytest.approx(-69.8338, abs=1e-3)
    assert changes.noise_seeds.tolist() == [6515814530622726264]


def test_a_turn_is_kornias(photograph: np.ndarray) -> None:
    """A positive rotation is clockwise, whereas Kornia's `rotate` is counter-clockwise."""
    turned = _after(photograph, _change(Policy(turn=40), turn=0.5))
    assert np.abs(turned - _array(rotate(_image(photograph), torch.tensor([-20.0])))).max() < 0.1


def test_a_quarter_turn_is_numpys(photograph: np.ndarray) -> None:
    turned = _after(photograph, _change(Policy(turn=90), turn=1.0))
    assert np.abs(turned - np.rot90(photograph, -1)).max() < 0.1


@pytest.mark.parametrize(("draws", "mirror"), [({"mirror_x": -1.0}, hflip), ({"mirror_y": -1.0}, vflip)])
def test_a_mirror_is_kornias(photograph: np.ndarray, draws: dict[str, float], mirror: object) -> None:
    mirrored = _after(photograph, _change(Policy(flip=True), **draws))
    assert np.abs(mirrored - _array(mirror(_image(photograph)))).max() < 0.1


def test_a_shift_moves_by_a_share_of_the_side(photograph: np.ndarray) -> None:
    shifted = _after(photograph, _change(Policy(shift=4 / SIDE), shift_x=1.0))
    assert np.abs(shifted[:, 4:] - photograph[:, :-4]).max() < 0.1
    assert np.abs(shifted[:, :4]).max() < 0.1  # uncovered pixels are black, like the surround


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 0.999), min_size=4, max_size=4), st.floats(0, 180), st.floats(0, 1), st.floats(0, 45))
def test_geometry_keeps_the_middle_in_place_without_shift(
    draws: list[float], turn: float, zoom: float, shear: float
) -> None:
    middle = torch.tensor([(SIDE - 1) / 2, (SIDE - 1) / 2, 1.0])
    named = dict(zip(("turn", "zoom", "mirror_x", "shear_x"), draws, strict=True))
    matrix = geometry(Policy(turn=turn, flip=True, zoom=zoom, shear=shear), _drawn(**named), SIDE)[0]
    assert torch.allclose(matrix @ middle, middle, atol=1e-3)


def test_zoom_and_turn_keep_angles_and_ratios() -> None:
    drawn = _drawn(turn=0.3, zoom=1.0)
    linear = geometry(Policy(turn=180, zoom=0.2), drawn, SIDE)[0, :2, :2]
    assert torch.allclose(linear @ linear.T, torch.eye(2) * np.exp(0.4), atol=1e-5)


def test_brightness_is_kornias(photograph: np.ndarray) -> None:
    brightened = _after(photograph, _change(Policy(brightness=0.5), brightness=0.6))
    assert np.abs(brightened - _array(adjust_brightness_accumulative(_image(photograph), 1.3))).max() < 0.1


def test_contrast_is_kornias_about_grey() -> None:
    """Kornia's pivot is the mean luminance, so both are the same for an image whose mean is mid-grey."""
    photograph = np.random.default_rng(1).integers(100, 156, (SIDE, SIDE, 3), np.uint8)
    photograph[:, SIDE // 2 + 1 :] = 255 - photograph[:, : SIDE // 2]
    photograph[:, SIDE // 2] = 128
    changed = _after(photograph, _change(Policy(contrast=0.5), contrast=0.8))
    expected = _array(adjust_contrast_with_mean_subtraction(_image(photograph), 1.4))
    assert np.abs(changed - expected).max() < 0.5


def test_saturation_is_grey_at_nought_and_kornias_direction(photograph: np.ndarray) -> None:
    pixel = torch.tensor([0.9, 0.2, 0.4])
    grey = colour(Policy(saturation=1.0), _drawn(saturation=-1.0))[0, :, :3] @ pixel
    assert torch.allclose(grey, torch.full((3,), float(pixel @ torch.tensor(LUMINANCE))))
    more = _after(photograph, _change(Policy(saturation=0.5), saturation=1.0))
    spread = [
        image.std(axis=2).mean() for image in (photograph, more, _array(adjust_saturation(_image(photograph), 1.5)))
    ]
    assert spread[0] < spread[1]
    assert spread[0] < spread[2]


def test_tint_does_not_brighten_a_grey() -> None:
    tinted = colour(Policy(tint=0.2), _drawn(tint_red=0.7, tint_blue=-0.2))[0, :, :3].sum(1)
    assert float(tinted.mean()) == pytest.approx(1.0, abs=1e-6)
    assert tinted[0] > 1.1
    colours = draw(Policy(tint=0.2), MANY, 0, 1, SIDE).colour[:, :, :3].sum(2)
    assert (colours - 1).abs().max() <= 0.2001


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("draws", [-1.0, 1.0])
def test_black_stays_black_whatever_the_contrast(level: int, draws: float) -> None:
    photograph = np.full((SIDE, SIDE, 3), level, np.uint8)
    assert _after(photograph, _change(Policy(contrast=0.5), contrast=draws)).max() <= 2 * level


@pytest.mark.parametrize("draws", [-0.7, -0.3, 0.3, 1.0])
def test_contrast_never_turns_tones_round(draws: float) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0).repeat(3, 2)
    input_format = InputFormat(256, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    changes = replace(draw(NONE, ["a"], 0, 1, 256), colour=colour(Policy(contrast=1.0), _drawn(contrast=draws)))
    tones = render(ramp[None], input_format, CPU, changes)[0, 0, 128]
    assert (tones.diff() > -1e-4).all()


# Distributions of the draws over many photographs.


def _linear(changes: Changes) -> tuple[torch.Tensor, torch.Tensor]:
    """Angle in degrees and scale of each geometry, without its mirroring."""
    linear = changes.geometry[:, :2, :2]
    scale = linear.det().abs().sqrt()
    return torch.rad2deg(torch.atan2(linear[:, 1, 0], linear[:, 0, 0])), scale


def test_turns_and_zooms_fill_their_ranges() -> None:
    angle, scale = _linear(draw(Policy(turn=60, zoom=0.3), MANY, 0, 1, SIDE))
    assert angle.abs().max() <= 60.001
    assert float(angle.mean()) == pytest.approx(0, abs=3)
    assert float(angle.std()) == pytest.approx(60 / 3**0.5, rel=0.05)  # of a uniform distribution
    assert scale.log().abs().max() <= 0.3001
    assert float(scale.log().std()) == pytest.approx(0.3 / 3**0.5, rel=0.05)


def test_flips_come_in_half_of_the_cases_each() -> None:
    linear = draw(Policy(flip=True), MANY, 0, 1, SIDE).geometry
    counts = [float((linear[:, axis, axis] < 0).float().mean()) for axis in (0, 1)]
    assert counts == pytest.approx([0.5, 0.5], abs=0.04)
    assert float((linear[:, 0, 0] * linear[:, 1, 1] < 0).float().mean()) == pytest.approx(0.5, abs=0.04)


def test_colours_fill_their_ranges() -> None:
    gain = draw(Policy(brightness=0.4, brightness_middle=0.5), MANY, 0, 1, SIDE).colour[:, 0, 0]
    assert gain.min() >= 0.1
    assert gain.max() <= 0.9
    assert float(gain.mean()) == pytest.approx(0.5, abs=0.02)
    offset = draw(Policy(contrast=0.2), MANY, 0, 1, SIDE).colour[:, :, 3]
    assert offset.abs().max() <= 0.1001
    assert float(offset.std()) == pytest.approx(0.1 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_chances_are_kept(probability: float) -> None:
    policy = Policy(
        turn=90, turn_probability=probability, blur=0.01, blur_probability=probability, noise=0.1,
        noise_probability=probability, erase=0.2, erase_probability=probability,
    )  # fmt: skip
    changes = draw(policy, MANY, 0, 1, SIDE)
    happened = [
        _linear(changes)[0] != 0,
        changes.blur > 0,
        changes.noise > 0,
        changes.erased[:, 2] > changes.erased[:, 0],
    ]
    for rows in happened:
        assert float(rows.float().mean()) == pytest.approx(probability, abs=0.03)
    assert changes.blur.max() <= 0.01
    assert changes.noise.max() <= 0.1


def test_erased_rectangles_lie_inside_and_fill_their_range() -> None:
    left, top, right, bottom = draw(Policy(erase=0.3), MANY, 0, 1, SIDE).erased.unbind(1)
    width, height = right - left, bottom - top
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) <= 1.00001
    assert (width * height).max() <= 0.3001
    assert float((width * height).mean()) == pytest.approx(0.15, abs=0.01)
    assert (width / height).max() <= MAX_ASPECT + 1e-3


def test_the_templates_window_is_placed_inside_photograph_and_image() -> None:
    changes = draw(replace(TEMPLATE, turn=0), MANY, 0, 1, 256)
    window = changes.window * 256
    assert float(window.min()) >= 0
    assert float(window.max()) <= 256.001
    assert torch.allclose(window[:, 2:] - window[:, :2], torch.tensor(210.0), atol=0.01)
    # Edges of pixels are half a pixel from their centres.
    corners = [
        torch.stack([window[:, x] - 0.5, window[:, y] - 0.5, torch.ones(len(window))], 1) for x, y in ((0, 1), (2, 3))
    ]
    moved = torch.stack([(changes.geometry @ corner[:, :, None])[:, :2, 0] + 0.5 for corner in corners])
    assert float(moved.min()) >= -0.01
    assert float(moved.max()) <= 256.01
    assert torch.allclose((moved[1] - moved[0]).abs(), torch.tensor(210 * 256 / 224), atol=0.02)


# Policies.


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_is_inside_its_limits(name: str) -> None:
    for key, value in asdict(POLICIES[name].load()).items():
        if key in LIMITS:
            assert LIMITS[key][0] <= value <= LIMITS[key][1], key


def test_every_number_of_a_policy_has_limits_and_the_limits_hold_no_change() -> None:
    numbers = [name for name, value in asdict(NONE).items() if not isinstance(value, bool)]
    assert sorted(LIMITS) == sorted(numbers)
    assert all(low <= asdict(NONE)[name] <= high for name, (low, high) in LIMITS.items())


def test_policies_get_stronger() -> None:
    for name in ("zoom", "shear", "shift", "brightness", "contrast", "saturation", "tint"):
        assert getattr(LIGHT, name) <= getattr(MEDIUM, name) < getattr(STRONG, name)


def test_draws_have_names_of_their_own() -> None:
    assert len(set(DRAWS)) == len(DRAWS)
    assert list(name_draws(torch.zeros(2, len(DRAWS)))) == list(DRAWS)
