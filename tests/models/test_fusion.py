"""The fusion of a unit's photographs does not depend on the rest of the batch."""

import pytest
import torch
from architectures import make_architecture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drkit.data.units import UnitIndex
from drkit.models.fusion import AttentionFusion, Concatenation, build_fusion, mean_of
from drkit.models.grader import Grader, build_grader

F = 6  # features of a photograph


def _index(sizes: list[int], slots: list[int] | None = None) -> UnitIndex:
    """Units with the given numbers of photographs, each unit an eye."""
    unit = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    slot = torch.cat([torch.arange(size) for size in sizes]) if slots is None else torch.tensor(slots)
    return UnitIndex(unit, slot, unit, len(sizes), len(sizes))


def _fusion(kind: str, num_slots: int = 4) -> torch.nn.Module:
    fusion = build_fusion(kind, F, num_slots)  # type: ignore[arg-type]
    if isinstance(fusion, AttentionFusion):
        torch.nn.init.normal_(fusion.rating.weight)  # else every photograph counts the same
    return fusion


SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@pytest.mark.parametrize("kind", ["mean-max", "attention"])
@settings(max_examples=25)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_the_order_of_the_photographs_does_not_matter(kind: str, sizes: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    fusion, index = _fusion(kind), _index(sizes)
    activations = torch.randn(sum(sizes), F)
    order = torch.randperm(sum(sizes))
    shuffled = UnitIndex(index.unit[order], index.slot[order], index.eye[order], index.num_units, index.num_eyes)
    assert torch.allclose(fusion(activations[order], shuffled), fusion(activations, index), atol=1e-5)


@pytest.mark.parametrize("kind", ["mean-max", "attention", "concat"])
@settings(max_examples=25)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_another_unit_in_the_batch_changes_nothing(kind: str, sizes: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    fusion, activations = _fusion(kind), torch.randn(sum(sizes), F)
    together = fusion(activations, _index(sizes))
    assert together.shape == (len(sizes), fusion.num_features)
    alone = [fusion(part, _index([len(part)])) for part in activations.split(sizes)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_mean_and_maximum_of_a_unit() -> None:
    activations = torch.randn(5, F)
    joined = _fusion("mean-max")(activations, _index([2, 3]))
    parts = activations.split([2, 3])
    assert torch.allclose(joined, torch.stack([torch.cat([part.mean(0), part.amax(0)]) for part in parts]))


@settings(max_examples=25)
@given(sizes=SIZES, scale=st.sampled_from([1.0, 1e3]))
def test_attention_weights_sum_to_one_and_are_equal_at_first(sizes: list[int], scale: float) -> None:
    index, activations = _index(sizes), scale * torch.randn(sum(sizes), F)
    fresh = AttentionFusion(F)
    assert torch.allclose(fresh.weights(activations, index), 1 / torch.tensor(sizes)[index.unit])
    means = mean_of(activations, index.unit, len(sizes))
    assert torch.allclose(fresh(activations, index), means, rtol=1e-4, atol=1e-6 * scale)
    torch.nn.init.normal_(fresh.rating.weight, std=100)
    weights = fresh.weights(activations, index)
    sums = torch.zeros(len(sizes)).index_add(0, index.unit, weights)
    assert torch.allclose(sums, torch.ones(len(sizes)))
    assert (weights >= 0).all()


def test_attention_learns_to_weight_one_photograph() -> None:
    torch.manual_seed(0)
    fusion, index = AttentionFusion(2, 8), _index([3])
    activations = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        (fusion(activations, index) - activations[1]).square().sum().backward()
        optimizer.step()
    assert fusion.weights(activations, index)[1] > 0.9


def test_concatenation_by_slot_is_zero_for_missing_photographs() -> None:
    activations = torch.randn(3, F)
    joined = Concatenation(F, 3)(activations, _index([2, 1], slots=[2, 0, 1])).view(2, 3, F)
    assert torch.equal(joined[0], torch.stack([activations[1], torch.zeros(F), activations[0]]))
    assert torch.equal(joined[1], torch.stack([torch.zeros(F), activations[2], torch.zeros(F)]))


def test_single_photographs_are_unchanged() -> None:
    activations = torch.randn(3, F)
    for kind in ("mean-max", "attention", "concat"):
        fusion = _fusion(kind, num_slots=1)
        assert torch.equal(fusion(activations, UnitIndex.alone(3)), activations)
        assert list(fusion.parameters()) == []


def _grader(fusion: str, *, unshared: bool = False, unit: str = "eye", auxiliary: bool = False) -> Grader:
    torch.manual_seed(0)
    made_of = make_architecture(
        side=32,
        unit=unit,
        num_slots=2,
        fusion=fusion,
        unshared=unshared,
        loss="cross-entropy",
        auxiliary=auxiliary,
        dropout=0.5,
    )
    return build_grader(made_of).eval()


def _images(num: int) -> Tensor:
    return torch.randn(num, 3, 32, 32, generator=torch.Generator().manual_seed(num))


@pytest.mark.parametrize(("fusion", "unshared"), [("mean-max", False), ("attention", False), ("concat", True)])
def test_a_graders_output_does_not_depend_on_the_rest_of_the_batch(fusion: str, unshared: bool) -> None:
    grader, images, sizes = _grader(fusion, unshared=unshared), _images(5), [2, 1, 2]
    with torch.inference_mode():
        together = grader(images, _index(sizes))
        alone = [grader(part, _index([len(part)])) for part in images.split(sizes)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)


def test_an_unshared_grader_uses_a_backbone_for_each_slot() -> None:
    grader, images = _grader("concat", unshared=True), _images(4)
    with torch.no_grad():
        for parameter in grader.others[0].parameters():
            parameter.mul_(1.02)
    index = _index([2, 2], slots=[1, 0, 0, 1])
    with torch.inference_mode():
        maps = grader.maps(images, index)
        expected = [grader.others[0](images[:1]), grader.backbone(images[1:3]), grader.others[0](images[3:])]
        assert torch.allclose(maps, torch.cat(expected), rtol=1e-3, atol=1e-3)
        first_alone = grader.maps(images[:2], _index([1, 1], slots=[0, 0]))
        assert torch.allclose(first_alone, grader.backbone(images[:2]), rtol=1e-3, atol=1e-3)
        assert not torch.allclose(grader.backbone(images[:1]), grader.others[0](images[:1]), rtol=1e-2)


def test_unshared_backbones_start_equal_and_are_trained_separately() -> None:
    grader = _grader("concat", unshared=True)
    first, second = grader.backbone.state_dict(), grader.others[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    pointers = [tensor.data_ptr() for tensor in grader.state_dict().values()]
    assert len(set(pointers)) == len(pointers)


def test_the_auxiliary_head_predicts_each_eye_once() -> None:
    grader = _grader("mean-max", unit="patient", auxiliary=True)
    unit, eye = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 2])
    logits, activations, others = grader.compute_outputs(
        _images(4), UnitIndex(unit, torch.tensor([0, 1, 2, 0]), eye, 2, 3)
    )
    assert (logits.shape, activations.shape[0]) == ((2, 5), 4)
    assert others is not None
    assert others.shape == (3, 5)
    expected = grader.auxiliary(torch.stack([activations[:2].mean(0), activations[2], activations[3]]))
    assert torch.allclose(others, expected, atol=1e-5)
