"""One batch examined: the evidence of every grader that is asked, and the proof of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def prove(inquiries: Sequence[Inquiry], found: Sequence[Evidence], explain: Explainer, seed: int) -> Proof:
    """Put a method to the proof, each grader with its own evidence; figures are means over graders.

    Args:
        inquiries: The same photographs and question, a grader each.
        found: What the method finds in each.
        explain: The method.
        seed: Of the noise and of the networks that have learned nothing.
    """
    proofs = [_prove_one(inquiry, own, explain, seed) for inquiry, own in zip(inquiries, found, strict=True)]
    return Proof(
        _mean([proof.own for proof in proofs]),
        _mean([proof.noise for proof in proofs]),
        np.mean([proof.after_randomising for proof in proofs], axis=0),
    )


def _prove_one(inquiry: Inquiry, evidence: Evidence, explain: Explainer, seed: int) -> Proof:
    side = inquiry.images.shape[-1]
    drawn = evidence.enlarged(side)
    noise = random_evidence(evidence, torch.Generator().manual_seed(seed)).enlarged(side)
    blank = randomise(inquiry.grader, inquiry.images, inquiry.places, seed)
    untaught = explain(inquiry.with_grader(blank)).enlarged(side)
    alike = rank_correlation(drawn.signed, untaught.signed, inquiry.discs)
    return Proof(measure_faithfulness(inquiry, drawn), measure_faithfulness(inquiry, noise), _by_unit(alike, inquiry))


def _by_unit(values: Figures, inquiry: Inquiry) -> Figures:
    """(P,) to the mean of each unit (B,)."""
    unit = inquiry.places.unit.cpu().numpy()
    return np.bincount(unit, values) / np.bincount(unit)


def _mean(found: Sequence[Faithfulness]) -> Faithfulness:
    return Faithfulness(
        *(np.mean([getattr(item, name) for item in found], axis=0)
          for name in ("deletion", "insertion", "drop", "increase"))
    )  # fmt: skip
