"""Grades as five classes."""

import torch
from torch import Tensor, nn

from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.losses.base import Loss, count_grades, on_device, set_bias, widen

GRADES = torch.arange(NUM_GRADES)
SQUARES = (GRADES[:, None] - GRADES).square()  # (5, 5)


class CrossEntropy(Loss):
    """The course's loss, that may be told how far apart the grades are.

    The loss of a unit of grade y is -sum_k t_k log p_k + cost * sum_k p_k (k - y)^2 / 16, where the target t_k is
    proportional to exp(-(k - y)^2 / (2 smoothing^2)).

    Args:
        smoothing: Standard deviation of the target about the grade, in grades; 0 puts all of it on the grade.
        cost: Weight of the expected quadratic disagreement, which is 1 where grade 0 is surely taken for grade 4.

    Source: soft targets: Diaz and Marathe, Soft Labels for Ordinal Regression, CVPR 2019, eq. 1, with the squared
    distance; cost: Galdran et al., Cost-Sensitive Regularization for Diabetic Retinopathy Grading from Eye Fundus
    Images, MICCAI 2020, which adds it to Gaussian soft targets, too, and leaves out the division by 16.
    """

    num_outputs = NUM_GRADES
    decision = "argmax"

    def __init__(self, smoothing: float = 0.0, cost: float = 0.0) -> None:
        self.cost = cost
        self.targets = soft_targets(smoothing)

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Cross-entropy with the soft target, and the cost of the disagreement that the probabilities expect."""
        logarithms = widen(logits).log_softmax(1)  # (B, 5)
        targets = on_device(self.targets, logarithms.device, logarithms.dtype)
        loss = -(targets[grades] * logarithms).sum(1)
        if not self.cost:
            return loss
        squares = on_device(SQUARES, logarithms.device, logarithms.dtype)[grades] / MAX_GRADE**2
        return loss + self.cost * (logarithms.exp() * squares).sum(1)

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Start from the mean target: the grades' frequencies, softened."""
        counts = count_grades(grades)
        set_bias(output, (counts / counts.sum() @ self.targets.to(counts)).log())

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Log-softmax."""
        return logits.log_softmax(1)


def soft_targets(smoothing: float) -> Tensor:
    """What the probabilities are to be for each grade: float64 (5, 5), a row a grade, rows summing to 1."""
    if not smoothing:
        return torch.eye(NUM_GRADES, dtype=torch.float64)
    return (-SQUARES.double() / (2 * smoothing**2)).softmax(1)
