"""The grade as a number."""

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

    def expected_grade(self, logits: Tensor) -> Tensor:
        """The output, which may be off the scale."""
        return logits[:, 0]

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """The mass of a normal about the score between k - 0.5 and k + 0.5, the ends open, as in `drkit.decisions`.

        The score is clipped to the scale, and passes its gradient on as if it were not, lest the gradient vanish.
        """
        output = logits[:, :1]
        score = output.detach().clamp(0, MAX_GRADE) + (output - output.detach())
        edges = torch.arange(MAX_GRADE, dtype=logits.dtype, device=logits.device) + 0.5
        deviations = (edges - score) / max(sigma, MIN_SIGMA)  # (N, 4)
        low, high = deviations[:, :-1], deviations[:, 1:]
        is_upper = low > 0  # the same mass in the other tail, where it is not lost in rounding
        near, far = (_log_ndtr(torch.where(is_upper, *pair)) for pair in ((-low, high), (-high, low)))
        return torch.cat([_log_ndtr(deviations[:, :1]), near + log1mexp(near - far), _log_ndtr(-deviations[:, -1:])], 1)


class MeanSquaredError(Regression):
    """The squared distance: what quadratic kappa punishes."""

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Squared distance of the one output."""
        scores = widen(logits).squeeze(1)
        return F.mse_loss(scores, grades.to(scores), reduction="none")
