"""Attention blocks: no effect before training, an effect after a step, and what their gates depend on."""

import pytest
import torch
from architectures import make_architecture
from torch import nn
from torch.nn import functional as F

from drkit.catalogue import ATTENTIONS
from drkit.data.units import UnitIndex
from drkit.errors import UsageError
from drkit.models.attention import MapShape, watch
from drkit.models.cost import measure_cost
from drkit.models.grader import Grader, build_grader
from drkit.specs import parse_spec

SPECS = (*ATTENTIONS, "se,spatial", "eca,self:heads=2:reduction=8", "cbam,cbam")


def _grader(attention: str = "", backbone: str = "test_efficientnet", side: int = 64, seed: int = 0) -> Grader:
    torch.manual_seed(seed)
    architecture = make_architecture(backbone, side=side, attention=attention)
    return build_grader(architecture)


def _block(name: str) -> nn.Module:
    """A block as after training: all parameters are random, including those that start at zero."""
    torch.manual_seed(0)
    choice = parse_spec(ATTENTIONS, "attention block", name)
    block = ATTENTIONS[choice.name].load()(MapShape(16, 5, 5), **dict(choice.parameters))
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.5)
    return block.eval()


def _images(num: int = 2, side: int = 64) -> torch.Tensor:
    return torch.randn(num, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("spec", SPECS)
def test_attention_has_no_effect_before_training_and_has_one_after_a_step(spec: str) -> None:
    plain, attending = _grader(), _grader(spec)
    assert torch.equal(attending.eval()(_images()), plain.eval()(_images()))
    attending(_images()).sum().backward()
    for block in attending.attention:
        assert any(parameter.grad.abs().sum() > 0 for parameter in block.parameters())
    torch.optim.SGD(attending.attention.parameters(), lr=1.0).step()
    maps = torch.randn(2, 256, 2, 2)
    assert not torch.equal(attending.attention(maps), maps)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext", "test_vit", "swin_tiny_patch4_window7_224"])
def test_attention_works_with_every_family_of_backbones(backbone: str) -> None:
    attending = _grader("cbam,self:heads=2", backbone).eval()
    assert torch.equal(attending(_images()), _grader("", backbone).eval()(_images()))


@pytest.mark.parametrize("name", ["se", "eca"])
def test_channel_gates_do_not_depend_on_positions(name: str) -> None:
    block, maps = _block(name), torch.randn(2, 16, 5, 5)
    positions = torch.randperm(25)
    shuffled = maps.flatten(2)[..., positions].unflatten(2, (5, 5))
    assert torch.allclose(block(shuffled), block(maps).flatten(2)[..., positions].unflatten(2, (5, 5)), atol=1e-5)
    gates = block(maps) / maps
    assert torch.allclose(gates, gates[..., :1, :1].expand_as(gates), atol=1e-4)
    assert gates[0, :, 0, 0].std() > 0.01


def test_the_spatial_gate_is_the_same_for_all_channels_and_depends_on_its_neighbourhood_only() -> None:
    block, maps = _block("spatial:kernel=3"), torch.rand(1, 16, 9, 9) + 0.5
    gates = block(maps) / maps
    assert torch.allclose(gates, gates[:, :1].expand_as(gates), atol=1e-5)
    assert gates[0, 0].std() > 0.01
    changed = maps.clone()
    changed[..., 0, 0] += 3
    reached = ((block(changed) / changed - gates).abs() > 1e-5)[0, 0]
    assert reached[:2, :2].all()
    assert reached.sum() == 4


def test_the_spatial_gate_is_equivariant_to_shifts() -> None:
    block, maps = _block("spatial:kernel=3"), F.pad(torch.rand(1, 16, 4, 4), (2, 2, 2, 2))
    moved = torch.roll(maps, 1, 3)
    assert torch.allclose(torch.roll(block(maps), 1, 3), block(moved), atol=1e-5)


@pytest.mark.parametrize(("name", "knows_places"), [("self", True), ("nonlocal", False)])
def test_a_position_depends_on_distant_ones_and_only_self_attention_on_their_location(
    name: str, knows_places: bool
) -> None:
    block, maps = _block(name), torch.randn(1, 16, 5, 5)
    changed = maps.clone()
    changed[:, :8, 4, 4] += 2  # not all channels: the norm would take that away
    assert (block(changed) - block(maps))[..., 0, 0].abs().max() > 1e-4
    positions = torch.randperm(25, generator=torch.Generator().manual_seed(2))
    shuffled = block(maps.flatten(2)[..., positions].unflatten(2, (5, 5)))
    straight = block(maps).flatten(2)[..., positions].unflatten(2, (5, 5))
    assert torch.allclose(shuffled, straight, atol=1e-4) != knows_places


def test_nonlocal_equals_torchs_attention() -> None:
    block, maps = _block("nonlocal:reduction=2"), torch.randn(2, 16, 3, 3)
    normed = block.norm(maps).flatten(2).transpose(1, 2)  # (P, N, C)
    weight, bias = block.look.weight.flatten(1), block.look.bias
    query, key = F.linear(normed, weight, bias).chunk(2, -1)
    value = F.linear(normed, block.value.weight.flatten(1), block.value.bias)
    attended = F.scaled_dot_product_attention(query, key, value)
    added = F.linear(attended, block.output.weight.flatten(1), block.output.bias).transpose(1, 2).unflatten(2, (3, 3))
    assert torch.allclose(block(maps), maps + added, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, entry in ATTENTIONS.items() if entry.compares_positions])
def test_a_map_of_one_position_is_refused_for_blocks_without_an_effect(name: str) -> None:
    with pytest.raises(
        UsageError, match=rf"{name} compares positions of the feature map.*32 pixels.*--size, or se or eca"
    ):
        _grader(name, side=32)


@pytest.mark.parametrize("name", [name for name, entry in ATTENTIONS.items() if not entry.compares_positions])
def test_channel_attention_works_on_a_map_of_one_position(name: str) -> None:
    assert _grader(name, side=32)(_images(side=32)).shape == (2, 1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("spacial", "did you mean spatial"),
        ("se,,eca", "'se,,eca': a name is missing: expected a comma-separated list of attention blocks"),
        ("se:reduction=0", "reduction=0: expected a whole number from 1 to 256"),
        ("spatial:kernel=4", "kernel=4 must be odd: use 3 or 5"),
        ("eca:kernel=3", "it takes no parameters"),
    ],
)
def test_invalid_specs_are_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _grader(spec)


@pytest.mark.parametrize("name", ["se", "spatial", "cbam"])
def test_gates_keep_a_gradient_after_a_common_shift_of_all_weights(name: str) -> None:
    """Maps are not negative, so the gradients of all weights that are applied to them have the same sign."""
    torch.manual_seed(0)
    grader, maps = _grader(name), torch.rand(8, 256, 4, 4)
    block = grader.attention.train()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.sub_(0.5)
    seen = watch(block, maps)
    assert all(((item.values > 0.01) & (item.values < 1.99)).any() for item in seen)
    block(maps).square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in block.parameters() if parameter.ndim > 1)


def test_gates_and_attention_weights_can_be_recorded() -> None:
    grader = _grader("cbam,self:heads=2,eca").eval()
    for parameter in grader.attention.parameters():
        nn.init.normal_(parameter, std=0.1)
    maps = grader.maps(_images(3), UnitIndex.alone(3))
    seen = watch(grader.attention, maps)
    assert [(item.name, item.kind) for item in seen] == [
        ("cbam", "channels"), ("cbam", "positions"), ("self", "pairs"), ("eca", "channels"),
    ]  # fmt: skip
    channels, positions, pairs, _ = (item.values for item in seen)
    assert channels.shape == (3, 256)
    assert torch.allclose(grader.attention[0](maps), maps * channels[:, :, None, None] * positions[:, None], atol=1e-5)
    assert pairs.shape == (3, 2, 4, 4)
    assert torch.allclose(pairs.sum(-1), torch.ones(3, 2, 4), atol=1e-5)
    assert not any(module._forward_hooks for module in grader.modules())


def test_without_attention_nothing_is_recorded() -> None:
    assert watch(_grader().attention, torch.randn(1, 256, 2, 2)) == []


def test_costs_equal_those_counted_by_hand() -> None:
    cost, plain = measure_cost(_grader("se:reduction=16"), 64), measure_cost(_grader(), 64)
    assert cost.added_parameters == 256 * 16 + 16 + 2 * 16 + 16 * 256 + 256
    assert cost.added_multiply_adds == 2 * 256 * 16
    assert (cost.parameters - cost.added_parameters, plain.added_parameters) == (plain.parameters, 0)
    assert cost.multiply_adds - cost.added_multiply_adds == plain.multiply_adds > 1e6
