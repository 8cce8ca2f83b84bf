"""What is minimised, and how the logits that come of it are read."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.decisions import expected_grade, normal_probabilities
from drkit.grades import MAX_GRADE, NUM_GRADES

FloatArray = NDArray[np.floating]


class Loss(Protocol):
    """A loss with the reading of its logits."""

    num_outputs: int  # logits a unit
    decision: str  # how `drkit.decisions.decide` makes a grade of the answer
    needs_sigma: bool  # whether `probabilities` needs the residual on held-out photographs

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Logits (B, num_outputs) and grades (B,) int64 to the mean loss, a scalar."""

    def start(self, head: nn.Linear, grades: Tensor) -> None:
        """Set the head's bias to what is known before the first step."""

    def score(self, logits: FloatArray) -> FloatArray:
        """Logits (N, num_outputs) to the continuous answer (N,) in [0, 4]."""

    def probabilities(self, logits: FloatArray, sigma: float) -> FloatArray:
        """Logits (N, num_outputs) to probabilities (N, 5) of the grades."""


class CrossEntropy:
    """Grades as five classes; the grade is the likeliest, the score the expected one."""

    num_outputs = NUM_GRADES
    decision = "argmax"
    needs_sigma = False

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Mean cross-entropy."""
        return F.cross_entropy(logits, grades)

    def start(self, head: nn.Linear, grades: Tensor) -> None:
        """Start from the grades' frequencies."""
        counts = torch.bincount(grades, minlength=NUM_GRADES) + 1.0
        _set_bias(head, (counts / counts.sum()).log())

    def score(self, logits: FloatArray) -> FloatArray:
        """The expected grade."""
        return expected_grade(self.probabilities(logits, 0.0))

    def probabilities(self, logits: FloatArray, sigma: float) -> FloatArray:
        """Softmax; sigma plays no part."""
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponents / exponents.sum(axis=1, keepdims=True)


class Regression:
    """The grade as a number, with smooth L1 (quadratic within one grade, linear beyond)."""

    num_outputs = 1
    decision = "rounding"
    needs_sigma = True

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Mean smooth L1 loss."""
        return F.smooth_l1_loss(logits.squeeze(1), grades.to(logits.dtype))

    def start(self, head: nn.Linear, grades: Tensor) -> None:
        """Start from the mean grade."""
        _set_bias(head, grades.float().mean()[None])

    def score(self, logits: FloatArray) -> FloatArray:
        """The output, clipped to the scale."""
        return np.clip(logits[:, 0], 0, MAX_GRADE)

    def probabilities(self, logits: FloatArray, sigma: float) -> FloatArray:
        """The mass of a normal about the score, `sigma` wide."""
        return normal_probabilities(self.score(logits), sigma)


def residual(loss: Loss, logits: FloatArray, grades: NDArray[np.int64]) -> float:
    """Root mean square distance of the score from the grade on held-out photographs, in grades.

    Returns:
        0 for a loss whose probabilities do not need it.
    """
    if not loss.needs_sigma:
        return 0.0
    return float(np.sqrt(np.mean((loss.score(logits.astype(np.float64)) - grades) ** 2)))


def _set_bias(head: nn.Linear, bias: Tensor) -> None:
    with torch.no_grad():
        head.bias.copy_(bias)
