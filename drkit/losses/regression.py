"""The grade as a number."""

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.decisions import normal_probabilities
from drkit.grades import MAX_GRADE
from drkit.losses.base import FloatArray, Loss, set_bias, widen


class Regression(Loss):
    """Smooth L1: half the squared distance within one grade, linear beyond, so that odd grades pull less."""

    num_outputs = 1
    decision = "rounding"
    needs_sigma = True

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Smooth L1 loss of the one output."""
        scores = widen(logits).squeeze(1)
        return F.smooth_l1_loss(scores, grades.to(scores), reduction="none")

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Start from the mean grade."""
        set_bias(output, grades.float().mean()[None])

    def score(self, logits: FloatArray) -> FloatArray:
        """The output, clipped to the scale."""
        return np.clip(logits[:, 0], 0, MAX_GRADE)

    def probabilities(self, logits: FloatArray, sigma: float) -> FloatArray:
        """The mass of a normal about the score, `sigma` wide."""
        return normal_probabilities(self.score(logits), sigma)


class MeanSquaredError(Regression):
    """The squared distance: what quadratic kappa punishes."""

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Squared distance of the one output."""
        scores = widen(logits).squeeze(1)
        return F.mse_loss(scores, grades.to(scores), reduction="none")
