"""Evidence for and against an answer, photograph by photograph, on the network's map and on the photograph."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.explaining.blurring import blur

FINEST = 1 / 40  # of a side: a map that is finer is smoothed to this before it is drawn or ranked


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against an answer; never negative.

    Args:
        speaking_for: (P, h, w).
        against: (P, h, w).
    """

    speaking_for: Tensor
    against: Tensor

    @classmethod
    def of_signed(cls, signed: Tensor) -> "Evidence":
        """Positive and negative part of (P, h, w)."""
        return cls(signed.clamp(min=0), (-signed).clamp(min=0))

    @property
    def signed(self) -> Tensor:
        """(P, h, w): for less against."""
        return self.speaking_for - self.against

    def enlarged(self, side: int) -> "Evidence":
        """Drawn over images of `side` pixels: coarse maps are interpolated, pixelwise ones smoothed first."""
        if self.signed.shape[-1] * FINEST > 1:
            smooth = blur(self.signed, self.signed.shape[-1] * FINEST)
            return Evidence.of_signed(_resized(smooth, side))
        both = (_resized(part, side).clamp(min=0) for part in (self.speaking_for, self.against))  # cubics overshoot
        return Evidence(*both)


def mean_evidence(found: list[Evidence]) -> Evidence:
    """The mean of several networks' evidence on the same photographs."""
    if len(found) == 1:
        return found[0]
    return Evidence(
        torch.stack([item.speaking_for for item in found]).mean(0),
        torch.stack([item.against for item in found]).mean(0),
    )


def unit_scale(evidence: Evidence, places: UnitIndex) -> Tensor:
    """The strongest evidence, for or against, in each photograph's unit: (P,), 1 where there is none at all.

    Dividing by it puts all photographs of a unit, and for and against, on one scale from 0 to 1.
    """
    strongest = torch.maximum(evidence.speaking_for, evidence.against).amax((1, 2))  # (P,)
    of_unit = strongest.new_zeros(places.num_units).scatter_reduce(0, places.unit, strongest, "amax")
    scale = of_unit[places.unit]
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def unit_shares(evidence: Evidence, places: UnitIndex) -> Tensor:
    """Each photograph's share (P,) of all evidence, for and against, in its unit; equal shares where there is none."""
    mass = (evidence.speaking_for + evidence.against).sum((1, 2))
    sums = mass.new_zeros(places.num_units).index_add(0, places.unit, mass)[places.unit]
    counts = mass.new_zeros(places.num_units).index_add(0, places.unit, torch.ones_like(mass))[places.unit]
    return torch.where(sums > 0, mass / sums.clamp(min=torch.finfo(mass.dtype).tiny), 1 / counts)


def share_inside(weights: Tensor, masks: Tensor) -> Tensor:
    """Share (P,) of the weights (P, S, S) that lies inside the masks (P, S, S) bool; NaN where there is no weight."""
    inside = (weights * masks).sum((1, 2))
    return inside / weights.sum((1, 2))


def random_evidence(like: Evidence, generator: torch.Generator) -> Evidence:
    """Noise of the same grain, to compare evidence with: (P, h, w) on the device of `like`."""
    noise = torch.randn(like.signed.shape, generator=generator)
    return Evidence.of_signed(noise.to(like.signed.device))


def _resized(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps[:, None], (side, side), mode="bicubic", align_corners=False)[:, 0]
