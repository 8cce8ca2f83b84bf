"""Attention: maps of positions, weights of photographs, gates of channels."""

from dataclasses import replace

import pytest
import torch
from architectures import make_architecture
from torch import nn

from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.explaining.attention import channel_gates, explain_attention, position_weights
from drkit.explaining.attribution import unit_shares
from drkit.explaining.targets import ScoreTarget
from drkit.losses import build_loss
from drkit.models.attention import BlockAttention, watch
from drkit.models.grader import Grader, build_grader


def _grader(attention: str, fusion: str = "mean-max") -> Grader:
    """A grader of an eye's two photographs with random attention weights."""
    torch.manual_seed(0)
    grader = build_grader(make_architecture(unit="eye", num_slots=2, fusion=fusion, attention=attention))
    for module, std in ((grader.attention, 0.3), (grader.fusion, 3.0)):
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=std)
    return grader.eval()


def test_a_spatial_gate_is_shown_as_it_is(make_inputs, pairs: UnitIndex) -> None:
    grader = _grader("spatial")
    inputs = make_inputs(grader, ScoreTarget(build_loss("regression"), 1.0), pairs, side=64)
    maps = grader.maps(inputs.images, pairs)
    gates = (grader.attention(maps) / maps)[:, 0]
    even = gates.mean((1, 2), keepdim=True)
    assert (even - 1).abs().max() > 0.01  # a gate that is equal at all positions prefers none, and is not shown
    assert torch.allclose(explain_attention(inputs).signed, gates / even - 1, atol=1e-3)


def test_self_attention_shows_the_mean_weight_of_each_position(make_inputs, pairs: UnitIndex) -> None:
    grader = _grader("self:heads=2")
    inputs = make_inputs(grader, ScoreTarget(build_loss("regression"), 1.0), pairs, side=64)
    (seen,) = watch(grader.attention, grader.maps(inputs.images, pairs))
    signed = explain_attention(inputs).signed
    assert signed.shape == (4, 2, 2)
    assert torch.allclose(signed.sum((1, 2)), torch.zeros(4), atol=1e-5)  # what one gives more, others give less
    assert signed[1, 1, 0] == pytest.approx(4 * seen.values[1, :, :, 2].mean().item() - 1, abs=1e-5)


def test_factors_are_worked_out_by_hand() -> None:
    maps = torch.zeros(1, 5, 1, 2)
    gate = BlockAttention("spatial", "positions", torch.tensor([[[0.5, 1.5]]]))
    given = BlockAttention("self", "pairs", torch.tensor([[[[0.8, 0.2], [0.6, 0.4]]]]))
    channels = BlockAttention("se", "channels", torch.ones(1, 5))
    assert position_weights([channels], maps) is None
    assert torch.allclose(position_weights([gate, channels, given], maps), torch.tensor([[[0.875, 1.125]]]))


@pytest.mark.parametrize("attention", ["", "se", "spatial"])
def test_a_photographs_share_is_the_weight_it_got(make_inputs, pairs: UnitIndex, attention: str) -> None:
    grader = _grader(attention, "attention")
    inputs = make_inputs(grader, ScoreTarget(build_loss("regression"), 1.0), pairs, side=64)
    weights = grader.fusion.weights(grader.embed(inputs.images, pairs), pairs)
    attribution = explain_attention(inputs)
    assert (weights[0] - weights[1]).abs() > 1e-3
    assert torch.allclose(unit_shares(attribution, pairs), weights, atol=1e-5)


def test_a_run_without_such_attention_is_refused(make_inputs, pairs: UnitIndex) -> None:
    target = ScoreTarget(build_loss("regression"), 1.0)
    with pytest.raises(UsageError, match=r"\(se, eca\) weighs channels.*drkit plot attention"):
        explain_attention(make_inputs(_grader("se,eca"), target, pairs, side=64))
    with pytest.raises(UsageError, match="this run has no attention: train one"):
        explain_attention(make_inputs(_grader(""), target, pairs, side=64))


def test_channel_gates_are_what_the_channels_are_multiplied_with(pairs: UnitIndex) -> None:
    grader, images = _grader("se,spatial,eca"), torch.randn(4, 3, 64, 64)
    maps = grader.maps(images, pairs)
    with torch.no_grad():
        factors = (grader.attention(maps) / maps)[..., 0, 0]
    place = watch(grader.attention, maps)[1].values[:, 0, 0]
    gates = channel_gates(grader, images, pairs)
    assert torch.allclose(gates * place[:, None], factors, atol=1e-3)
    assert channel_gates(_grader("spatial"), images, pairs) is None


def test_weights_hang_on_the_photographs_and_not_on_their_order(make_inputs, pairs: UnitIndex) -> None:
    grader = _grader("", "attention")
    inputs = make_inputs(grader, ScoreTarget(build_loss("regression"), 1.0), pairs, side=64)
    turned = replace(inputs, images=inputs.images[[1, 0, 3, 2]])
    own, other = (unit_shares(explain_attention(each), pairs) for each in (inputs, turned))
    assert torch.allclose(own[[1, 0, 3, 2]], other, atol=1e-5)
