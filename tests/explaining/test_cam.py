"""Class activation maps compared with hand-computed sums, with each other, and with installed libraries."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from drkit.catalogue import EXPLAINERS
from drkit.data.units import UnitIndex
from drkit.explaining import cam
from drkit.explaining.activations import AttributionInput, activations_and_gradients
from drkit.explaining.targets import GradeTarget, ScoreTarget
from drkit.losses import build_loss

REGRESSION = ScoreTarget(build_loss("regression"), 0.0)
ON_ACTIVATIONS = ("gradcam", "gradcam++", "hirescam", "layercam", "eigencam")


def test_gradcam_by_hand(make_grader: Callable, make_inputs: Callable[..., AttributionInput]) -> None:
    """One linear output over the mean: the gradient of channel c is its weight over the number of positions."""
    grader = make_grader(num_outputs=1)
    inputs = make_inputs(grader, REGRESSION)
    maps = inputs.maps()
    by_hand = sum(
        grader.head.weight[0, channel].item() / 64 * maps[:, channel] for channel in range(8)
    )  # 8 x 8 positions
    found = cam.explain_gradcam(inputs)
    assert torch.allclose(found.signed, by_hand, atol=1e-6)
    assert (found.positive * found.negative == 0).all()


def test_with_a_linear_head_over_the_mean_gradcam_is_hirescam_and_sums_to_the_answer(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader(num_outputs=1)
    inputs = make_inputs(grader, REGRESSION)
    gradcam, hirescam = cam.explain_gradcam(inputs).signed, cam.explain_hirescam(inputs).signed
    assert torch.allclose(gradcam, hirescam, atol=1e-6)
    answers = inputs.logits(inputs.images)[:, 0] - grader.head.bias
    assert torch.allclose(hirescam.sum((1, 2)), answers, atol=1e-5)


def test_layercam_less_its_opposite_is_hirescam_where_activations_are_positive(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    inputs = make_inputs(make_grader())
    assert torch.allclose(cam.explain_layercam(inputs).signed, cam.explain_hirescam(inputs).signed, atol=1e-6)


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_evidence_turns_with_the_photographs(
    method: str, make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    """With a mean pool, and a stride that a flip of 17 pixels respects, a flipped photograph has the flipped map."""
    grader = make_grader()
    for convolution in (module for module in grader.modules() if isinstance(module, nn.Conv2d)):
        convolution.weight.data = (convolution.weight.data + convolution.weight.data.flip(3)) / 2
    inputs = make_inputs(grader, side=17)
    turned = replace(inputs, images=inputs.images.flip(3))
    explain = EXPLAINERS[method].load()
    assert torch.allclose(explain(turned).signed, explain(inputs).signed.flip(2), atol=1e-5)


@pytest.mark.parametrize("method", ON_ACTIVATIONS)
def test_evidence_is_never_negative_and_neighbours_in_a_batch_do_not_matter(
    method: str, make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    inputs = make_inputs(make_grader())
    explain = EXPLAINERS[method].load()
    found = explain(inputs)
    assert (found.positive >= 0).all()
    assert (found.negative >= 0).all()
    alone = replace(
        inputs,
        images=inputs.images[2:3],
        baseline=inputs.baseline[2:3],
        discs=inputs.discs[2:3],
        index=UnitIndex.alone(1),
    )
    assert torch.allclose(explain(alone).signed, found.signed[2:3], atol=1e-5)


def test_asking_the_opposite_swaps_for_and_against(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader(num_outputs=1)
    opposite = make_grader(num_outputs=1)
    opposite.head.weight.data *= -1
    for method in ("gradcam", "gradcam++", "hirescam", "layercam"):
        explain = EXPLAINERS[method].load()
        found, swapped = explain(make_inputs(grader, REGRESSION)), explain(make_inputs(opposite, REGRESSION))
        assert torch.allclose(found.positive, swapped.negative, atol=1e-6), method


def test_eigencam_is_the_first_singular_vector(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    inputs = make_inputs(make_grader())
    maps = inputs.maps()
    for photograph, found in zip(maps, cam.explain_eigencam(inputs).positive, strict=True):
        _, _, directions = np.linalg.svd(photograph.flatten(1).T.numpy())  # positions down, channels across
        expected = np.abs(photograph.flatten(1).T.numpy() @ directions[0]).reshape(8, 8)
        assert np.allclose(found.numpy(), expected, atol=1e-4)


def test_photographs_of_a_unit_share_its_answer(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput], pairs: UnitIndex
) -> None:
    """With a mean over two photographs, each has half the evidence of a unit of one."""
    grader = make_grader(num_outputs=1)
    joined = cam.explain_gradcam(make_inputs(grader, REGRESSION, pairs))
    alone = cam.explain_gradcam(make_inputs(grader, REGRESSION))
    assert torch.allclose(joined.signed, alone.signed / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "library_name"),
    [("gradcam", "GradCAM"), ("gradcam++", "GradCAMPlusPlus"), ("hirescam", "HiResCAM"), ("layercam", "LayerCAM")],
)
def test_pytorch_grad_cam_draws_the_same(
    method: str, library_name: str, make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    oracle = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    grader = make_grader()
    index, grades = UnitIndex.alone(4), torch.tensor([0, 1, 2, 3])
    target = GradeTarget(build_loss("cross-entropy"), 0.0, grades)

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grader = grader

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.grader(images, index)

    targets = [lambda logits, grade=grade: GradeTarget(target.loss, target.sigma, grade[None])(logits[None])[0]
               for grade in grades]  # fmt: skip
    inputs = make_inputs(grader, target)
    with getattr(oracle, library_name)(Answering(), [grader.backbone]) as drawing:
        expected = torch.from_numpy(drawing(inputs.images, targets))
    found = EXPLAINERS[method].load()(inputs).positive
    actual = nn.functional.interpolate(found[:, None], (16, 16), mode="bilinear")[:, 0]
    for mine, other in zip(actual, expected, strict=True):
        if mine.max() > 0 and other.max() > 0:
            assert (
                np.corrcoef(mine.flatten(), other.flatten())[0, 1] > 0.97
            )  # the library interpolates with OpenCV and rescales
        assert (mine.max() > 0) == (other.max() > 0)


def test_the_grader_is_unchanged_after_its_activations_were_read(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader()
    for layer in (None, "0"):
        activations_and_gradients(make_inputs(grader, layer=layer))
    assert all(parameter.requires_grad and parameter.grad is None for parameter in grader.parameters())
    assert not any(module._forward_hooks for module in grader.modules())
