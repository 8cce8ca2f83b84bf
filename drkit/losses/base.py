"""The interface of losses: the last layer, the loss of its logits, and probabilities and scores from logits."""

from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drkit.decisions import GradePredictions
from drkit.grades import MAX_GRADE, NUM_GRADES

FloatArray = NDArray[np.floating]


class Loss(ABC):
    """A loss, the last layer that computes its logits, and the conversion of logits to probabilities and scores.

    Attributes:
        num_outputs: Number of logits of each unit.
        decision: How predictions become grades, one of `drkit.decisions.DECISIONS`.
        needs_sigma: Whether `probabilities` needs the standard deviation of the residual on held-out photographs.
    """

    num_outputs: int
    decision: str
    needs_sigma: bool = False

    @abstractmethod
    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Compute the loss of each unit; its weighted mean over a batch is minimised.

        The loss of a unit does not depend on other units, so that batches can be split, weighted and mixed.

        Args:
            logits: (B, num_outputs) logits of any floating-point type; the computation uses at least float32.
            grades: Reference grades 0-4, int64 (B,).

        Returns:
            (B,) non-negative losses.
        """

    def build_output(self, num_features: int) -> nn.Module:
        """Build the layer from activations (B, num_features) to logits (B, num_outputs); linear by default."""
        return nn.Linear(num_features, self.num_outputs)

    @abstractmethod
    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Set the layer's bias according to the frequencies of the grades.

        Args:
            output: A layer from `build_output`.
            grades: Grades 0-4 of the training units, int64 (T,).
        """

    @abstractmethod
    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Convert logits to log-probabilities (N, 5) of the grades, differentiable.

        Args:
            logits: (N, num_outputs) finite logits.
            sigma: Standard deviation of the residual on held-out photographs, in grades; ignored unless `needs_sigma`.
        """

    def expected_grade(self, logits: Tensor) -> Tensor:
        """Convert logits (N, num_outputs) to the mean grade (N,), differentiable; for regression, it is not clipped."""
        grades = torch.arange(NUM_GRADES, dtype=logits.dtype, device=logits.device)
        return self.log_probabilities(logits, 0.0).exp() @ grades

    def probabilities(self, logits: FloatArray, sigma: float) -> FloatArray:
        """`log_probabilities` as float64 probabilities (N, 5) of the grades."""
        return self.log_probabilities(as_tensor(logits), sigma).exp().numpy()

    def score(self, logits: FloatArray) -> FloatArray:
        """`expected_grade` as a float64 score (N,), clipped to [0, 4]."""
        return self.expected_grade(as_tensor(logits)).clamp(0, MAX_GRADE).numpy()

    def predictions(self, logits: FloatArray, sigma: float) -> GradePredictions:
        """Convert logits (N, num_outputs) to the `probabilities` and the `score` of N units."""
        return GradePredictions(self.probabilities(logits, sigma), self.score(logits))


def count_grades(grades: Tensor) -> Tensor:
    """Count the units of each grade, float (5,), plus 1, so that no grade has frequency 0."""
    return torch.bincount(grades, minlength=NUM_GRADES) + 1.0


def set_bias(output: nn.Module, bias: Tensor) -> None:
    """Set the bias (num_outputs,) of a linear layer."""
    with torch.no_grad():
        output.get_parameter("bias").copy_(bias)


def widen(logits: Tensor) -> Tensor:
    """Convert logits to at least float32, because exponents and logarithms in half precision are too inaccurate."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


@lru_cache
def on_device(table: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Copy a table of constants to a device; the copy is cached."""
    with torch.inference_mode(False):  # so that the copy can be used with and without gradients
        return table.to(device, dtype)


def log1mexp(distance: Tensor) -> Tensor:
    """Compute log(1 - exp(-d)) for distances d > 0."""
    return torch.log(-torch.expm1(-distance))


def as_tensor(logits: FloatArray) -> Tensor:
    """Copy logits to a float64 tensor."""
    return torch.tensor(logits, dtype=torch.float64)
