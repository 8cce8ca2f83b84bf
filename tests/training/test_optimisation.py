"""The learning rate, weight decay, and the running average of the weights."""

import math

import pytest
import torch
from architectures import make_architecture
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from drkit.config.training import TrainingConfig
from drkit.models.grader import Grader, build_grader
from drkit.training.optimisation import (
    FLOOR,
    WARM_UP_SHARE,
    RunningAverage,
    build_optimizer,
    learning_rate,
    set_learning_rate,
)


def test_the_learning_rate_rises_and_then_falls_within_its_bounds() -> None:
    rates = [learning_rate(step / 1000, 1.0) for step in range(1001)]
    top = int(WARM_UP_SHARE * 1000)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(FLOOR)
    assert min(rates) >= FLOOR


def test_biases_and_norms_are_not_decayed() -> None:
    groups = build_optimizer(_grader(), TrainingConfig(weight_decay=0.1)).param_groups
    assert {(group["weight_decay"], parameter.ndim > 1) for group in groups for parameter in group["params"]} == {
        (0.1, True),
        (0.0, False),
    }


def test_lower_stages_have_smaller_learning_rates_with_constant_ratios() -> None:
    grader = _grader()
    optimizer = build_optimizer(grader, TrainingConfig(layer_decay=0.5))
    set_learning_rate(optimizer, 1.0)
    rate = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    stages = len(grader.backbone.stages)
    assert rate[id(grader.head.output.weight)] == 1
    assert rate[id(grader.backbone.network.conv_stem.weight)] == 0.5**stages
    assert len(rate) == len(list(grader.parameters()))


def test_the_average_of_constant_tensors_is_constant_and_follows_changing_ones() -> None:
    module = nn.Linear(2, 1)
    average = RunningAverage(module, steps_an_epoch=10)
    for _ in range(3):
        average.update()
    assert torch.allclose(average.module.weight, module.weight)
    with torch.no_grad():
        module.weight += 1
    average.update()
    moved = module.weight - average.module.weight
    assert ((moved > 0) & (moved < 1)).all()


def test_the_average_equals_torchs_own_with_the_same_decay() -> None:
    """Including buffers and counts; their states are exchangeable."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    slowest = math.exp(-1 / 5)

    def update(means: list[Tensor], new: list[Tensor], num_averaged: Tensor | int) -> None:
        for mean, value in zip(means, new, strict=True):
            weight = 1 - min(slowest, 1 - 1 / (1 + int(num_averaged)))
            mean.lerp_(value, weight) if mean.is_floating_point() else mean.copy_(value)

    oracle = AveragedModel(module, multi_avg_fn=torch.no_grad()(update), use_buffers=True)
    average, resumed = RunningAverage(module, 5), RunningAverage(module, 5)
    for _ in range(8):
        module(torch.randn(6, 3))
        with torch.no_grad():
            for parameter in module.parameters():
                parameter += torch.randn_like(parameter)
        oracle.update_parameters(module)
        average.update()
    expected = oracle.state_dict()
    assert average.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in average.state_dict().items())
    resumed.load_state_dict(expected)
    assert resumed.num_averaged == 8
    assert all(torch.equal(tensor, expected[name]) for name, tensor in resumed.state_dict().items())


def _grader() -> Grader:
    return build_grader(make_architecture())
