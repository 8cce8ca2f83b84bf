"""Losses for ordered grades."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.grades import MAX_GRADE
from drkit.losses.base import Loss, count_grades, log1mexp, on_device, set_bias, widen

STEPS = torch.arange(MAX_GRADE)  # step k leads from grade k to k + 1
MIN_GAP = 1e-6  # between neighbouring thresholds; a grade between equal thresholds would have probability 0


class Corn(Loss):
    """Conditional ordinal regression: logit k predicts whether the grade is above k, given that it is at least k.

    The loss of a unit of grade y is the sum of the binary cross-entropies of the steps k <= y. By the chain rule, this
    is -log p_y, so the mean over a batch is the mean log loss. The paper divides the sum over a batch by the number of
    its steps instead of its units. The difference is a factor that varies from batch to batch: the loss of a single
    unit cannot include it, and it hardly affects a step of Adam.

    Source: Shi, Cao and Raschka, Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
    Probabilities, Pattern Analysis and Applications 26, 2023 (arXiv 2111.08851, 2021), eqs. 4 to 7.
    """

    num_outputs = MAX_GRADE
    decision = "median"

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Sum the binary cross-entropies of the steps up to the grade."""
        wide, steps = widen(logits), on_device(STEPS, grades.device, STEPS.dtype)
        is_above = (grades[:, None] > steps).to(wide)  # (B, 4)
        is_conditioned = grades[:, None] >= steps
        terms = F.binary_cross_entropy_with_logits(wide, is_above, reduction="none")
        return torch.where(is_conditioned, terms, 0.0).sum(1)

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Set the bias to the log-odds of a grade above k among those of at least k."""
        counts = count_grades(grades)
        at_least = counts.flip(0).cumsum(0).flip(0)  # (5,)
        set_bias(output, (at_least[1:] / counts[:-1]).log())

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Multiply the probabilities of the steps up to the grade and of not reaching the next grade."""
        at_least = F.pad(F.logsigmoid(logits).cumsum(1), (1, 0))  # (N, 5)
        return at_least + F.pad(F.logsigmoid(-logits), (0, 1))


class CumulativeLink(Loss):
    """Proportional odds: one severity and four learned, rising thresholds; logit k is the severity less threshold k.

    The probability of a grade above k is the logistic function of logit k.

    Source: McCullagh, Regression Models for Ordinal Data, Journal of the Royal Statistical Society B 42(2), 1980,
    section 2.
    """

    num_outputs = MAX_GRADE
    decision = "median"

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Compute -log p_y.

        With the logistic function s and the logits a and b of steps y - 1 and y, p_y = s(a) - s(b) =
        s(a) s(-b) (1 - exp(b - a)). The product is accurate even if both logistic functions are near 0 or 1.
        """
        wide = widen(logits)
        rows, edge = torch.arange(len(grades), device=grades.device), torch.zeros_like(grades)
        upper = wide[rows, torch.maximum(grades - 1, edge)]  # a; not used for grade 0
        lower = wide[rows, torch.minimum(grades, edge + MAX_GRADE - 1)]  # b; not used for grade 4
        has_upper, has_lower = grades > 0, grades < MAX_GRADE
        gap = torch.where(has_upper & has_lower, upper - lower, 1.0).clamp(min=MIN_GAP)
        terms = torch.where(has_upper, F.softplus(-upper), 0.0) + torch.where(has_lower, F.softplus(lower), 0.0)
        return terms - torch.where(has_upper & has_lower, log1mexp(gap), 0.0)

    def build_output(self, num_features: int) -> nn.Module:
        """Build the layer of severity and thresholds."""
        return SeverityAndThresholds(num_features)

    def start(self, output: nn.Module, grades: Tensor) -> None:
        """Set thresholds that give severity 0 the frequencies of the grades."""
        counts = count_grades(grades)
        above = counts.flip(0).cumsum(0).flip(0)[1:]  # (4,)
        thresholds = ((counts.sum() - above) / above).log()
        with torch.no_grad():
            output.get_parameter("first").copy_(thresholds[:1])
            output.get_parameter("gaps").copy_(thresholds.diff().expm1().log())  # the inverse of softplus

    def log_probabilities(self, logits: Tensor, sigma: float) -> Tensor:
        """Take differences of the logistic functions; logits are made to fall, as those of the layer always do."""
        falling = logits.cummin(1).values
        above, below = falling[:, :-1], falling[:, 1:]
        between = F.logsigmoid(above) + F.logsigmoid(-below) + log1mexp((above - below).clamp(min=MIN_GAP))
        first, last = F.logsigmoid(-falling[:, :1]), F.logsigmoid(falling[:, -1:])
        return torch.cat([first, between, last], 1).log_softmax(1)  # normalises, because MIN_GAP adds probability


class SeverityAndThresholds(nn.Module):
    """A linear severity less four thresholds, whose gaps are softplus functions of free parameters.

    Args:
        num_features: Number of activations F.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.severity = nn.Linear(num_features, 1, bias=False)  # the thresholds are its bias
        self.first = nn.Parameter(torch.tensor([-1.5]))
        self.gaps = nn.Parameter(torch.zeros(MAX_GRADE - 1))

    def thresholds(self) -> Tensor:
        """Compute the rising thresholds (4,)."""
        return torch.cat([self.first, self.first + F.softplus(self.gaps).cumsum(0)])

    def forward(self, activations: Tensor) -> Tensor:
        """Compute falling logits (B, 4) of activations (B, F)."""
        return self.severity(activations) - self.thresholds()
