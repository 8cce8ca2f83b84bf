"""Copies to and from the GPU in a training step, and waits for it, counted on a fake GPU."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_card import CARD, MixedDevicesError, OnCard, fake_card
from torch import Tensor, nn

from drkit.config.training import TrainingConfig
from drkit.data.augmentation import load_policy
from drkit.data.bank import build_bank
from drkit.losses import build_loss
from drkit.models.grader import build_grader
from drkit.records.layouts import read_datasets
from drkit.training.inputs import PhotographInputs
from drkit.training.learner import Learner, TrainingData, read_steps
from drkit.training.planning import plan_training

MOST_UPLOADS = 3  # photographs, augmentation parameters, and the unit index with the reference grades


class OneDevice:
    """The part of Fabric that a learner on one device uses."""

    world_size = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def setup(self, module: Any, optimizer: Any) -> tuple[Any, Any]:
        module.mark_forward_method = lambda _: None
        return module, optimizer

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()

    def no_backward_sync(self, _: nn.Module, enabled: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        loss.backward()


def _learner(config: TrainingConfig, device: torch.device) -> Learner:
    plan = plan_training(read_datasets(config.data), config)
    bank = build_bank(plan.labels, plan.bank_side, Path(), workers=1)
    names = plan.labels.rows["image_id"].tolist()
    inputs = PhotographInputs(
        bank=bank,
        image_ids=names,
        input_format=plan.input_format,
        policy=load_policy(config.augment),
        seed=config.seed,
        device=device,
    )
    torch.manual_seed(0)
    grader = build_grader(plan.architecture)
    if device == CARD:
        for module in grader.modules():
            _move(module)
    data = TrainingData(
        inputs=inputs,
        units=plan.units,
        grades=plan.grades,
        auxiliary_grades=plan.auxiliary_grades,
        grade_weights=np.ones(5),
        loss=build_loss(config.loss),
    )
    return Learner(grader, data, config, OneDevice(device), num_steps=4)  # type: ignore[arg-type]


def _move(module: nn.Module) -> None:
    """Replaces `to`, which does not support such tensors."""
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = nn.Parameter(OnCard(parameter.detach().clone()))
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = OnCard(buffer.clone())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"augment": "strong"},
        {"augment": "template", "loss": "cumulative-link", "optimizer": "sgd"},
        {"loss": "cross-entropy:smoothing=0.5:cost=1", "ema": False},
        {"loss": "corn", "unit": "eye"},
        {"unit": "patient", "auxiliary": True, "mixup": 0.4, "batch_size": 3},
        {"unit": "patient", "fusion": "attention", "batch_size": 3},
        {"unit": "eye", "fusion": "concat", "layer_decay": 0.7},
    ],
    ids=lambda options: " ".join(map(str, options.values())) or "default",
)
def test_a_step_copies_little_and_waits_for_nothing(small_config: TrainingConfig, options: dict[str, Any]) -> None:
    config = replace(small_config, **options)
    with fake_card() as counts:
        learner = _learner(config, CARD)
        units = np.arange(config.batch_size)
        steps = [learner.step(units, 1, units)]
        counts.clear()
        torch.manual_seed(1)
        steps.append(learner.step(units, 2))
        assert counts["uploads"] <= MOST_UPLOADS
        assert (counts["downloads"], counts["waits"]) == (0, 0)
        (first, second), _ = read_steps(steps)
        assert counts["downloads"] == 2  # of an epoch: losses and logits
    assert np.isfinite([first, second]).all()


def test_a_step_gives_the_same_result_on_a_gpu(small_config: TrainingConfig) -> None:
    config = replace(small_config, augment="strong", dropout=0.0)
    units = np.arange(8)
    on_cpu = _learner(config, torch.device("cpu"))
    expected = read_steps([on_cpu.step(units, 1, units), on_cpu.step(units, 2)])
    with fake_card():
        on_card = _learner(config, CARD)
        actual = read_steps([on_card.step(units, 1, units), on_card.step(units, 2)])
    assert actual[0] == pytest.approx(expected[0], rel=1e-5)
    assert np.allclose(actual[1], expected[1], rtol=1e-4, atol=1e-5)


def test_the_fake_gpu_refuses_and_counts_as_cuda_does() -> None:
    """Otherwise the tests above could not fail."""
    with fake_card() as counts:
        on_cpu = torch.ones(3)
        on_card = on_cpu.to(CARD)
        assert counts == {"uploads": 1}
        with pytest.raises(MixedDevicesError):
            on_card + on_cpu
        with pytest.raises(MixedDevicesError):
            torch.randn(3, generator=torch.Generator(), device=CARD)
        on_card.sum().item()
        on_card.nonzero()
        on_card[torch.tensor([0, 2])]
        on_card[on_card > 0]
        on_card.cpu()
        assert counts == {"uploads": 2, "downloads": 2, "waits": 2}
