"""Attribution maps: evidence for and against a target, on the network's map and on the photograph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.explaining.photographs import blur

FINEST = 1 / 40  # share of a side; a finer map is smoothed to this before it is drawn or ranked


@dataclass(frozen=True)
class Attribution:
    """Evidence for and against a target in P photographs.

    Args:
        positive: (P, h, w), at least 0; evidence for the target.
        negative: (P, h, w), at least 0; evidence against it.
    """

    positive: Tensor
    negative: Tensor

    @classmethod
    def from_signed(cls, signed: Tensor) -> "Attribution":
        """Split signed evidence (P, h, w) into its positive and its negative part."""
        return cls(signed.clamp(min=0), (-signed).clamp(min=0))

    @property
    def signed(self) -> Tensor:
        """Positive minus negative evidence (P, h, w)."""
        return self.positive - self.negative

    def upsampled(self, side: int) -> "Attribution":
        """Resize to `side` pixels: bicubic interpolation, after smoothing if the map is finer than `FINEST`."""
        if self.signed.shape[-1] * FINEST > 1:
            smooth = blur(self.signed, self.signed.shape[-1] * FINEST)
            return Attribution.from_signed(_resize(smooth, side))
        parts = (_resize(part, side).clamp(min=0) for part in (self.positive, self.negative))  # bicubic overshoots
        return Attribution(*parts)


def mean_attribution(parts: list[Attribution]) -> Attribution:
    """The mean of several networks' attributions of the same photographs."""
    if len(parts) == 1:
        return parts[0]
    return Attribution(
        torch.stack([part.positive for part in parts]).mean(0),
        torch.stack([part.negative for part in parts]).mean(0),
    )


def unit_scale(attribution: Attribution, index: UnitIndex) -> Tensor:
    """The highest evidence (P,), for or against, in each photograph's unit; 1 for a unit without evidence.

    Divided by it, all photographs of a unit and both signs share one scale from 0 to 1.
    """
    strongest = torch.maximum(attribution.positive, attribution.negative).amax((1, 2))  # (P,)
    by_unit = strongest.new_zeros(index.num_units).scatter_reduce(0, index.unit, strongest, "amax")
    scale = by_unit[index.unit]
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def unit_shares(attribution: Attribution, index: UnitIndex) -> Tensor:
    """Each photograph's share (P,) of its unit's evidence for and against; equal shares in a unit without evidence."""
    mass = (attribution.positive + attribution.negative).sum((1, 2))
    sums = mass.new_zeros(index.num_units).index_add(0, index.unit, mass)[index.unit]
    counts = mass.new_zeros(index.num_units).index_add(0, index.unit, torch.ones_like(mass))[index.unit]
    return torch.where(sums > 0, mass / sums.clamp(min=torch.finfo(mass.dtype).tiny), 1 / counts)


def share_inside(weights: Tensor, masks: Tensor) -> Tensor:
    """Share (P,) of the weights (P, S, S) inside the masks (P, S, S) bool; NaN if all weights are 0."""
    inside = (weights * masks).sum((1, 2))
    return inside / weights.sum((1, 2))


def random_attribution(like: Attribution, seed: int, photographs: Sequence[int]) -> Attribution:
    """Gaussian noise that is drawn for each photograph alone, so that it does not depend on the rest of the batch.

    Args:
        like: An attribution (P, h, w), whose shape and device the noise has.
        seed: Random seed.
        photographs: P numbers of the photographs.
    """
    draws = (np.random.default_rng([seed, number]) for number in photographs)
    noise = np.stack([draw.standard_normal(like.signed.shape[1:], dtype=np.float32) for draw in draws])
    return Attribution.from_signed(torch.from_numpy(noise).to(like.signed.device))


def _resize(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    return F.interpolate(maps[:, None], (side, side), mode="bicubic", align_corners=False)[:, 0]
