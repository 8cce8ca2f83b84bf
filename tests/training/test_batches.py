"""A batch of one photograph is refused where a batch norm can learn nothing from it, and only there."""

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
def test_one_photograph_a_norm_is_refused_before_any_work(
    small_config: TrainingConfig, tmp_path: Path, start, more: dict
) -> None:
    config = replace(small_config, **ONE, **more)
    told = rf"resnet18 at 32 px cannot learn from a batch of one {config.unit}, which --batch-size 1 makes: use"
    with pytest.raises(UsageError, match=told):
        start(config, RunOptions(tmp_path / "runs", "a"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "more",
    [{"unit": "patient"}, {"norms": "kept"}, {"size": 64}, {"batch_size": 16}],
    ids=["photographs of a patient", "kept statistics", "a larger map", "a larger batch"],
)
def test_what_a_norm_can_learn_from_is_planned(small_config: TrainingConfig, tmp_path: Path, more: dict) -> None:
    assert plan_finetune(replace(small_config, **ONE | more), RunOptions(tmp_path, "a")).outputs


def test_it_is_refused_where_only_the_training_shows_it(small_config: TrainingConfig, tmp_path: Path) -> None:
    """Frozen stages are not tried before."""
    config = replace(small_config, **ONE, freeze="3", copies=0)
    with pytest.raises(UsageError, match="the network cannot learn from a batch of one image: use a larger"):
        run_finetune(config, RunOptions(tmp_path, "a"))


def test_another_value_error_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("another")

    learner = Learner.__new__(Learner)
    monkeypatch.setattr(Learner, "_accumulate_gradients", fail)
    with pytest.raises(ValueError, match="another"):
        learner.step(torch.zeros(1).numpy(), 1)


def test_torch_still_words_it_so() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(3)(torch.zeros(1, 3, 1, 1))
