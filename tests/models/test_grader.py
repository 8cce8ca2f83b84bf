"""Backbone, pool and head in one network."""

import pytest
import torch
from architectures import make_architecture

from drkit.errors import InputError
from drkit.models.grader import Grader, MeanMaxPool, build_grader, restore_grader


def _grader(name: str = "test_efficientnet") -> Grader:
    return build_grader(make_architecture(name, loss="cross-entropy", dropout=0.5))


def test_the_pool_is_mean_and_maximum() -> None:
    features = torch.randn(2, 3, 4, 5)
    pooled = MeanMaxPool()(features)
    assert torch.allclose(pooled, torch.cat([features.mean((2, 3)), features.flatten(2).amax(2)], 1))


@pytest.mark.parametrize("name", ["test_efficientnet", "test_convnext", "test_vit"])
def test_every_parameter_has_a_gradient(name: str) -> None:
    grader = _grader(name)
    logits = grader(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 5)
    logits.sum().backward()
    without = [name for name, parameter in grader.named_parameters() if parameter.grad is None]
    assert without == []


def test_no_tensor_is_stored_twice_in_a_checkpoint() -> None:
    tensors = _grader("test_convnext").state_dict()
    pointers = [tensor.data_ptr() for tensor in tensors.values()]
    assert len(set(pointers)) == len(pointers)


def test_a_grader_is_restored_exactly_and_another_is_refused() -> None:
    one, other = _grader(), _grader()
    images = torch.randn(1, 3, 64, 64)
    restore_grader(other, one.state_dict(), "x")
    assert torch.equal(one.eval()(images), other.eval()(images))
    with pytest.raises(InputError, match="runs/x does not contain the network that its header describes"):
        restore_grader(_grader("test_resnet"), one.state_dict(), "runs/x")
