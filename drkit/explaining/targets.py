"""Targets of an attribution, as functions of logits: the score, or the log-odds of a grade."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.losses import Loss


@dataclass(frozen=True)
class ScoreTarget:
    """The score: positive attribution speaks for a worse grade, negative for a milder one.

    Args:
        loss: The loss that defines the meaning of the logits.
        sigma: Standard deviation of a regression's residuals, in grades; other losses ignore it.
    """

    loss: Loss
    sigma: float

    def __call__(self, logits: Tensor) -> Tensor:
        """The score (B,); that of a regression is not clipped, because clipping would make its gradient 0."""
        return self.loss.expected_grade(logits)

    def normalised(self, logits: Tensor) -> Tensor:
        """The score as a share of the scale, (B,) in [0, 1]."""
        return self(logits).clamp(0, MAX_GRADE) / MAX_GRADE

    def of(self, units: Tensor) -> "ScoreTarget":
        """The target for some units (V,) of the batch."""
        return self


@dataclass(frozen=True)
class GradeTarget:
    """The log-odds of a grade, whose gradient does not vanish when the network is certain.

    Args:
        loss: The loss that defines the meaning of the logits.
        sigma: Standard deviation of a regression's residuals, in grades; other losses ignore it.
        grades: (B,) int64, the grade of each unit's target.
    """

    loss: Loss
    sigma: float
    grades: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        """The grade's log-odds (B,): log p / (1 - p)."""
        log_probabilities = self.loss.log_probabilities(logits, self.sigma)
        chosen = F.one_hot(self.grades.to(logits.device), NUM_GRADES).bool()
        others = log_probabilities.masked_fill(chosen, -torch.inf).logsumexp(1)
        return log_probabilities[chosen] - others

    def normalised(self, logits: Tensor) -> Tensor:
        """The grade's probability (B,)."""
        probabilities = self.loss.log_probabilities(logits, self.sigma).exp()
        return probabilities.gather(1, self.grades.to(logits.device)[:, None])[:, 0]

    def of(self, units: Tensor) -> "GradeTarget":
        """The target for some units (V,) of the batch."""
        return replace(self, grades=self.grades[units])


@dataclass(frozen=True)
class ContrastTarget:
    """The log-odds of one grade against another.

    Args:
        loss: The loss that defines the meaning of the logits.
        sigma: Standard deviation of a regression's residuals, in grades; other losses ignore it.
        grades: (B,) int64, the grades for which positive attribution is evidence.
        rivals: (B,) int64, the grades for which negative attribution is evidence.
    """

    loss: Loss
    sigma: float
    grades: Tensor
    rivals: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        """The log-odds (B,) of the two grades: log p - log q."""
        log_probabilities = self.loss.log_probabilities(logits, self.sigma)
        pairs = torch.stack([self.grades, self.rivals], 1).to(logits.device)
        grade, rival = log_probabilities.gather(1, pairs).unbind(1)
        return grade - rival

    def normalised(self, logits: Tensor) -> Tensor:
        """The probability (B,) of the grade if only the two are possible."""
        return self(logits).sigmoid()

    def of(self, units: Tensor) -> "ContrastTarget":
        """The target for some units (V,) of the batch."""
        return replace(self, grades=self.grades[units], rivals=self.rivals[units])


AttributionTarget = ScoreTarget | GradeTarget | ContrastTarget
