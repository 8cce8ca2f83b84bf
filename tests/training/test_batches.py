"""Batches of a single unit are refused if, and only if, a batch norm gets a single value per channel."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from drkit.config.training import TrainingConfig
from drkit.errors import UsageError
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.training.learner import Learner

ONE = {"backbone": "resnet18", "size": 32, "batch_size": 1, "epochs": 1}  # whose last map is 1 x 1 at 32 px


@pytest.mark.parametrize("start", [plan_finetune, run_finetune])
@pytest.mark.parametrize("more", [{}, {"unit": "eye", "unshared": True, "fusion": "concat"}], ids=["image", "unshared"])
def test_a_single_value_per_channel_is_refused_before_any_work(
    small_config: TrainingConfig, tmp_path: Path, start, more: dict
) -> None:
    config = replace(small_config, **ONE, **more)
    message = (
        rf"resnet18 at 32 px cannot be trained on a batch of one {config.unit}, which --batch-size 1 leads to: use"
    )
    with pytest.raises(UsageError, match=message):
        start(config, RunOptions(tmp_path / "runs", "a"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "more",
    [{"unit": "patient"}, {"norms": "kept"}, {"size": 64}, {"batch_size": 16}],
    ids=["photographs of a patient", "kept statistics", "a larger map", "a larger batch"],
)
def test_batches_with_several_values_per_channel_are_accepted(
    small_config: TrainingConfig, tmp_path: Path, more: dict
) -> None:
    assert plan_finetune(replace(small_config, **ONE | more), RunOptions(tmp_path, "a")).outputs


def test_a_single_value_per_channel_is_refused_during_training(small_config: TrainingConfig, tmp_path: Path) -> None:
    """The check before the training does not run frozen stages."""
    config = replace(small_config, **ONE, freeze="3", copies=0)
    with pytest.raises(UsageError, match="the network cannot be trained on a batch of one image: use a larger"):
        run_finetune(config, RunOptions(tmp_path, "a"))


def test_another_value_error_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("another")

    learner = Learner.__new__(Learner)
    monkeypatch.setattr(Learner, "_accumulate_gradients", fail)
    with pytest.raises(ValueError, match="another"):
        learner.step(torch.zeros(1).numpy(), 1)


def test_torch_still_raises_this_message() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))
