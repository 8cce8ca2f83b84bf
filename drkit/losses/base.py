"""What every loss offers: a layer that gives its logits, what they cost, and what they mean."""

from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drkit.grades import MAX_GRADE, NUM_GRADES

FloatArray = NDArray[np.floating]


class Loss(ABC):
    """A loss with the layer that gives its logits and with the reading of them.

    Attributes:
        num_outputs: Logits a unit.
        decision: How `drkit.decisions.decide` makes a grade of the answer.
        needs_sigma: Whether `probabilities` needs the residual on held-out photographs.
    """

    num_outputs: int
    decision: str
    needs_sigma: bool = False

    @abstractmethod
    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """The loss of each unit: its mean over a batch is minimised, weighted or not.

        A unit's loss depends on no other unit, so that batches may be cut, weighted and mixed.

        Args:
            logits: (B, num_outputs), any floating type; worked on in float32 at least.
            grades: int64 (B,) in 0-4.

        Returns:
            (B,), not negative.
        """

    def build_output(self, num_features: int) -> nn.Module:
        """A layer from activations (B, num_features) to logits (B, num_outputs): linear, unless the loss says more."""
        return nn.Linear(num_features, self.num_outputs)

    @abstractmethod
    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Set the layer's bias to what is known before the first step: how frequent the grades are.

        Args:
            output: Of `build_output`.
            grades: int64 (T,) of the training units.
        """

    @abstractmethod
    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Logits (N, num_outputs), finite, to log-probabilities (N, 5) of the grades, differentiable.

        Args:
            logits: Of the layer.
            sigma: Residual on held-out photographs, in grades; plays no part unless `needs_sigma`.
        """

    def expected_grade(self, logits: Tensor) -> Tensor:
        """Logits (N, num_outputs) to the mean grade (N,), differentiable; a regression's may be off the scale."""
        grades = torch.arange(NUM_GRADES, dtype=logits.dtype, device=logits.device)
        return self.log_probabilities(logits, 0.0).exp() @ grades

    def probabilities(self, logits: FloatArray, sigma: float) -> FloatArray:
        """`log_probabilities` as float64 probabilities (N, 5) of the grades."""
        return self.log_probabilities(as_tensor(logits), sigma).exp().numpy()

    def score(self, logits: FloatArray) -> FloatArray:
        """`expected_grade` as a float64 score (N,), clipped to [0, 4]."""
        return self.expected_grade(as_tensor(logits)).clamp(0, MAX_GRADE).numpy()


def count_grades(grades: Tensor) -> Tensor:
    """How often each grade occurs, (5,) float, and once more, so that no grade is taken to be impossible."""
    return torch.bincount(grades, minlength=NUM_GRADES) + 1.0


def set_bias(output: nn.Module, bias: Tensor) -> None:
    """Overwrite the bias (num_outputs,) of a linear layer."""
    with torch.no_grad():
        output.get_parameter("bias").copy_(bias)


def widen(logits: Tensor) -> Tensor:
    """Logits in float32 at least: exponents and logarithms of half precision are too coarse."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


@lru_cache
def on_device(table: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A table of constants on a device, sent there once."""
    with torch.inference_mode(False):  # for passes of either kind
        return table.to(device, dtype)


def log1mexp(distance: Tensor) -> Tensor:
    """log(1 - exp(-d)) of distances d > 0."""
    return torch.log(-torch.expm1(-distance))


def as_tensor(logits: FloatArray) -> Tensor:
    """Logits as a float64 copy, to be read."""
    return torch.tensor(logits, dtype=torch.float64)
