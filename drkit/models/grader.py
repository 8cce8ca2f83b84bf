"""The network that grades: backbone, attention, pool, fusion, head."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.data.units import UnitIndex
from drkit.errors import InputError
from drkit.losses import Loss, build_loss
from drkit.models.attention import build_attention
from drkit.models.backbones import Backbone, build_backbone
from drkit.models.fusion import build_fusion, mean_of
from drkit.records.checkpoint import Architecture


class MeanMaxPool(nn.Module):
    """The mean and the maximum of each channel over the feature map, side by side.

    Args:
        norm: A layer norm over the channels, applied to each of the two; None: none.
    """

    def __init__(self, norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, features: Tensor) -> Tensor:
        """(P, C, h, w) to (P, 2C)."""
        pooled = torch.stack([features.mean((2, 3)), features.amax((2, 3))], 1)  # (P, 2, C)
        if self.norm is not None:
            pooled = F.layer_norm(pooled, self.norm.normalized_shape, self.norm.weight, self.norm.bias, self.norm.eps)
        return pooled.flatten(1)


class Head(nn.Module):
    """From a unit's activations to logits.

    Args:
        num_features: F.
        loss: Says what the logits are, and so makes the last layer.
        dropout: Probability, before the last layer.
    """

    def __init__(self, num_features: int, loss: Loss, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = loss.build_output(num_features)

    def forward(self, activations: Tensor) -> Tensor:
        """(B, F) to (B, num_outputs)."""
        return self.output(self.dropout(activations))


class Grader(nn.Module):
    """Grades units of fundus photographs.

    Args:
        backbones: Give feature maps: one that all photographs share, or one for each slot of a unit.
        attention: From feature maps to feature maps of the same shape.
        architecture: What else it is made of.
    """

    def __init__(self, backbones: list[Backbone], attention: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        loss = build_loss(architecture.loss)
        norm = backbones[0].head_norm  # the pool's from here on, so that a checkpoint stores it once
        for backbone in backbones:
            backbone.head_norm = None
        self.pool = MeanMaxPool(norm)
        self.backbone = backbones[0]
        self.others = nn.ModuleList(backbones[1:])  # of the slots after the first
        self.attention = attention
        self.num_features = 2 * backbones[0].num_features  # of a photograph
        self.fusion = build_fusion(architecture.fusion, self.num_features, architecture.num_slots)
        self.head = Head(self.fusion.num_features, loss, architecture.dropout)
        self.auxiliary = Head(self.num_features, loss, architecture.dropout) if architecture.auxiliary else None

    def maps(self, images: Tensor, places: UnitIndex) -> Tensor:
        """Images (P, 3, S, S) to feature maps (P, C, h, w), before attention."""
        if not len(self.others):
            return self.backbone(images)
        backbones = [self.backbone, *self.others]
        chosen = [places.slot == slot for slot in range(len(backbones))]
        parts = [backbones[slot](images[here]) for slot, here in enumerate(chosen) if here.any()]
        order = torch.cat([here.nonzero().squeeze(1) for here in chosen])
        return torch.cat(parts)[order.argsort()]

    def embed(self, images: Tensor, places: UnitIndex) -> Tensor:
        """Images (P, 3, S, S) to a photograph's activations (P, 2C)."""
        return self.pool(self.attention(self.maps(images, places)))

    def grade(self, maps: Tensor, places: UnitIndex) -> Tensor:
        """Feature maps (P, C, h, w) to logits (B, num_outputs)."""
        return self.head(self.fusion(self.pool(self.attention(maps)), places))

    def answer(self, images: Tensor, places: UnitIndex) -> tuple[Tensor, Tensor, Tensor | None]:
        """Images (P, 3, S, S) to logits, activations, and the logits of the auxiliary head.

        Returns:
            (B, num_outputs), (P, 2C), and (G, num_outputs), an eye each, or None without an auxiliary head.
        """
        activations = self.embed(images, places)
        logits = self.head(self.fusion(activations, places))
        if self.auxiliary is None:
            return logits, activations, None
        return logits, activations, self.auxiliary(mean_of(activations, places.eye, places.num_eyes))

    def sync_loss(self) -> Tensor:
        """A loss of 0 over every parameter that has a gradient; its backward pass leaves the gradients as they are."""
        return torch.stack([parameter.sum() for parameter in self.parameters() if parameter.grad is not None]).sum() * 0

    def depth_below_head(self, name: str) -> int:
        """How many stages a parameter, by its name, lies below the head: 0 for what is no backbone's."""
        if not name.startswith(("backbone.", "others.")):
            return 0
        stages = self.backbone.stages
        inside = "network." + name.partition("network.")[2]
        depths = [depth for depth, stage in enumerate(stages) for path in stage if inside.startswith(f"{path}.")]
        return len(stages) - (depths[0] if depths else 0)  # tokens and positions lie in no stage: the lowest

    def forward(self, images: Tensor, places: UnitIndex | None = None) -> Tensor:
        """Images (P, 3, S, S) to logits (B, num_outputs); without places each photograph is a unit."""
        return self.answer(images, places or UnitIndex.alone(len(images), images.device))[0]


def build_grader(
    architecture: Architecture, *, pretrained: bool = False, load: Callable[[list[Backbone]], None] | None = None
) -> Grader:
    """Build a grader; see `build_backbone` for what may go wrong.

    Args:
        architecture: What it is made of.
        pretrained: Start from ImageNet.
        load: Puts weights into the backbones of the slots.
    """
    backbone = build_backbone(architecture.backbone, architecture.side, pretrained=pretrained)
    num_backbones = architecture.num_slots if architecture.unshared else 1
    backbones = [backbone, *(deepcopy(backbone) for _ in range(1, num_backbones))]
    if load:
        load(backbones)
    attention = build_attention(architecture.attention, backbone, architecture.side)
    grader = Grader(backbones, attention, architecture)
    return grader.to(memory_format=torch.channels_last)


def restore_grader(grader: Grader, tensors: dict[str, Tensor], source: str) -> Grader:
    """Put a checkpoint's tensors into a grader of the same make.

    Raises:
        InputError: the tensors are of another network.
    """
    try:
        grader.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{source} does not hold the network its header names: {reason}") from None
    return grader
