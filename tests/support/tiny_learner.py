"""A learner of a tiny network on eight images of two patients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from architectures import make_architecture
from torch import Tensor

from drkit.config.training import TrainingConfig
from drkit.data.units import Units, build_units
from drkit.losses import FloatArray, build_loss
from drkit.models.grader import build_grader
from drkit.records.labels import Labels, build_rows
from drkit.training.learner import (
    Learner,
    StepFigures,
    TrainingData,
    read_steps,
)
from drkit.training.processes import start_fabric

SIDE = 32
NUM = 8  # photographs


class Images:
    """A source of images without augmentation."""

    def __init__(self) -> None:
        self.images = torch.randn(NUM, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        return lambda: self.images[rows]

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        return self.images[rows]


def build_test_units(kind: str = "image") -> Units:
    """Two patients with two views of each eye."""
    rows = build_rows(
        image_id=[f"p{number}" for number in range(NUM)],
        path=["/x.jpg"] * NUM,
        patient_id=["a"] * 4 + ["b"] * 4,
        eye=["left", "left", "right", "right"] * 2,
        view=[1, 2] * 4,
        split=["train"] * NUM,
    )
    return build_units(Labels(rows, Path(), "test", ("patient", "eye")), kind)  # type: ignore[arg-type]


def training_data(kind: str = "image", **others: Any) -> TrainingData:
    units = build_test_units(kind)
    num_eyes = int(units.eye_of.max()) + 1
    made_of = {
        "grades": np.arange(len(units)) % 5,
        "auxiliary_grades": np.arange(num_eyes) % 5,
        "grade_weights": np.ones(5),
        "loss": build_loss("cross-entropy"),
    }
    return TrainingData(inputs=Images(), units=units, **{**made_of, **others})


def build_learner(data: TrainingData, *, auxiliary: bool = False, precision: str = "32", **options: Any) -> Learner:
    """A learner of a network without batch norm or dropout, always with the same weights."""
    torch.manual_seed(0)
    made_of = make_architecture(
        "test_convnext",
        side=SIDE,
        unit=data.units.kind,
        num_slots=data.units.num_slots,
        loss="cross-entropy",
        auxiliary=auxiliary,
        dropout=0,
    )
    config = TrainingConfig(device="cpu", precision=precision, **options)  # type: ignore[arg-type]
    return Learner(build_grader(made_of), data, config, start_fabric(config), num_steps=4)


def gradients_of(learner: Learner) -> dict[str, Tensor]:
    """The gradients of the last step."""
    return {name: parameter.grad for name, parameter in learner.grader.named_parameters() if parameter.grad is not None}


def read_step(step: StepFigures) -> tuple[float, FloatArray]:
    """A step's mean loss and logits."""
    (loss,), logits = read_steps([step])
    return loss, logits


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor], tolerance: float = 1e-4) -> None:
    assert set(first) == set(second)
    for name, gradient in first.items():
        assert torch.allclose(gradient, second[name], rtol=1e-3, atol=tolerance * float(gradient.abs().max())), name
