"""A network that has learned nothing, and how alike maps are."""

from collections.abc import Callable

import pytest
import torch
from scipy.stats import spearmanr

from drkit.data.units import UnitIndex
from drkit.explaining.activation_maps import explain_eigencam, explain_gradcam
from drkit.explaining.inquiry import Inquiry
from drkit.explaining.randomising import randomise, rank_correlation
from drkit.models.backbones import build_backbone


def test_a_randomised_network_is_another_one_and_the_first_stays(
    make_grader: Callable, inquire: Callable[..., Inquiry]
) -> None:
    grader = make_grader()
    inquiry = inquire(grader)
    before = {name: tensor.clone() for name, tensor in grader.state_dict().items()}
    blank, again = (randomise(grader, inquiry.images, inquiry.places, 3) for _ in range(2))
    assert all(torch.equal(before[name], tensor) for name, tensor in grader.state_dict().items())
    for (name, tensor), other in zip(blank.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(tensor, other)
        assert not torch.allclose(tensor, before[name])
    assert not blank.training


def test_an_untrained_deep_network_still_says_something() -> None:
    """Batch norms that have seen the images keep activations alive through many layers."""

    class Deep(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = build_backbone("test_efficientnet", 64, pretrained=False)

        def maps(self, images: torch.Tensor, places: UnitIndex) -> torch.Tensor:
            return self.backbone(images)

    images = torch.randn(4, 3, 64, 64)
    blank = randomise(Deep().eval(), images, UnitIndex.alone(4), 0)
    with torch.no_grad():
        maps = blank.maps(images, UnitIndex.alone(4))
    assert torch.isfinite(maps).all()
    assert 1e-3 < maps.std() < 1e3


def test_rank_correlation_is_scipys_on_cells() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 14, 14, generator=generator), torch.randn(2, 14, 14, generator=generator)
    discs = torch.ones(2, 14, 14, dtype=torch.bool)
    discs[:, :3] = False
    expected = [
        spearmanr(one[3:].flatten(), two[3:].flatten()).statistic for one, two in zip(first, second, strict=True)
    ]
    assert rank_correlation(first, second, discs) == pytest.approx(expected, abs=1e-6)
    assert rank_correlation(first, 3 * first + 1, discs) == pytest.approx([1, 1])
    assert rank_correlation(first, -first, discs) == pytest.approx([-1, -1])
    assert rank_correlation(first, torch.zeros_like(first), discs).tolist() == [0, 0]


def test_a_map_that_learned_weights_make_changes_when_they_go(
    make_grader: Callable, inquire: Callable[..., Inquiry]
) -> None:
    inquiry = inquire(make_grader(seed=4), side=56)
    blank = inquiry.with_grader(randomise(inquiry.grader, inquiry.images, inquiry.places, 1))
    for explain in (explain_gradcam, explain_eigencam):
        own, other = explain(inquiry).enlarged(56), explain(blank).enlarged(56)
        assert (rank_correlation(own.signed, other.signed, inquiry.discs) < 0.95).all()
