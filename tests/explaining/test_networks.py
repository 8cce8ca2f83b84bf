"""Real timm networks of every family: the layer is chosen by itself, and can be named."""

from dataclasses import replace

import pytest
import torch

from drkit.data.units import UnitIndex
from drkit.explaining.activation_maps import explain_gradcam
from drkit.explaining.inquiry import Inquiry, expose
from drkit.explaining.pixel_maps import explain_integrated_gradients
from drkit.explaining.questions import GradeQuestion
from drkit.losses import build_loss
from drkit.models.grader import build_grader
from drkit.records.checkpoint import Architecture

PLACES = UnitIndex(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), torch.tensor([0, 1, 2]), 2, 3)


def _inquire(name: str, fusion: str, layer: str | None = None, side: int = 64) -> Inquiry:
    torch.manual_seed(0)
    architecture = Architecture(name, side, "patient", 2, fusion, fusion == "concat", "", "cross-entropy", False, 0.0)
    grader = build_grader(architecture, pretrained=False).eval()
    images = torch.randn(3, 3, side, side)
    discs = torch.ones(3, side, side, dtype=torch.bool)
    question = GradeQuestion(build_loss("cross-entropy"), 0.0, torch.tensor([1, 3]))
    return Inquiry(grader, images, torch.zeros_like(images), discs, PLACES, question, layer)


@pytest.mark.parametrize(
    ("name", "layer", "side"),
    [("test_resnet", "layer2", 64), ("test_efficientnet", "blocks.1", 64), ("test_vit", "blocks.0", 160),
     ("test_convnext", "stages.1", 64)],
)  # fmt: skip
def test_the_last_map_and_a_named_one_give_the_same_answer(name: str, layer: str, side: int) -> None:
    last = expose(_inquire(name, "mean-max", side=side))
    inner = expose(_inquire(name, "mean-max", layer, side))
    assert last.activations.shape[2] == last.activations.shape[3]
    assert inner.activations.shape[2] == inner.activations.shape[3] >= last.activations.shape[2]
    assert torch.allclose(last.logits, inner.logits, atol=1e-5)
    assert inner.gradients.abs().sum() > 0


@pytest.mark.parametrize("fusion", ["mean-max", "attention", "concat"])
def test_every_fusion_is_explained_with_each_photograph_having_its_part(fusion: str) -> None:
    inquiry = _inquire("test_resnet", fusion)
    evidence = explain_gradcam(inquiry)
    assert ((evidence.speaking_for + evidence.against).sum((1, 2)) > 0).all()


def test_integrated_gradients_of_a_real_network_sum_to_the_difference() -> None:
    inquiry = _inquire("test_convnext", "mean-max")
    inquiry = replace(inquiry, baseline=inquiry.images + 0.5 * torch.randn(inquiry.images.shape))
    ask = inquiry.question.ask
    expected = ask(inquiry.logits(inquiry.images)) - ask(inquiry.logits(inquiry.baseline))
    mass = explain_integrated_gradients(inquiry).signed.sum((1, 2))
    sums = torch.zeros(2).index_add(0, PLACES.unit, mass)
    assert torch.allclose(sums, expected, atol=0.05 * expected.abs().max().item())
