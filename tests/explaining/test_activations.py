"""Activations of a network: layers by name, tokens as maps, and units with one photograph changed."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.explaining.activations import AttributionInput, activations_and_gradients, find_layer, target_of_variants
from drkit.explaining.cam import explain_hirescam


def test_the_last_layer_by_name_is_the_last_map(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader()
    by_default, by_name = explain_hirescam(make_inputs(grader)), explain_hirescam(make_inputs(grader, layer="2"))
    # Layer 2 is the last convolution, before the ReLU: its gradient is zero where the ReLU is.
    assert torch.allclose(by_default.signed, by_name.signed, atol=1e-6)


def test_an_earlier_layer_has_its_own_size_and_the_same_answer(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader()
    early, late = (
        activations_and_gradients(make_inputs(grader, layer="0")),
        activations_and_gradients(make_inputs(grader)),
    )
    assert early.activations.shape == (4, 6, 16, 16)
    assert late.activations.shape == (4, 8, 8, 8)
    assert torch.allclose(early.logits, late.logits)


def test_an_unknown_layer_names_near_ones(make_grader: Callable) -> None:
    named = nn.Module()
    named.backbone = nn.Module()
    named.backbone.network = nn.ModuleDict({"layer3": nn.Identity(), "stem": nn.Identity()})
    assert find_layer(named, "layer3") is named.backbone.network["layer3"]
    with pytest.raises(UsageError, match="did you mean layer3"):
        find_layer(named, "layer33")
    with pytest.raises(UsageError, match="its layers are layer3, stem"):
        find_layer(named, "zzz")


def test_a_layer_without_a_map_is_refused_and_its_hook_removed(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput]
) -> None:
    grader = make_grader()
    with pytest.raises(UsageError, match="--layer head: its output is not a single feature map"):
        activations_and_gradients(make_inputs(grader, layer="head"))
    with pytest.raises(UsageError, match="run 2 times"):
        activations_and_gradients(make_inputs(grader, layer="1"))  # one ReLU, used twice
    assert not any(module._forward_hooks for module in grader.modules())


def test_changing_one_photograph_of_a_unit_equals_a_new_forward_pass_of_the_unit(
    make_grader: Callable, make_inputs: Callable[..., AttributionInput], pairs: UnitIndex
) -> None:
    inputs = make_inputs(make_grader(), index=pairs)
    torch.manual_seed(5)
    variants = torch.randn(3, *inputs.images.shape[1:])
    found = target_of_variants(inputs, inputs.maps(), 3, variants)
    for variant, answer in zip(variants, found, strict=True):
        changed = inputs.images.clone()
        changed[3] = variant
        assert torch.allclose(inputs.target(inputs.logits(changed))[1], answer, atol=1e-6)
