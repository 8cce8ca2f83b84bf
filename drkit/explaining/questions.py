"""What is asked of the logits: a number that speaks for a grade, or for a worse one, with its gradient."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.losses import Loss


@dataclass(frozen=True)
class ScoreQuestion:
    """How bad is it? Evidence for: for a worse grade; against: for a milder one.

    Args:
        loss: Reads the logits.
        sigma: Residual of a regression, in grades; no part otherwise.
    """

    loss: Loss
    sigma: float

    def ask(self, logits: Tensor) -> Tensor:
        """The score (B,); a regression's is not clipped, lest the gradient vanish."""
        return self.loss.expected_grade(logits)

    def value(self, logits: Tensor) -> Tensor:
        """The score as a share of the scale, (B,) in [0, 1]."""
        return self.loss.expected_grade(logits).clamp(0, MAX_GRADE) / MAX_GRADE

    def of(self, units: Tensor) -> "ScoreQuestion":
        """The same question for the units (V,) of a batch."""
        return self


@dataclass(frozen=True)
class GradeQuestion:
    """Why this grade, and no other? Asked of the log-odds, which do not flatten where the network is sure.

    Args:
        loss: Reads the logits.
        sigma: Residual of a regression, in grades; no part otherwise.
        grades: (B,) int64, the grade asked about in each unit.
    """

    loss: Loss
    sigma: float
    grades: Tensor

    def ask(self, logits: Tensor) -> Tensor:
        """The grade's log-odds (B,): log p / (1 - p)."""
        shares = self.loss.log_probabilities(logits, self.sigma)
        chosen = F.one_hot(self.grades.to(logits.device), NUM_GRADES).bool()
        others = shares.masked_fill(chosen, -torch.inf).logsumexp(1)
        return shares[chosen] - others

    def value(self, logits: Tensor) -> Tensor:
        """The grade's probability (B,)."""
        shares = self.loss.log_probabilities(logits, self.sigma).exp()
        return shares.gather(1, self.grades.to(logits.device)[:, None])[:, 0]

    def of(self, units: Tensor) -> "GradeQuestion":
        """The same question for the units (V,) of a batch."""
        return replace(self, grades=self.grades[units])


@dataclass(frozen=True)
class ContrastQuestion:
    """Why this grade rather than that one?

    Args:
        loss: Reads the logits.
        sigma: Residual of a regression, in grades; no part otherwise.
        grades: (B,) int64, what the evidence for speaks for.
        rivals: (B,) int64, what the evidence against speaks for.
    """

    loss: Loss
    sigma: float
    grades: Tensor
    rivals: Tensor

    def ask(self, logits: Tensor) -> Tensor:
        """The log-odds (B,) of the two grades: log p - log q."""
        shares = self.loss.log_probabilities(logits, self.sigma)
        chosen = torch.stack([self.grades, self.rivals], 1).to(logits.device)
        mine, theirs = shares.gather(1, chosen).unbind(1)
        return mine - theirs

    def value(self, logits: Tensor) -> Tensor:
        """The probability (B,) of the grade where only the two are possible."""
        return self.ask(logits).sigmoid()

    def of(self, units: Tensor) -> "ContrastQuestion":
        """The same question for the units (V,) of a batch."""
        return replace(self, grades=self.grades[units], rivals=self.rivals[units])


Question = ScoreQuestion | GradeQuestion | ContrastQuestion
