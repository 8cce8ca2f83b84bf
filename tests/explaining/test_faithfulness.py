"""The proof proves: true evidence beats noise, false evidence does not, and nothing outside the disc is touched."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.explaining.evidence import Evidence, random_evidence
from drkit.explaining.faithfulness import measure_faithfulness, rank_pixels
from drkit.explaining.inquiry import Inquiry
from drkit.explaining.questions import ScoreQuestion
from drkit.losses import build_loss

SIDE = 16


class Counting(nn.Module):
    """Scores a photograph by the mean of one square: what speaks for the score is known exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.mask = torch.zeros(SIDE, SIDE)
        self.mask[4:8, 4:8] = 1

    def maps(self, images: Tensor, places: UnitIndex) -> Tensor:
        return images

    def grade(self, maps: Tensor, places: UnitIndex) -> Tensor:
        scores = (maps[:, 0] * self.mask).sum((1, 2)) / self.mask.sum()
        return scores.new_zeros(places.num_units).index_add(0, places.unit, scores)[:, None]

    def forward(self, images: Tensor, places: UnitIndex) -> Tensor:
        return self.grade(self.maps(images, places), places)


@pytest.fixture
def counted(inquire: Callable[..., Inquiry]) -> Inquiry:
    """All white photographs, black baselines: the score is 2 of 4, and 0 without the square."""
    inquiry = inquire(Counting(), ScoreQuestion(build_loss("regression"), 0.0), UnitIndex.alone(2), SIDE)
    images = 2 * torch.ones_like(inquiry.images)
    return replace(inquiry, images=images, baseline=torch.where(inquiry.discs[:, None], 0, images))


def test_true_evidence_beats_noise_and_its_opposite_is_the_worst(counted: Inquiry) -> None:
    true = Evidence.of_signed(counted.grader.mask.expand(2, -1, -1))
    noise = random_evidence(true, torch.Generator().manual_seed(0))
    wrong = Evidence(true.against, true.speaking_for)
    gains = []
    for evidence in (true, noise, wrong):
        proof = measure_faithfulness(counted, evidence)
        gains.append(float((proof.insertion - proof.deletion).mean()))
    assert gains[0] > gains[1] + 0.2
    assert gains[1] > gains[2] + 0.2


def test_areas_by_hand(counted: Inquiry) -> None:
    """The square is 16 of the disc's 196 pixels: of 16 steps the first takes 13 of them away, the second the rest."""
    true = Evidence.of_signed(counted.grader.mask.expand(2, -1, -1))
    proof = measure_faithfulness(counted, true)
    gone = [0.5, 0.5 * 3 / 16, *[0.0] * 15]
    expected = (sum(gone) - gone[0] / 2) / 16
    assert proof.deletion == pytest.approx([expected] * 2, abs=1e-5)
    assert proof.insertion == pytest.approx([0.5 - expected] * 2, abs=1e-5)
    assert proof.drop == pytest.approx([0, 0], abs=1e-5)
    assert proof.increase.tolist() == [0, 0]
    nothing = measure_faithfulness(counted, Evidence(true.against, true.against))
    assert nothing.drop == pytest.approx([1, 1], abs=1e-5)


def test_ranks_are_within_the_unit_and_the_disc(counted: Inquiry, pairs: UnitIndex) -> None:
    joined = replace(counted, places=UnitIndex(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([0, 0]), 1, 1))
    signed = torch.stack([torch.ones(SIDE, SIDE), torch.zeros(SIDE, SIDE)])
    ranks = rank_pixels(signed, joined)
    assert ranks[~joined.discs].isinf().all()
    assert ranks[0][joined.discs[0]].max() < 0.5 <= ranks[1][joined.discs[1]].min()
    apart = rank_pixels(signed, counted)
    for number in range(2):
        inside = apart[number][counted.discs[number]]
        assert sorted(inside.tolist()) == pytest.approx((np.arange(196) / 196).tolist(), abs=1e-6)


def test_ties_are_broken_by_chance_and_not_by_place(counted: Inquiry) -> None:
    ranks = rank_pixels(torch.zeros(2, SIDE, SIDE), counted)
    top, bottom = ranks[0, 1:8, 1:-1].mean(), ranks[0, 8:-1, 1:-1].mean()
    assert abs(float(top - bottom)) < 0.15
    assert torch.equal(ranks, rank_pixels(torch.zeros(2, SIDE, SIDE), counted))


def test_the_surround_is_never_changed(counted: Inquiry) -> None:
    seen: list[Tensor] = []

    class Watching(Counting):
        def forward(self, images: Tensor, places: UnitIndex) -> Tensor:
            seen.append(images)
            return super().forward(images, places)

    watched = replace(counted, grader=Watching())
    measure_faithfulness(
        watched, random_evidence(Evidence.of_signed(torch.zeros(2, 4, 4)), torch.Generator()).enlarged(SIDE)
    )
    outside = ~counted.discs[:, None].expand(-1, 3, -1, -1)
    assert len(seen) > 30
    assert all(torch.equal(images[outside], counted.images[outside]) for images in seen)
