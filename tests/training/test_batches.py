"""Batches of a single unit are refused if, and only if, a batch norm gets a single value per channel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from drkit.config.training import TrainingConfig
from drkit.errors import UsageError
from drkit.recipes.finetune import RunOptions, plan_finetune, run_finetune
from drkit.training.batches import split_into_steps
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


def test_a_single_unit_that_accumulation_leaves_over_is_refused_before_any_work(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    """28 photographs are 14 batches of 2, but in steps of up to 3 batches some steps have 5 or 6 of them."""
    config = replace(small_config, **ONE | {"batch_size": 2, "accumulate": 3})
    with pytest.raises(UsageError, match="cannot be trained on a batch of one image, which --batch-size 2 leads to"):
        plan_finetune(config, RunOptions(tmp_path, "a"))
    assert plan_finetune(replace(config, accumulate=1), RunOptions(tmp_path, "a")).outputs


def test_the_steps_of_all_processes_are_equally_long_and_have_all_units() -> None:
    config = TrainingConfig(batch_size=2, accumulate=2)
    shares = [split_into_steps(np.arange(10, 21), config, 3, rank) for rank in range(3)]
    assert [len(step) for step in shares[0]] == [4]
    assert all(list(map(len, share)) == [4] for share in shares)
    assert set(np.concatenate([step for share in shares for step in share])) == set(range(10, 21))
    (alone,) = {tuple(map(len, split_into_steps(np.arange(11), config, 1)))}
    assert alone == (4, 4, 3)


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
