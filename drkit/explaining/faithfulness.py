"""Proof: does the answer go when the evidence goes, more than when noise picks what goes?"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drkit.explaining.evidence import Evidence, unit_scale
from drkit.explaining.inquiry import Inquiry

NUM_STEPS = 16  # in which the discs' pixels are taken away or put back

Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Faithfulness:
    """How the answer of each unit moves with its evidence; all figures (B,), of the answer in [0, 1].

    Args:
        deletion: Mean answer while the discs' pixels lose their detail, most telling first: low is good.
        insertion: Mean answer while they get it back, most telling first: high is good.
        drop: How much of the answer, 0 to 1, is lost where only the evidence for it shows: low is good.
        increase: 1 where the answer is higher then, else 0.
    """

    deletion: Figures
    insertion: Figures
    drop: Figures
    increase: Figures


def measure_faithfulness(inquiry: Inquiry, evidence: Evidence) -> Faithfulness:
    """Take away and put back, inside the fundus discs only; what is taken away shows the blurred photograph.

    Args:
        inquiry: B units of P photographs; all photographs of a unit are ranked together.
        evidence: (P, S, S), on the images.

    Source: Petsiuk et al. 2018, BMVC, section 3.3 (deletion, insertion); Chattopadhay et al. 2018, WACV, section
    4.1 (average drop and increase).
    """
    ranks = rank_pixels(evidence.signed, inquiry)
    whole = inquiry.value(inquiry.images)
    shares = torch.arange(1, NUM_STEPS) / NUM_STEPS
    nothing = inquiry.value(_without(inquiry, ranks < 2))
    deleted = [whole, *(inquiry.value(_without(inquiry, ranks < float(share))) for share in shares), nothing]
    inserted = [nothing, *(inquiry.value(_without(inquiry, ranks >= float(share))) for share in shares), whole]
    shown = inquiry.value(_show_evidence(inquiry, evidence))
    lost = (whole - shown).clamp(min=0) / whole.clamp(min=1e-6)
    return Faithfulness(_area(deleted), _area(inserted), _figures(lost), _figures(shown > whole))


def rank_pixels(signed: Tensor, inquiry: Inquiry) -> Tensor:
    """The share (P, S, S) of its unit's disc pixels that tell more than a pixel, in [0, 1); infinite outside.

    Ties are broken by chance, the same each time.
    """
    found, discs = signed.cpu().numpy().astype(np.float64), inquiry.discs.cpu().numpy()
    ranks = np.full(found.shape, np.inf)
    unit = inquiry.places.unit.cpu().numpy()
    for number in range(inquiry.places.num_units):
        members = np.flatnonzero(unit == number)
        inside = np.zeros_like(discs)
        inside[members] = discs[members]
        values = found[inside]
        ties = np.random.default_rng(0).random(len(values))
        order = np.lexsort((ties, -values))
        rank = np.empty(len(values))
        rank[order] = np.arange(len(values)) / max(1, len(values))
        ranks[inside] = rank
    return torch.from_numpy(ranks).to(signed.device, signed.dtype)


def _without(inquiry: Inquiry, gone: Tensor) -> Tensor:
    """Images whose disc pixels `gone` (P, S, S) have lost their detail."""
    return torch.where((gone & inquiry.discs)[:, None], inquiry.baseline, inquiry.images)


def _show_evidence(inquiry: Inquiry, evidence: Evidence) -> Tensor:
    """Images that keep as much detail as there is evidence for the answer; nothing changes outside the disc."""
    weight = evidence.speaking_for / unit_scale(evidence, inquiry.places)[:, None, None]
    weight = torch.where(inquiry.discs, weight, torch.ones_like(weight))[:, None]
    return inquiry.baseline + weight * (inquiry.images - inquiry.baseline)


def _area(values: list[Tensor]) -> Figures:
    """Under the curve of NUM_STEPS + 1 values (B,), by trapezoids."""
    curve = np.stack([_figures(value) for value in values])
    return (curve[1:] + curve[:-1]).mean(0) / 2


def _figures(values: Tensor) -> Figures:
    return values.detach().cpu().numpy().astype(np.float64)
