"""The frozen part is unchanged, including its statistics, and everything else is trained."""

import pytest
import torch
from architectures import make_architecture
from torch import Tensor

from drkit.data.units import UnitIndex
from drkit.models.freezing import frozen_tensors, hold_stages, keep_statistics, run_frozen_part, without_frozen_part
from drkit.models.grader import Grader, build_grader

NAMES = ["test_resnet", "test_efficientnet", "test_convnext", "test_vit"]
SIDE = 64


def _grader(name: str, num_slots: int = 1, *, unshared: bool = False) -> Grader:
    torch.manual_seed(0)
    return build_grader(
        make_architecture(name, side=SIDE, unit="eye", num_slots=num_slots, fusion="concat", unshared=unshared)
    )


def _images(num: int = 4) -> Tensor:
    return torch.randn(num, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


def _copy(grader: Grader) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in grader.state_dict().items()}


def _changed(before: dict[str, Tensor], grader: Grader) -> set[str]:
    return {name for name, tensor in grader.state_dict().items() if not torch.equal(tensor, before[name])}


def _learn(grader: Grader, inputs: Tensor, index: UnitIndex | None = None) -> None:
    optimizer = torch.optim.AdamW(grader.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=True)
        grader(inputs, index).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stages", [1, 3, None])
def test_a_grader_without_its_frozen_part_gives_the_same_output(name: str, stages: int | None) -> None:
    grader, images = _grader(name).eval(), _images()
    with torch.inference_mode():
        expected = grader(images)
        features = run_frozen_part(grader, images, stages)
        with without_frozen_part(grader, stages):
            assert torch.allclose(grader(features), expected, rtol=1e-3, atol=1e-4)
        assert torch.equal(grader(images), expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stages", [1, 3, None])
def test_the_frozen_part_is_unchanged_and_the_rest_is_trained(name: str, stages: int | None) -> None:
    grader, images = _grader(name).eval(), _images()
    with torch.inference_mode():
        features = run_frozen_part(grader, images, stages)
    before = _copy(grader)
    frozen = {tensor.data_ptr() for tensor in frozen_tensors(grader, stages).values()}
    unchanged = {name for name, tensor in grader.state_dict().items() if tensor.data_ptr() in frozen}
    assert unchanged
    with without_frozen_part(grader, stages):
        grader.train()
        _learn(grader, features.clone())
    changed = _changed(before, grader)
    assert not changed & unchanged
    own = {f"backbone.network.{key}" for key, _ in grader.backbone.network.named_parameters(recurse=False)}
    assert set(before) - unchanged - changed <= own  # a transformer's tokens and positions lie below the cut
    assert not changed & own


@pytest.mark.parametrize("name", NAMES)
def test_held_stages_keep_weights_and_statistics_until_they_are_released(name: str) -> None:
    grader, images = _grader(name), _images()
    total = len(grader.backbone.stages)
    for held in (total, 2, 0):
        before = _copy(grader)
        grader.train()
        hold_stages(grader, held)
        _learn(grader, images)
        changed = _changed(before, grader)
        below = tuple(f"backbone.{path}." for path in grader.backbone.paths(0, held))
        above = ("head.", *(f"backbone.{path}." for path in grader.backbone.paths(held, total)))
        own = {f"backbone.network.{key}" for key, _ in grader.backbone.network.named_parameters(recurse=False)}
        assert not [key for key in changed if key.startswith(below)]
        assert not [key for key in before if key.startswith(above) and key not in changed]
        assert own <= changed if held == 0 else not own & changed


def test_stages_of_every_backbone_of_an_unshared_grader_are_held() -> None:
    grader, images = _grader("test_efficientnet", 2, unshared=True), _images()
    unit, slot = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    before = _copy(grader)
    grader.train()
    hold_stages(grader, len(grader.backbone.stages))
    _learn(grader, images, UnitIndex(unit, slot, unit, 2, 2))
    assert {key.partition(".")[0] for key in _changed(before, grader)} == {"head"}


def test_kept_statistics_are_unchanged_while_everything_else_is_trained() -> None:
    grader, images = _grader("test_efficientnet", 2, unshared=True), _images()
    index = UnitIndex(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]), 2, 2)
    before = _copy(grader)
    keep_statistics(grader.train())
    _learn(grader, images, index)
    unchanged = set(before) - _changed(before, grader)
    assert unchanged == {key for key in before if "running_" in key or "num_batches" in key}


def test_with_kept_statistics_the_output_does_not_depend_on_the_batch() -> None:
    grader, images = _grader("test_efficientnet"), _images()
    grader.train()
    assert not torch.allclose(grader(images)[:2], grader(images[:2]), atol=1e-4)
    keep_statistics(grader)
    assert torch.allclose(grader(images)[:2], grader(images[:2]), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_depth_counts_the_stages_below_the_head(name: str) -> None:
    grader = _grader(name, 2, unshared=True)
    total = len(grader.backbone.stages)
    depths = {key: grader.depth_below_head(key) for key, _ in grader.named_parameters()}
    assert {depth for key, depth in depths.items() if not key.startswith(("backbone.", "others."))} == {0}
    for number, stage in enumerate(grader.backbone.stages):
        inside = tuple(f"{start}.{path}." for start in ("backbone", "others.0") for path in stage)
        actual = {depth for key, depth in depths.items() if key.startswith(inside)}
        assert actual == {total - number}
    assert set(depths.values()) == set(range(total + 1))
