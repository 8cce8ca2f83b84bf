"""Fusion of the photographs of a unit."""

import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex


class Fusion(nn.Module):
    """Fuses the activations of the photographs of each unit.

    Args:
        num_features: Number of activations of a unit after fusion.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


class SinglePhotograph(Fusion):
    """The identity, for units of a single photograph."""

    def forward(self, activations: Tensor, index: UnitIndex) -> Tensor:
        """Return the activations (P, F) of P units unchanged."""
        return activations


class MeanMaxFusion(Fusion):
    """Concatenates the mean and the maximum of each activation over the photographs of a unit.

    Args:
        num_features: Number of activations F of a photograph.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__(2 * num_features)

    def forward(self, activations: Tensor, index: UnitIndex) -> Tensor:
        """Fuse activations (P, F) of photographs to activations (B, 2F) of units."""
        highest = activations.new_full((index.num_units, activations.shape[1]), -torch.inf)
        unit = index.unit[:, None].expand_as(activations)
        highest = highest.scatter_reduce(0, unit, activations, "amax")
        return torch.cat([mean_of(activations, index.unit, index.num_units), highest], 1)


class AttentionFusion(Fusion):
    """A weighted mean of the photographs of a unit with learned weights, initialised to the plain mean.

    Args:
        num_features: Number of activations F of a photograph.
        num_hidden: Number of hidden units of the gated attention.

    Source: Ilse, Tomczak and Welling, Attention-based deep multiple instance learning, ICML 2018, eq. 9.
    """

    def __init__(self, num_features: int, num_hidden: int = 128) -> None:
        super().__init__(num_features)
        self.content = nn.Linear(num_features, num_hidden)
        self.gate = nn.Linear(num_features, num_hidden)
        self.rating = nn.Linear(num_hidden, 1, bias=False)
        nn.init.zeros_(self.rating.weight)

    def weights(self, activations: Tensor, index: UnitIndex) -> Tensor:
        """Compute the weights (P,) of photographs with activations (P, F); the weights of each unit sum to 1."""
        hidden = torch.tanh(self.content(activations)) * torch.sigmoid(self.gate(activations))
        ratings = self.rating(hidden).squeeze(1).float()
        highest = ratings.new_full((index.num_units,), -torch.inf).scatter_reduce(0, index.unit, ratings, "amax")
        exponentials = torch.exp(ratings - highest.detach()[index.unit])
        sums = exponentials.new_zeros(index.num_units).index_add(0, index.unit, exponentials)
        return exponentials / sums[index.unit]

    def forward(self, activations: Tensor, index: UnitIndex) -> Tensor:
        """Fuse activations (P, F) of photographs to activations (B, F) of units."""
        weighted = self.weights(activations, index)[:, None].to(activations.dtype) * activations
        return activations.new_zeros(index.num_units, activations.shape[1]).index_add(0, index.unit, weighted)


class Concatenation(Fusion):
    """Concatenates the photographs of a unit by slot, as in the course's dual network; empty slots are zero.

    Args:
        num_features: Number of activations F of a photograph.
        num_slots: Number of photographs of a complete unit.
    """

    def __init__(self, num_features: int, num_slots: int) -> None:
        super().__init__(num_slots * num_features)
        self.num_slots = num_slots

    def forward(self, activations: Tensor, index: UnitIndex) -> Tensor:
        """Fuse activations (P, F) of photographs to activations (B, num_slots * F) of units."""
        slots = activations.new_zeros(index.num_units, self.num_slots, activations.shape[1])
        return slots.index_put((index.unit, index.slot), activations).flatten(1)


def build_fusion(kind: str, num_features: int, num_slots: int) -> Fusion:
    """Build the fusion of units.

    Args:
        kind: `mean-max`, `attention` or `concat`.
        num_features: Number of activations F of a photograph.
        num_slots: Largest number of photographs of a unit; with 1, the fusion is the identity.
    """
    if num_slots == 1:
        return SinglePhotograph(num_features)
    if kind == "concat":
        return Concatenation(num_features, num_slots)
    return MeanMaxFusion(num_features) if kind == "mean-max" else AttentionFusion(num_features)


def mean_of(activations: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Mean activations (G, F) over the photographs (P, F) of each group, given by number (P,)."""
    sums = activations.new_zeros(num_groups, activations.shape[1]).index_add(0, group, activations)
    ones = torch.ones_like(group)  # added up, because bincount would wait for the device
    counts = torch.zeros(num_groups, dtype=group.dtype, device=group.device).index_add(0, group, ones)
    return sums / counts[:, None].to(activations.dtype)
