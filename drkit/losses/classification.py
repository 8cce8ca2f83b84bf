"""Losses for grades as five classes."""

import torch
from torch import Tensor, nn

from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.losses.base import Loss, count_grades, on_device, set_bias, widen

GRADES = torch.arange(NUM_GRADES)
SQUARES = (GRADES[:, None] - GRADES).square()  # (5, 5)


class CrossEntropy(Loss):
    """Cross-entropy, which the course uses, optionally with soft targets and a cost for distant grades.

    The loss of a unit of grade y is -sum_k t_k log p_k + cost * sum_k p_k (k - y)^2 / 16, where the target t_k is
    proportional to exp(-(k - y)^2 / (2 smoothing^2)).

    Args:
        smoothing: Standard deviation of the soft target, in grades; 0 gives a one-hot target.
        cost: Weight of the expected quadratic disagreement, which is 1 if grade 0 is predicted as 4 with certainty.

    Source: soft targets: Diaz and Marathe, Soft Labels for Ordinal Regression, CVPR 2019, eq. 1, with the squared
    distance; cost: Galdran et al., Cost-Sensitive Regularization for Diabetic Retinopathy Grading from Eye Fundus
    Images, MICCAI 2020, which also combines it with Gaussian soft targets, and does not divide by 16.
    """

    num_outputs = NUM_GRADES
    decision = "argmax"

    def __init__(self, smoothing: float = 0.0, cost: float = 0.0) -> None:
        self.cost = cost
        self.targets = soft_targets(smoothing)

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Compute the cross-entropy with the soft target, plus the cost of the expected disagreement."""
        log_probabilities = widen(logits).log_softmax(1)  # (B, 5)
        targets = on_device(self.targets, log_probabilities.device, log_probabilities.dtype)
        loss = -(targets[grades] * log_probabilities).sum(1)
        if not self.cost:
            return loss
        squares = on_device(SQUARES, log_probabilities.device, log_probabilities.dtype)[grades] / MAX_GRADE**2
        return loss + self.cost * (log_probabilities.exp() * squares).sum(1)

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Set the bias to the logarithm of the mean target."""
        counts = count_grades(grades)
        set_bias(output, (counts / counts.sum() @ self.targets.to(counts)).log())

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Compute the log-softmax of the logits."""
        return logits.log_softmax(1)


def soft_targets(smoothing: float) -> Tensor:
    """Target probabilities of the grades, float64 (5, 5); row k, which sums to 1, is the target of grade k."""
    if not smoothing:
        return torch.eye(NUM_GRADES, dtype=torch.float64)
    return (-SQUARES.double() / (2 * smoothing**2)).softmax(1)
