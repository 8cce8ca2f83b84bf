"""Attribution maps: evidence for and against a target, on the network's map and on the photograph."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.explaining.photographs import blur

FINEST = 1 / 40  # of a side: a map that is finer is smoothed to this before it is drawn or ranked


@dataclass(frozen=True)
class Attribution:
    """Evidence for and against a target, photograph by photograph.

    Args:
        positive: (P, h, w), for; at least 0.
        negative: (P, h, w), against; at least 0.
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def from_signed(cls, signed: Tensor) -> "Attribution":
        """Positive and negative part of (P, h, w)."""
        return cls(signed.clamp(min=0), (-signed).clamp(min=0))

    @property
    def signed(self) -> Tensor:
        """(P, h, w): positive minus negative."""
        return self.positive - self.negative

    def upsampled(self, side: int) -> "Attribution":
        """Scaled to images of `side` pixels: coarse maps are interpolated (bicubic), pixelwise ones smoothed first."""
        if self.signed.shape[-1] * FINEST > 1:
            smooth = blur(self.signed, self.signed.shape[-1] * FINEST)
            return Attribution.from_signed(_resized(smooth, side))
        both = (_resized(part, side).clamp(min=0) for part in (self.positive, self.negative))  # cubics overshoot
        return Attribution(*both)


def mean_attribution(parts: list[Attribution]) -> Attribution:
    """The mean of several networks' attributions of the same photographs."""
    if len(parts) == 1:
        return parts[0]
    return Attribution(
        torch.stack([part.positive for part in parts]).mean(0),
        torch.stack([part.negative for part in parts]).mean(0),
    )


def unit_scale(attribution: Attribution, places: UnitIndex) -> Tensor:
    """The strongest attribution, positive or negative, in each photograph's unit: (P,), 1 where there is none.

    Dividing by it puts all photographs of a unit, and both signs, on one scale from 0 to 1.
    """
    strongest = torch.maximum(attribution.positive, attribution.negative).amax((1, 2))  # (P,)
    of_unit = strongest.new_zeros(places.num_units).scatter_reduce(0, places.unit, strongest, "amax")
    scale = of_unit[places.unit]
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def unit_shares(attribution: Attribution, places: UnitIndex) -> Tensor:
    """Each photograph's share (P,) of its unit's attribution, both signs; equal shares where there is none."""
    mass = (attribution.positive + attribution.negative).sum((1, 2))
    sums = mass.new_zeros(places.num_units).index_add(0, places.unit, mass)[places.unit]
    counts = mass.new_zeros(places.num_units).index_add(0, places.unit, torch.ones_like(mass))[places.unit]
    return torch.where(sums > 0, mass / sums.clamp(min=torch.finfo(mass.dtype).tiny), 1 / counts)


def share_inside(weights: Tensor, masks: Tensor) -> Tensor:
    """Share (P,) of the weights (P, S, S) that lies inside the masks (P, S, S) bool; NaN where there is no weight."""
    inside = (weights * masks).sum((1, 2))
    return inside / weights.sum((1, 2))


def random_attribution(like: Attribution, generator: torch.Generator) -> Attribution:
    """Gaussian noise of the shape (P, h, w) and on the device of `like`, to compare it with."""
    noise = torch.randn(like.signed.shape, generator=generator)
    return Attribution.from_signed(noise.to(like.signed.device))


def _resized(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps[:, None], (side, side), mode="bicubic", align_corners=False)[:, 0]
