"""True evidence beats noise, false evidence does not, and nothing outside the disc is changed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.explaining import faithfulness
from drkit.explaining.activations import AttributionInput
from drkit.explaining.attribution import Attribution, random_attribution
from drkit.explaining.cam import explain_eigencam, explain_gradcam, explain_hirescam
from drkit.explaining.faithfulness import (
    Faithfulness,
    FaithfulnessEvaluator,
    perturbation_scores,
    randomise,
    rank_correlation,
    rank_pixels,
)
from drkit.explaining.pixel_attribution import explain_occlusion
from drkit.explaining.targets import ScoreTarget
from drkit.losses import build_loss
from drkit.models.backbones import build_backbone

SIDE = 16


class Counting(nn.Module):
    """Scores a photograph by the mean of one square, so that the evidence is known exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.mask = torch.zeros(SIDE, SIDE)
        self.mask[4:8, 4:8] = 1

    def maps(self, images: Tensor, index: UnitIndex) -> Tensor:
        return images

    def grade(self, maps: Tensor, index: UnitIndex) -> Tensor:
        scores = (maps[:, 0] * self.mask).sum((1, 2)) / self.mask.sum()
        return scores.new_zeros(index.num_units).index_add(0, index.unit, scores)[:, None]

    def forward(self, images: Tensor, index: UnitIndex) -> Tensor:
        return self.grade(self.maps(images, index), index)


@pytest.fixture
def counted(make_inputs: Callable[..., AttributionInput]) -> AttributionInput:
    """All white photographs, black baselines: the score is 2 of 4, and 0 without the square."""
    inputs = make_inputs(Counting(), ScoreTarget(build_loss("regression"), 0.0), UnitIndex.alone(2), SIDE)
    images = 2 * torch.ones_like(inputs.images)
    return replace(inputs, images=images, baseline=torch.where(inputs.discs[:, None], 0, images))


def test_true_evidence_beats_noise_and_its_opposite_is_the_worst(counted: AttributionInput) -> None:
    true = Attribution.from_signed(counted.grader.mask.expand(2, -1, -1))
    noise = random_attribution(true, 0, range(2))
    wrong = Attribution(true.negative, true.positive)
    gains = []
    for attribution in (true, noise, wrong):
        faithfulness = perturbation_scores(counted, attribution)
        gains.append(float((faithfulness.insertion - faithfulness.deletion).mean()))
    assert gains[0] > gains[1] + 0.2
    assert gains[1] > gains[2] + 0.2


def test_areas_by_hand(counted: AttributionInput) -> None:
    """The square is 16 of the disc's 196 pixels: of 16 steps the first takes 13 of them away, the second the rest."""
    true = Attribution.from_signed(counted.grader.mask.expand(2, -1, -1))
    faithfulness = perturbation_scores(counted, true)
    gone = [0.5, 0.5 * 3 / 16, *[0.0] * 15]
    expected = (sum(gone) - gone[0] / 2) / 16
    assert faithfulness.deletion == pytest.approx([expected] * 2, abs=1e-5)
    assert faithfulness.insertion == pytest.approx([0.5 - expected] * 2, abs=1e-5)
    assert faithfulness.drop == pytest.approx([0, 0], abs=1e-5)
    assert faithfulness.increase.tolist() == [0, 0]
    nothing = perturbation_scores(counted, Attribution(true.negative, true.negative))
    assert nothing.drop == pytest.approx([1, 1], abs=1e-5)


def test_ranks_are_within_the_unit_and_the_disc(counted: AttributionInput, pairs: UnitIndex) -> None:
    joined = replace(counted, index=UnitIndex(torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([0, 0]), 1, 1))
    signed = torch.stack([torch.ones(SIDE, SIDE), torch.zeros(SIDE, SIDE)])
    ranks = rank_pixels(signed, joined)
    assert ranks[~joined.discs].isinf().all()
    assert ranks[0][joined.discs[0]].max() < 0.5 <= ranks[1][joined.discs[1]].min()
    apart = rank_pixels(signed, counted)
    for number in range(2):
        inside = apart[number][counted.discs[number]]
        assert sorted(inside.tolist()) == pytest.approx((np.arange(196) / 196).tolist(), abs=1e-6)


def test_ties_are_broken_by_chance_and_not_by_place(counted: AttributionInput) -> None:
    ranks = rank_pixels(torch.zeros(2, SIDE, SIDE), counted)
    top, bottom = ranks[0, 1:8, 1:-1].mean(), ranks[0, 8:-1, 1:-1].mean()
    assert abs(float(top - bottom)) < 0.15
    assert torch.equal(ranks, rank_pixels(torch.zeros(2, SIDE, SIDE), counted))


def test_the_surround_is_never_changed(counted: AttributionInput) -> None:
    seen: list[Tensor] = []

    class Watching(Counting):
        def forward(self, images: Tensor, index: UnitIndex) -> Tensor:
            seen.append(images)
            return super().forward(images, index)

    watched = replace(counted, grader=Watching())
    perturbation_scores(
        watched, random_attribution(Attribution.from_signed(torch.zeros(2, 4, 4)), 0, range(2)).upsampled(SIDE)
    )
    outside = ~counted.discs[:, None].expand(-1, 3, -1, -1)
    assert len(seen) > 30
    assert all(torch.equal(images[outside], counted.images[outside]) for images in seen)


def test_a_randomised_network_is_another_one_and_the_first_stays(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader()
    inputs = make_inputs(grader)
    before = {name: tensor.clone() for name, tensor in grader.state_dict().items()}
    randomised, again = (randomise(grader, inputs.images, inputs.index, 3) for _ in range(2))
    assert all(torch.equal(before[name], tensor) for name, tensor in grader.state_dict().items())
    for (name, tensor), other in zip(randomised.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(tensor, other)
        assert not torch.allclose(tensor, before[name])
    assert not randomised.training


def test_activations_of_an_untrained_deep_network_do_not_vanish() -> None:
    """Batch norms that have seen the images keep activations alive through many layers."""

    class Deep(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = build_backbone("test_efficientnet", 64, pretrained=False)

        def maps(self, images: torch.Tensor, index: UnitIndex) -> torch.Tensor:
            return self.backbone(images)

    images = torch.randn(4, 3, 64, 64)
    randomised = randomise(Deep().eval(), images, UnitIndex.alone(4), 0)
    with torch.no_grad():
        maps = randomised.maps(images, UnitIndex.alone(4))
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
    assert rank_correlation(first, second, torch.zeros_like(discs)).tolist() == [0, 0]
    clamped, other = first.clamp(min=0), (0.3 * first + second).clamp(min=0)  # half of the cells are tied
    expected = [
        spearmanr(one[3:].flatten(), two[3:].flatten()).statistic for one, two in zip(clamped, other, strict=True)
    ]
    assert rank_correlation(clamped, other, discs) == pytest.approx(expected, abs=1e-6)


def test_a_map_that_learned_weights_make_changes_when_they_go(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    inputs = make_inputs(make_grader(seed=4), side=56)
    randomised = inputs.with_grader(randomise(inputs.grader, inputs.images, inputs.index, 1))
    for explain in (explain_gradcam, explain_eigencam):
        own, other = explain(inputs).upsampled(56), explain(randomised).upsampled(56)
        assert (rank_correlation(own.signed, other.signed, inputs.discs) < 0.95).all()


METHODS = (explain_gradcam, explain_hirescam, explain_occlusion)


def evaluate(
    evaluator: FaithfulnessEvaluator, inputs: AttributionInput, method: Callable, photographs: Sequence[int] = range(4)
) -> Faithfulness:
    return evaluator.evaluate([inputs], [method(inputs)], method, photographs)


def figures(found: Faithfulness) -> np.ndarray:
    return np.stack([*vars(found.own).values(), *vars(found.noise).values(), found.after_randomising])


def test_methods_that_share_noise_are_worth_what_each_is_worth_alone(make_inputs, make_grader) -> None:
    together = FaithfulnessEvaluator(seed=3)
    for number, photographs in enumerate((range(4), range(4, 8))):
        inputs = make_inputs(make_grader(number))
        for method in METHODS:
            alone = evaluate(FaithfulnessEvaluator(seed=3), inputs, method, photographs)
            assert np.array_equal(figures(evaluate(together, inputs, method, photographs)), figures(alone))


def test_noise_of_a_photograph_does_not_depend_on_its_batch(make_inputs, make_grader) -> None:
    inputs = make_inputs(make_grader(1))
    whole = evaluate(FaithfulnessEvaluator(seed=3), inputs, explain_gradcam).noise
    for number in range(4):
        alone = replace(
            inputs,
            index=UnitIndex.alone(1),
            images=inputs.images[[number]],
            baseline=inputs.baseline[[number]],
            discs=inputs.discs[[number]],
        )
        own = evaluate(FaithfulnessEvaluator(seed=3), alone, explain_gradcam, [number]).noise
        assert own.deletion == pytest.approx(whole.deletion[[number]], abs=1e-6)
        assert own.insertion == pytest.approx(whole.insertion[[number]], abs=1e-6)


def test_noise_is_measured_once_a_resolution(make_inputs, make_grader, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    real = faithfulness.perturbation_scores
    monkeypatch.setattr(faithfulness, "perturbation_scores", lambda *given: measured.append(1) or real(*given))
    evaluator, inputs = FaithfulnessEvaluator(seed=0), make_inputs(make_grader())
    for method in METHODS:
        evaluate(evaluator, inputs, method)
    assert len(measured) == 3 + 2  # gradcam and hirescam have one resolution, occlusion another
