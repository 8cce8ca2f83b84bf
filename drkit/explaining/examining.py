"""One batch examined: the evidence of every grader that is asked, and the proof of it."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from drkit.explaining.evidence import Evidence, random_evidence
from drkit.explaining.faithfulness import Faithfulness, measure_faithfulness
from drkit.explaining.inquiry import Inquiry
from drkit.explaining.randomising import randomise, rank_correlation

Explainer = Callable[[Inquiry], Evidence]
Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Proof:
    """What a method's evidence is worth, unit by unit.

    Args:
        own: With the method's evidence.
        noise: With noise of the same grain in its place.
        after_randomising: (B,) rank correlation with the evidence of a network that has learned nothing.
    """

    own: Faithfulness
    noise: Faithfulness
    after_randomising: Figures


@dataclass
class Prover:
    """Puts methods to the proof. Noise is measured once a batch and grain, for all methods that are asked the same.

    Args:
        seed: Of the noise and of the networks that have learned nothing.
    """

    seed: int
    _noise: dict[Hashable, Faithfulness] = field(default_factory=dict)

    def prove(
        self, inquiries: Sequence[Inquiry], found: Sequence[Evidence], explain: Explainer, batch: Hashable
    ) -> Proof:
        """Put one method to the proof, each grader with its own evidence; figures are means over graders.

        Args:
            inquiries: The same photographs and question, a grader each.
            found: What the method finds in each.
            explain: The method.
            batch: Tells these photographs from others.
        """
        both = list(zip(inquiries, found, strict=True))
        return Proof(
            _mean([measure_faithfulness(inquiry, evidence.enlarged(inquiry.side)) for inquiry, evidence in both]),
            _mean([self._measure_noise(*one, (batch, number)) for number, one in enumerate(both)]),
            np.mean([_compare_untaught(*one, explain, self.seed) for one in both], axis=0),
        )

    def _measure_noise(self, inquiry: Inquiry, evidence: Evidence, asked: Hashable) -> Faithfulness:
        key = asked, evidence.signed.shape
        if key not in self._noise:
            noise = random_evidence(evidence, torch.Generator().manual_seed(self.seed))
            self._noise[key] = measure_faithfulness(inquiry, noise.enlarged(inquiry.side))
        return self._noise[key]


def _compare_untaught(inquiry: Inquiry, evidence: Evidence, explain: Explainer, seed: int) -> Figures:
    """(B,) rank correlation with what the method finds in a network that has learned nothing."""
    blank = randomise(inquiry.grader, inquiry.images, inquiry.places, seed)
    untaught = explain(inquiry.with_grader(blank)).enlarged(inquiry.side)
    return _by_unit(rank_correlation(evidence.enlarged(inquiry.side).signed, untaught.signed, inquiry.discs), inquiry)


def _by_unit(values: Figures, inquiry: Inquiry) -> Figures:
    """(P,) to the mean of each unit (B,)."""
    unit = inquiry.places.unit.cpu().numpy()
    return np.bincount(unit, values) / np.bincount(unit)


def _mean(found: Sequence[Faithfulness]) -> Faithfulness:
    return Faithfulness(
        *(np.mean([getattr(item, name) for item in found], axis=0)
          for name in ("deletion", "insertion", "drop", "increase"))
    )  # fmt: skip
