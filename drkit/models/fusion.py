"""Fusion: the photographs of a unit become one, whatever their number."""

import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex


class Fusion(nn.Module):
    """Joins the photographs of each unit.

    Args:
        num_features: Of a unit, when they are joined.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


class SinglePhotograph(Fusion):
    """For units of a single photograph: nothing is to be joined."""

    def forward(self, activations: Tensor, places: UnitIndex) -> Tensor:
        """(P, F), one photograph a unit, to the same (B, F)."""
        return activations


class MeanMaxFusion(Fusion):
    """The mean and the maximum of each activation over the photographs, side by side.

    Args:
        num_features: F of a photograph.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__(2 * num_features)

    def forward(self, activations: Tensor, places: UnitIndex) -> Tensor:
        """(P, F) to (B, 2F)."""
        highest = activations.new_full((places.num_units, activations.shape[1]), -torch.inf)
        index = places.unit[:, None].expand_as(activations)
        highest = highest.scatter_reduce(0, index, activations, "amax")
        return torch.cat([mean_of(activations, places.unit, places.num_units), highest], 1)


class AttentionFusion(Fusion):
    """A weighted mean of the photographs, the weights learned from what they show; begins as the plain mean.

    Args:
        num_features: F of a photograph.
        num_hidden: Width of the gate.

    Source: Ilse, Tomczak and Welling, Attention-based deep multiple instance learning, ICML 2018, eq. 9.
    """

    def __init__(self, num_features: int, num_hidden: int = 128) -> None:
        super().__init__(num_features)
        self.content = nn.Linear(num_features, num_hidden)
        self.gate = nn.Linear(num_features, num_hidden)
        self.rating = nn.Linear(num_hidden, 1, bias=False)
        nn.init.zeros_(self.rating.weight)

    def weights(self, activations: Tensor, places: UnitIndex) -> Tensor:
        """(P, F) to (P,): what each photograph counts; the photographs of a unit share 1."""
        hidden = torch.tanh(self.content(activations)) * torch.sigmoid(self.gate(activations))
        ratings = self.rating(hidden).squeeze(1).float()
        highest = ratings.new_full((places.num_units,), -torch.inf).scatter_reduce(0, places.unit, ratings, "amax")
        exponents = torch.exp(ratings - highest.detach()[places.unit])
        sums = exponents.new_zeros(places.num_units).index_add(0, places.unit, exponents)
        return exponents / sums[places.unit]

    def forward(self, activations: Tensor, places: UnitIndex) -> Tensor:
        """(P, F) to (B, F)."""
        weighted = self.weights(activations, places)[:, None].to(activations.dtype) * activations
        return activations.new_zeros(places.num_units, activations.shape[1]).index_add(0, places.unit, weighted)


class Concatenation(Fusion):
    """The photographs side by side, each in its own slot, as in the course's dual network; missing ones are zero.

    Args:
        num_features: F of a photograph.
        num_slots: Photographs of a whole unit.
    """

    def __init__(self, num_features: int, num_slots: int) -> None:
        super().__init__(num_slots * num_features)
        self.num_slots = num_slots

    def forward(self, activations: Tensor, places: UnitIndex) -> Tensor:
        """(P, F) to (B, num_slots * F)."""
        whole = activations.new_zeros(places.num_units, self.num_slots, activations.shape[1])
        return whole.index_put((places.unit, places.slot), activations).flatten(1)


def build_fusion(kind: str, num_features: int, num_slots: int) -> Fusion:
    """The fusion of a unit of at most `num_slots` photographs of `num_features` activations each.

    Args:
        kind: `mean-max`, `attention` or `concat`.
        num_features: F.
        num_slots: With a single one nothing is joined, whatever the kind.
    """
    if num_slots == 1:
        return SinglePhotograph(num_features)
    if kind == "concat":
        return Concatenation(num_features, num_slots)
    return MeanMaxFusion(num_features) if kind == "mean-max" else AttentionFusion(num_features)


def mean_of(activations: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Mean activations (G, F) of the photographs (P, F) in each group (P,)."""
    sums = activations.new_zeros(num_groups, activations.shape[1]).index_add(0, group, activations)
    ones = torch.ones_like(group)  # counted by adding: bincount would wait for the device
    counts = torch.zeros(num_groups, dtype=group.dtype, device=group.device).index_add(0, group, ones)
    return sums / counts[:, None].to(activations.dtype)
