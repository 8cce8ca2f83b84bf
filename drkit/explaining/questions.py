"""What is asked of the logits: a number that speaks for a grade, or for a worse one, with its gradient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.decisions import MIN_SIGMA
from drkit.errors import UsageError, did_you_mean
from drkit.grades import MAX_GRADE, NUM_GRADES

TINY = 1e-6  # the least distance of two neighbouring thresholds, in logits


@dataclass(frozen=True)
class Reading:
    """How logits are read, with gradient: the same as the loss's own reading.

    Args:
        loss: The loss's name, with or without parameters, as a checkpoint holds it.
        sigma: Residual of a regression, in grades; no part otherwise.
    """

    loss: str
    sigma: float

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Logits (B, num_outputs) to log-probabilities (B, 5) of the grades.

        Raises:
            UsageError: no such loss is known here.
        """
        name = self.loss.partition(":")[0]
        if name not in LOG_PROBABILITIES:
            raise UsageError(f"runs of loss '{name}' cannot be explained: {did_you_mean(name, LOG_PROBABILITIES)}")
        return LOG_PROBABILITIES[name](logits, self.sigma)

    def score(self, logits: Tensor) -> Tensor:
        """Logits (B, num_outputs) to the score (B,); a regression's is not clipped, lest the gradient vanish."""
        if logits.shape[1] == 1:
            return logits[:, 0]
        grades = torch.arange(NUM_GRADES, dtype=logits.dtype, device=logits.device)
        return self.log_probabilities(logits).exp() @ grades


@dataclass(frozen=True)
class ScoreQuestion:
    """How bad is it? Evidence for: for a worse grade; against: for a milder one."""

    reading: Reading

    def ask(self, logits: Tensor) -> Tensor:
        """The score (B,)."""
        return self.reading.score(logits)

    def value(self, logits: Tensor) -> Tensor:
        """The score as a share of the scale, (B,) in [0, 1]."""
        return self.reading.score(logits).clamp(0, MAX_GRADE) / MAX_GRADE

    def of(self, units: Tensor) -> "ScoreQuestion":
        """The same question for the units (V,) of a batch."""
        return self


@dataclass(frozen=True)
class GradeQuestion:
    """Why this grade, and no other? Asked of the log-odds, which do not flatten where the network is sure.

    Args:
        reading: Of the logits.
        grades: (B,) int64, the grade asked about in each unit.
    """

    reading: Reading
    grades: Tensor

    def ask(self, logits: Tensor) -> Tensor:
        """The grade's log-odds (B,): log p / (1 - p)."""
        shares = self.reading.log_probabilities(logits)
        chosen = F.one_hot(self.grades.to(logits.device), NUM_GRADES).bool()
        others = shares.masked_fill(chosen, -torch.inf).logsumexp(1)
        return shares[chosen] - others

    def value(self, logits: Tensor) -> Tensor:
        """The grade's probability (B,)."""
        shares = self.reading.log_probabilities(logits).exp()
        return shares.gather(1, self.grades.to(logits.device)[:, None])[:, 0]

    def of(self, units: Tensor) -> "GradeQuestion":
        """The same question for the units (V,) of a batch."""
        return GradeQuestion(self.reading, self.grades[units])


@dataclass(frozen=True)
class ContrastQuestion:
    """Why this grade rather than that one?

    Args:
        reading: Of the logits.
        grades: (B,) int64, what the evidence for speaks for.
        rivals: (B,) int64, what the evidence against speaks for.
    """

    reading: Reading
    grades: Tensor
    rivals: Tensor

    def ask(self, logits: Tensor) -> Tensor:
        """The log-odds (B,) of the two grades: log p - log q."""
        shares = self.reading.log_probabilities(logits)
        chosen = torch.stack([self.grades, self.rivals], 1).to(logits.device)
        mine, theirs = shares.gather(1, chosen).unbind(1)
        return mine - theirs

    def value(self, logits: Tensor) -> Tensor:
        """The probability (B,) of the grade where only the two are possible."""
        return self.ask(logits).sigmoid()

    def of(self, units: Tensor) -> "ContrastQuestion":
        """The same question for the units (V,) of a batch."""
        return ContrastQuestion(self.reading, self.grades[units], self.rivals[units])


Question = ScoreQuestion | GradeQuestion | ContrastQuestion


def _softmax(logits: Tensor, sigma: float) -> Tensor:
    return logits.log_softmax(1)


def _normal(logits: Tensor, sigma: float) -> Tensor:
    """Mass of a normal about the score between k - 0.5 and k + 0.5, the ends open; stable in both tails."""
    edges = torch.arange(MAX_GRADE, dtype=logits.dtype, device=logits.device) + 0.5
    deviations = (edges - logits[:, :1]) / max(sigma, MIN_SIGMA)  # (B, 4)
    low, high = deviations[:, :-1], deviations[:, 1:]
    flipped = low > 0  # the same mass in the other tail, where it is not lost in rounding
    near, far = torch.where(flipped, -low, high), torch.where(flipped, -high, low)
    middle = torch.special.log_ndtr(near) + _log1mexp(torch.special.log_ndtr(near) - torch.special.log_ndtr(far))
    first, last = torch.special.log_ndtr(deviations[:, :1]), torch.special.log_ndtr(-deviations[:, -1:])
    return torch.cat([first, middle, last], 1)


def _conditionals(logits: Tensor, sigma: float) -> Tensor:
    """Each logit: being worse than grade k once it is at least k."""
    worse, not_worse = F.logsigmoid(logits), F.logsigmoid(-logits)
    reached = F.pad(worse.cumsum(1), (1, 0))  # (B, 5): at least grade k
    return reached + F.pad(not_worse, (0, 1))


def _thresholds(logits: Tensor, sigma: float) -> Tensor:
    """Each logit: being worse than grade k; they fall from left to right."""
    above, below = logits[:, :-1], logits[:, 1:]
    middle = F.logsigmoid(above) + F.logsigmoid(-below) + _log1mexp((above - below).clamp(min=TINY))
    return torch.cat([F.logsigmoid(-logits[:, :1]), middle, F.logsigmoid(logits[:, -1:])], 1)


def _log1mexp(distance: Tensor) -> Tensor:
    """log(1 - exp(-d)) for d > 0."""
    return torch.log(-torch.expm1(-distance))


# Loss in the catalogue -> its probabilities, as logarithms and with gradient.
LOG_PROBABILITIES: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "cross-entropy": _softmax,
    "regression": _normal,
    "mse": _normal,
    "corn": _conditionals,
    "cumulative-link": _thresholds,
}
