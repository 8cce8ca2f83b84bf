"""The learning rate over a training, and what is decayed."""

import pytest
from torch import nn

from drkit.training.optimisation import FLOOR, WARM_UP_SHARE, build_optimizer, learning_rate


def test_the_rate_rises_then_falls_within_its_bounds() -> None:
    rates = [learning_rate(step / 1000, 1.0) for step in range(1001)]
    top = int(WARM_UP_SHARE * 1000)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(1)
    assert rates[-1] == pytest.approx(FLOOR)
    assert min(rates) >= FLOOR


def test_biases_and_norms_are_not_decayed() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    decayed, kept = build_optimizer(module, 1e-3, 0.1).param_groups
    assert [tuple(parameter.shape) for parameter in decayed["params"]] == [(4, 3, 1, 1)]
    assert (decayed["weight_decay"], kept["weight_decay"], len(kept["params"])) == (0.1, 0.0, 3)
