"""Targets of an attribution: the score, a grade's log-odds, or one grade against another, as functions of logits."""

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
        loss: Reads the logits.
        sigma: Residual of a regression, in grades; no part otherwise.
    """

    loss: Loss
    sigma: float

    def __call__(self, logits: Tensor) -> Tensor:
        """The score (B,); a regression's is not clipped, lest the gradient vanish."""
        return self.loss.expected_grade(logits)

    def normalised(self, logits: Tensor) -> Tensor:
        """The score as a share of the scale, (B,) in [0, 1]."""
        return self(logits).clamp(0, MAX_GRADE) / MAX_GRADE

    def of(self, units: Tensor) -> "ScoreTarget":
        """The same target for the units (V,) of a batch."""
        return self


@dataclass(frozen=True)
class GradeTarget:
    """The log-odds of a grade, which do not flatten where the network is sure.

    Args:
        loss: Reads the logits.
        sigma: Residual of a regression, in grades; no part otherwise.
        grades: (B,) int64, a grade for each unit.
    """

    loss: Loss
    sigma: float
    grades: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        """The grade's log-odds (B,): log p / (1 - p)."""
        shares = self.loss.log_probabilities(logits, self.sigma)
        chosen = F.one_hot(self.grades.to(logits.device), NUM_GRADES).bool()
        others = shares.masked_fill(chosen, -torch.inf).logsumexp(1)
        return shares[chosen] - others

    def normalised(self, logits: Tensor) -> Tensor:
        """The grade's probability (B,)."""
        shares = self.loss.log_probabilities(logits, self.sigma).exp()
        return shares.gather(1, self.grades.to(logits.device)[:, None])[:, 0]

    def of(self, units: Tensor) -> "GradeTarget":
        """The same target for the units (V,) of a batch."""
        return replace(self, grades=self.grades[units])


@dataclass(frozen=True)
class ContrastTarget:
    """The log-odds of one grade against another.

    Args:
        loss: Reads the logits.
        sigma: Residual of a regression, in grades; no part otherwise.
        grades: (B,) int64, what positive attribution speaks for.
        rivals: (B,) int64, what negative attribution speaks for.
    """

    loss: Loss
    sigma: float
    grades: Tensor
    rivals: Tensor

    def __call__(self, logits: Tensor) -> Tensor:
        """The log-odds (B,) of the two grades: log p - log q."""
        shares = self.loss.log_probabilities(logits, self.sigma)
        both = torch.stack([self.grades, self.rivals], 1).to(logits.device)
        grade, rival = shares.gather(1, both).unbind(1)
        return grade - rival

    def normalised(self, logits: Tensor) -> Tensor:
        """The probability (B,) of the grade where only the two are possible."""
        return self(logits).sigmoid()

    def of(self, units: Tensor) -> "ContrastTarget":
        """The same target for the units (V,) of a batch."""
        return replace(self, grades=self.grades[units], rivals=self.rivals[units])


AttributionTarget = ScoreTarget | GradeTarget | ContrastTarget
