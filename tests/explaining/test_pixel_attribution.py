"""Integrated gradients, occlusion and Score-CAM compared with known sums and with installed libraries."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput
from drkit.explaining.pixel_attribution import explain_integrated_gradients, explain_occlusion, explain_scorecam
from drkit.explaining.targets import GradeTarget, ScoreTarget
from drkit.losses import build_loss

GRADES = torch.tensor([0, 1, 2, 3])
TARGET = GradeTarget(build_loss("cross-entropy"), 0.0, GRADES)


class _Asked(nn.Module):
    """The target as a network's output, for libraries."""

    def __init__(self, inputs: AttributionInput) -> None:
        super().__init__()
        self.inputs = inputs

    def forward(self, images: Tensor) -> Tensor:
        copies = len(images) // 4
        target = GradeTarget(TARGET.loss, TARGET.sigma, GRADES.repeat(copies))
        return target(self.inputs.grader(images, UnitIndex.alone(len(images))))


@pytest.mark.parametrize("in_pairs", [False, True])
def test_integrated_gradients_sum_to_the_difference_of_the_answers(
    in_pairs: bool, make_grader: Callable, make_inputs: Callable[..., AttributionInput], pairs: UnitIndex
) -> None:
    index = pairs if in_pairs else UnitIndex.alone(4)
    inputs = make_inputs(make_grader(), ScoreTarget(build_loss("cross-entropy"), 0.0), index)
    target = inputs.target
    expected = target(inputs.logits(inputs.images)) - target(inputs.logits(inputs.baseline))
    mass = explain_integrated_gradients(inputs).signed.sum((1, 2))
    sums = torch.zeros(index.num_units).index_add(0, index.unit, mass)
    assert torch.allclose(sums, expected, atol=0.02 * expected.abs().max().item())  # ReLUs bend between the points
    assert expected.abs().max() > 0.01


def test_nothing_outside_the_disc_is_evidence_where_the_baseline_is_the_photograph(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    inputs = make_inputs(make_grader())
    outside = explain_integrated_gradients(inputs).signed[~inputs.discs]
    assert (outside == 0).all()


def test_integrated_gradients_are_captums(make_grader: Callable, make_inputs: Callable[..., AttributionInput]) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    inputs = make_inputs(make_grader(), TARGET)
    expected = attr.IntegratedGradients(_Asked(inputs)).attribute(
        inputs.images, baselines=inputs.baseline, n_steps=200, internal_batch_size=4
    )
    actual = explain_integrated_gradients(inputs).signed
    assert torch.allclose(actual, expected.sum(1).float(), atol=2e-3)


def test_occlusion_is_captums(make_grader: Callable, make_inputs: Callable[..., AttributionInput]) -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    inputs = make_inputs(make_grader(), TARGET)
    whole = replace(inputs, discs=torch.ones_like(inputs.discs))
    expected = attr.Occlusion(_Asked(whole)).attribute(
        whole.images, sliding_window_shapes=(3, 2, 2), strides=(3, 1, 1), baselines=whole.baseline
    )
    assert torch.allclose(explain_occlusion(whole).signed, expected[:, 0], atol=1e-5)


def test_occlusion_finds_the_one_square_that_counts(
    make_inputs: Callable[..., AttributionInput], make_grader: Callable
) -> None:
    grader = make_grader(num_outputs=1)
    marked = torch.zeros(1, 1, 16, 16)
    marked[..., 4:6, 10:12] = 1

    class Watching(nn.Module):
        def maps(self, images: Tensor, index: UnitIndex) -> Tensor:
            return images * marked

        def grade(self, maps: Tensor, index: UnitIndex) -> Tensor:
            return maps.mean((1, 2, 3))[:, None]

    inputs = make_inputs(grader, ScoreTarget(build_loss("regression"), 0.0))
    watched = replace(inputs, grader=Watching(), images=torch.ones_like(inputs.images))
    found = explain_occlusion(watched)
    assert (found.negative <= 1e-9).all()
    strongest = found.positive[0] == found.positive[0].max()
    assert strongest[4:6, 10:12].all()
    assert found.positive[0, 8:, :8].max() == 0


def test_scorecam_weights_channels_by_the_score_of_the_masked_photograph(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    """By hand: mask of each channel, output for the masked photograph, and its rise above the baseline."""
    inputs = make_inputs(make_grader(), TARGET)
    maps = inputs.maps()
    image, baseline = inputs.images[2], inputs.baseline[2]
    nothing = _ask_one(inputs, baseline)
    expected = torch.zeros(8, 8)
    for channel in maps[2]:
        mask = (channel - channel.min()) / (channel.max() - channel.min())
        shown = nn.functional.interpolate(mask[None, None], (16, 16), mode="bilinear")[0]
        expected += (_ask_one(inputs, baseline + shown * (image - baseline)) - nothing) * channel
    assert torch.allclose(explain_scorecam(inputs).signed[2], expected, atol=1e-5)


def _ask_one(inputs: AttributionInput, image: Tensor) -> Tensor:
    with torch.no_grad():
        return TARGET.of(torch.tensor([2]))(inputs.grader(image[None], UnitIndex.alone(1)))
