"""Losses for the grade as a number."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.special import log_ndtr

from drkit.decisions import MIN_SIGMA
from drkit.grades import MAX_GRADE
from drkit.losses.base import Loss, log1mexp, set_bias, widen
from drkit.machine import on_cpu_if_mps

_log_ndtr = partial(on_cpu_if_mps, log_ndtr)


class Regression(Loss):
    """Smooth L1: half the squared error up to one grade, and linear beyond, so that outliers have less influence."""

    num_outputs = 1
    decision = "rounding"
    needs_sigma = True

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Compute the smooth L1 loss."""
        scores = widen(logits).squeeze(1)
        return F.smooth_l1_loss(scores, grades.to(scores), reduction="none")

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Set the bias to the mean grade."""
        set_bias(output, grades.float().mean()[None])

    def expected_grade(self, logits: Tensor) -> Tensor:
        """Return the output, which may lie outside [0, 4]."""
        return logits[:, 0]

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Integrate a normal density around the score from k - 0.5 to k + 0.5, with open ends, as in `drkit.decisions`.

        The score is clipped to [0, 4], but its gradient is that of the unclipped score and therefore does not vanish.
        """
        output = logits[:, :1]
        score = output.detach().clamp(0, MAX_GRADE) + (output - output.detach())
        edges = torch.arange(MAX_GRADE, dtype=logits.dtype, device=logits.device) + 0.5
        deviations = (edges - score) / max(sigma, MIN_SIGMA)  # (N, 4)
        low, high = deviations[:, :-1], deviations[:, 1:]
        is_upper = low > 0  # the equal integral in the lower tail is not lost to rounding
        near, far = (_log_ndtr(torch.where(is_upper, *pair)) for pair in ((-low, high), (-high, low)))
        return torch.cat([_log_ndtr(deviations[:, :1]), near + log1mexp(near - far), _log_ndtr(-deviations[:, -1:])], 1)


class MeanSquaredError(Regression):
    """The squared error, which quadratic kappa penalises."""

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Compute the squared error."""
        scores = widen(logits).squeeze(1)
        return F.mse_loss(scores, grades.to(scores), reduction="none")
