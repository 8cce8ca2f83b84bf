"""Real timm networks of every family: the layer is selected automatically, or can be named."""

from dataclasses import replace

import pytest
import torch
from architectures import make_architecture

from drkit.data.units import UnitIndex
from drkit.explaining.activations import AttributionInput, activations_and_gradients
from drkit.explaining.cam import explain_gradcam
from drkit.explaining.pixel_attribution import explain_integrated_gradients
from drkit.explaining.targets import GradeTarget
from drkit.losses import build_loss
from drkit.models.grader import build_grader

INDEX = UnitIndex(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), torch.tensor([0, 1, 2]), 2, 3)


def _make_inputs(name: str, fusion: str, layer: str | None = None, side: int = 64) -> AttributionInput:
    torch.manual_seed(0)
    architecture = make_architecture(
        name, side=side, unit="patient", num_slots=2, fusion=fusion, unshared=fusion == "concat", loss="cross-entropy"
    )
    grader = build_grader(architecture, pretrained=False).eval()
    images = torch.randn(3, 3, side, side)
    discs = torch.ones(3, side, side, dtype=torch.bool)
    target = GradeTarget(build_loss("cross-entropy"), 0.0, torch.tensor([1, 3]))
    return AttributionInput(
        grader=grader,
        images=images,
        baseline=torch.zeros_like(images),
        discs=discs,
        index=INDEX,
        target=target,
        layer=layer,
    )


@pytest.mark.parametrize(
    ("name", "layer", "side"),
    [("test_resnet", "layer2", 64), ("test_efficientnet", "blocks.1", 64), ("test_vit", "blocks.0", 160),
     ("test_convnext", "stages.1", 64)],
)  # fmt: skip
def test_the_last_map_and_a_named_one_give_the_same_answer(name: str, layer: str, side: int) -> None:
    last = activations_and_gradients(_make_inputs(name, "mean-max", side=side))
    inner = activations_and_gradients(_make_inputs(name, "mean-max", layer, side))
    assert last.activations.shape[2] == last.activations.shape[3]
    assert inner.activations.shape[2] == inner.activations.shape[3] >= last.activations.shape[2]
    assert torch.allclose(last.logits, inner.logits, atol=1e-5)
    assert inner.gradients.abs().sum() > 0


@pytest.mark.parametrize("fusion", ["mean-max", "attention", "concat"])
def test_every_fusion_is_explained_with_each_photograph_having_its_part(fusion: str) -> None:
    inputs = _make_inputs("test_resnet", fusion)
    attribution = explain_gradcam(inputs)
    assert ((attribution.positive + attribution.negative).sum((1, 2)) > 0).all()


def test_integrated_gradients_of_a_real_network_sum_to_the_difference() -> None:
    inputs = _make_inputs("test_convnext", "mean-max")
    inputs = replace(inputs, baseline=inputs.images + 0.5 * torch.randn(inputs.images.shape))
    target = inputs.target
    expected = target(inputs.logits(inputs.images)) - target(inputs.logits(inputs.baseline))
    mass = explain_integrated_gradients(inputs).signed.sum((1, 2))
    sums = torch.zeros(2).index_add(0, INDEX.unit, mass)
    assert torch.allclose(sums, expected, atol=0.05 * expected.abs().max().item())
