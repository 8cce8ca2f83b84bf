"""Evidence: scales, shares and interpolation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.data.units import UnitIndex
from drkit.explaining.attribution import (
    Attribution,
    mean_attribution,
    random_attribution,
    share_inside,
    unit_scale,
    unit_shares,
)

UNEVEN = UnitIndex(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 1, 2]), 2, 3)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
def test_shares_of_a_unit_sum_to_one_and_its_strongest_place_is_one(seed: int, size: float) -> None:
    signed = size * torch.randn(4, 5, 5, generator=torch.Generator().manual_seed(seed))
    attribution = Attribution.from_signed(signed)
    shares = unit_shares(attribution, UNEVEN)
    assert shares[:3].sum().item() == pytest.approx(1, abs=1e-5)
    assert shares[3].item() == pytest.approx(1, abs=1e-5)
    drawn = signed.abs() / unit_scale(attribution, UNEVEN)[:, None, None]
    assert drawn[:3].max().item() == pytest.approx(1, abs=1e-5)
    assert drawn[3].max().item() == pytest.approx(1, abs=1e-5)


def test_without_evidence_shares_are_equal_and_the_scale_is_one() -> None:
    nothing = Attribution(torch.zeros(4, 3, 3), torch.zeros(4, 3, 3))
    assert unit_shares(nothing, UNEVEN).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    assert unit_scale(nothing, UNEVEN).tolist() == [1, 1, 1, 1]
    assert share_inside(nothing.signed, torch.ones(4, 3, 3, dtype=torch.bool)).isnan().all()


def test_the_share_inside_a_mask_by_hand() -> None:
    weights = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    mask = torch.tensor([[[True, False], [True, False]]])
    assert share_inside(weights, mask).item() == pytest.approx(0.4)


def test_coarse_maps_are_interpolated_and_never_negative() -> None:
    attribution = Attribution.from_signed(torch.randn(2, 7, 7, generator=torch.Generator().manual_seed(0)))
    drawn = attribution.upsampled(56)
    assert drawn.positive.shape == (2, 56, 56)
    assert drawn.positive.min() >= 0
    assert drawn.negative.min() >= 0
    flat = Attribution(torch.full((1, 7, 7), 0.3), torch.zeros(1, 7, 7)).upsampled(56)
    assert torch.allclose(flat.positive, torch.full((1, 56, 56), 0.3), atol=1e-5)


def test_pixelwise_maps_are_smoothed_and_lose_no_evidence() -> None:
    """Neighbouring pixels of opposite sign cancel, and isolated ones keep their mass."""
    signed = torch.zeros(1, 96, 96)
    signed[0, 40, 40] = 1.0
    drawn = Attribution.from_signed(signed).upsampled(96)
    assert drawn.signed.sum().item() == pytest.approx(1, abs=1e-3)
    assert drawn.signed.max() < 0.1
    checks = (torch.arange(96)[:, None] + torch.arange(96)) % 2 * 2.0 - 1
    assert Attribution.from_signed(checks[None]).upsampled(96).signed[0, 20:-20, 20:-20].abs().max() < 1e-3


def test_the_mean_of_networks_keeps_evidence_for_and_against_separate() -> None:
    first, second = torch.tensor([[[2.0]]]), torch.tensor([[[-4.0]]])
    mean = mean_attribution([Attribution.from_signed(first), Attribution.from_signed(second)])
    assert (mean.positive.item(), mean.negative.item()) == (1.0, 2.0)


def test_noise_belongs_to_a_photograph_and_not_to_its_place_in_a_batch() -> None:
    like = Attribution.from_signed(torch.zeros(3, 7, 7))
    one, again = (random_attribution(like, 5, photographs).signed for photographs in ([10, 11, 12], [12, 10, 13]))
    assert torch.equal(one[2], again[0])
    assert torch.equal(one[0], again[1])
    assert one.shape == (3, 7, 7)
    assert one.std() > 0.5
    different = torch.cat([one, again[2:], random_attribution(like, 6, [10, 11, 12]).signed]).flatten(1)
    assert torch.corrcoef(different).fill_diagonal_(0).abs().max() < 0.5
