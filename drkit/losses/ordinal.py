"""Grades as steps that are reached one after the other."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.grades import MAX_GRADE
from drkit.losses.base import Loss, count_grades, log1mexp, on_device, set_bias, widen

STEPS = torch.arange(MAX_GRADE)  # step k leads from grade k to k + 1
MIN_GAP = 1e-6  # of neighbouring thresholds: a grade between equal ones would have no probability at all


class Corn(Loss):
    """Conditional steps: logit k says whether the grade is above k, given that it is k or above.

    A unit of grade y takes part in the steps k <= y, and its loss is the sum over them of the binary cross-entropy.
    By the chain rule that is -log p_y, so the mean over a batch is the mean log loss. The paper divides the batch's
    sum by the number of steps taken part in instead of the number of units: the same but for a factor that changes
    from batch to batch, which a unit's own loss cannot carry and a step of Adam does not notice.

    Source: Shi, Cao and Raschka, Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
    Probabilities, Pattern Analysis and Applications 26, 2023 (arXiv 2111.08851, 2021), eqs. 4 to 7.
    """

    num_outputs = MAX_GRADE
    decision = "median"

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Binary cross-entropies of the steps that a unit takes part in, summed."""
        wide, steps = widen(logits), on_device(STEPS, grades.device, STEPS.dtype)
        reached = (grades[:, None] > steps).to(wide)  # (B, 4)
        takes_part = grades[:, None] >= steps
        terms = F.binary_cross_entropy_with_logits(wide, reached, reduction="none")
        return torch.where(takes_part, terms, 0.0).sum(1)

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Start from how many go on at each step."""
        counts = count_grades(grades)
        at_least = counts.flip(0).cumsum(0).flip(0)  # (5,)
        set_bias(output, (at_least[1:] / counts[:-1]).log())

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """The product of the steps' probabilities up to the grade, and of not going on from there."""
        reached = F.pad(F.logsigmoid(logits).cumsum(1), (1, 0))  # (N, 5): at least grade k
        return reached + F.pad(F.logsigmoid(-logits), (0, 1))


class CumulativeLink(Loss):
    """One severity and four rising thresholds that are learned: logit k is the severity less threshold k.

    The chance of a grade above k is the logistic function of logit k: proportional odds.

    Source: McCullagh, Regression Models for Ordinal Data, Journal of the Royal Statistical Society B 42(2), 1980,
    section 2.
    """

    num_outputs = MAX_GRADE
    decision = "median"

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """-log p_y, with p_y = s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)) for the logits a, b of steps y - 1, y.

        The product keeps its digits where both logistic functions are near 0 or 1.
        """
        wide = widen(logits)
        rows, edge = torch.arange(len(grades), device=grades.device), torch.zeros_like(grades)
        upper = wide[rows, torch.maximum(grades - 1, edge)]  # a; none for grade 0
        lower = wide[rows, torch.minimum(grades, edge + MAX_GRADE - 1)]  # b; none for grade 4
        has_upper, has_lower = grades > 0, grades < MAX_GRADE
        gap = torch.where(has_upper & has_lower, upper - lower, 1.0).clamp(min=MIN_GAP)
        terms = torch.where(has_upper, F.softplus(-upper), 0.0) + torch.where(has_lower, F.softplus(lower), 0.0)
        return terms - torch.where(has_upper & has_lower, log1mexp(gap), 0.0)

    def build_output(self, num_features: int) -> nn.Module:
        """One linear severity, and the thresholds."""
        return SeverityAndThresholds(num_features)

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Start with thresholds that give an eye of severity 0 the frequencies of the grades."""
        counts = count_grades(grades)
        above = counts.flip(0).cumsum(0).flip(0)[1:]  # (4,)
        thresholds = ((counts.sum() - above) / above).log()
        with torch.no_grad():
            output.get_parameter("first").copy_(thresholds[:1])
            output.get_parameter("gaps").copy_(thresholds.diff().expm1().log())  # the inverse of softplus

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Differences of the logistic functions; logits that rise, which the layer never gives, are held level."""
        falling = logits.cummin(1).values
        above, below = falling[:, :-1], falling[:, 1:]
        between = F.logsigmoid(above) + F.logsigmoid(-below) + log1mexp((above - below).clamp(min=MIN_GAP))
        first, last = F.logsigmoid(-falling[:, :1]), F.logsigmoid(falling[:, -1:])
        return torch.cat([first, between, last], 1).log_softmax(1)  # the least gap is more than the difference


class SeverityAndThresholds(nn.Module):
    """A linear severity less four thresholds, each above the one before by the softplus of a free number.

    Args:
        num_features: F.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.severity = nn.Linear(num_features, 1, bias=False)  # the thresholds are its bias
        self.first = nn.Parameter(torch.tensor([-1.5]))
        self.gaps = nn.Parameter(torch.zeros(MAX_GRADE - 1))

    def thresholds(self) -> Tensor:
        """(4,) rising."""
        return torch.cat([self.first, self.first + F.softplus(self.gaps).cumsum(0)])

    def forward(self, activations: Tensor) -> Tensor:
        """(B, F) to falling logits (B, 4)."""
        return self.severity(activations) - self.thresholds()
