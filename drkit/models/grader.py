"""The network that grades: backbone, attention, pool, fusion and head."""

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
    """Concatenates the mean and the maximum of each channel over the feature map.

    Args:
        norm: A layer norm over the channels, applied to the mean and to the maximum; None for no norm.
    """

    def __init__(self, norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, features: Tensor) -> Tensor:
        """Pool feature maps (P, C, h, w) to activations (P, 2C)."""
        pooled = torch.stack([features.mean((2, 3)), features.amax((2, 3))], 1)  # (P, 2, C)
        if self.norm is not None:
            pooled = F.layer_norm(pooled, self.norm.normalized_shape, self.norm.weight, self.norm.bias, self.norm.eps)
        return pooled.flatten(1)


class Head(nn.Module):
    """Dropout and the last layer, from activations to logits.

    Args:
        num_features: Number of activations F.
        loss: The loss, which determines the last layer.
        dropout: Dropout probability before the last layer, in [0, 1].
    """

    def __init__(self, num_features: int, loss: Loss, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = loss.build_output(num_features)

    def forward(self, activations: Tensor) -> Tensor:
        """Compute logits (B, num_outputs) of activations (B, F)."""
        return self.output(self.dropout(activations))


class Grader(nn.Module):
    """Grades units of fundus photographs.

    Args:
        backbones: A single backbone for all photographs, or a backbone for each slot of a unit.
        attention: A module from feature maps to feature maps of the same shape.
        architecture: Architecture of the network.
    """

    def __init__(self, backbones: list[Backbone], attention: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        loss = build_loss(architecture.loss)
        norm = backbones[0].head_norm  # moved to the pool, so that a checkpoint stores it only once
        for backbone in backbones:
            backbone.head_norm = None
        self.pool = MeanMaxPool(norm)
        self.backbone = backbones[0]
        self.others = nn.ModuleList(backbones[1:])  # backbones of the slots after the first
        self.attention = attention
        self.num_features = 2 * backbones[0].num_features  # activations of a photograph
        self.fusion = build_fusion(architecture.fusion, self.num_features, architecture.num_slots)
        self.head = Head(self.fusion.num_features, loss, architecture.dropout)
        self.auxiliary = Head(self.num_features, loss, architecture.dropout) if architecture.auxiliary else None

    def maps(self, images: Tensor, index: UnitIndex) -> Tensor:
        """Compute the feature maps (P, C, h, w) of images (P, 3, S, S), before attention."""
        if not len(self.others):
            return self.backbone(images)
        backbones = [self.backbone, *self.others]
        masks = [index.slot == slot for slot in range(len(backbones))]
        parts = [backbones[slot](images[mask]) for slot, mask in enumerate(masks) if mask.any()]
        order = torch.cat([mask.nonzero().squeeze(1) for mask in masks])
        return torch.cat(parts)[order.argsort()]

    def embed(self, images: Tensor, index: UnitIndex) -> Tensor:
        """Compute the activations (P, 2C) of images (P, 3, S, S)."""
        return self.pool(self.attention(self.maps(images, index)))

    def grade(self, maps: Tensor, index: UnitIndex) -> Tensor:
        """Compute the logits (B, num_outputs) of feature maps (P, C, h, w)."""
        return self.head(self.fusion(self.pool(self.attention(maps)), index))

    def compute_outputs(self, images: Tensor, index: UnitIndex) -> tuple[Tensor, Tensor, Tensor | None]:
        """Compute logits, activations, and the logits of the auxiliary head.

        Args:
            images: (P, 3, S, S) images.
            index: Unit, slot and eye of each image.

        Returns:
            Logits (B, num_outputs) of the units, activations (P, 2C) of the images, and the auxiliary head's logits
            (G, num_outputs) of the eyes, or None without an auxiliary head.
        """
        activations = self.embed(images, index)
        logits = self.head(self.fusion(activations, index))
        if self.auxiliary is None:
            return logits, activations, None
        return logits, activations, self.auxiliary(mean_of(activations, index.eye, index.num_eyes))

    def sync_loss(self) -> Tensor:
        """A loss of 0 that depends on every parameter with a gradient, and whose backward pass changes no gradient."""
        return torch.stack([parameter.sum() for parameter in self.parameters() if parameter.grad is not None]).sum() * 0

    def depth_below_head(self, name: str) -> int:
        """Number of stages from a parameter, given by name, up to the head; 0 for parameters above the backbone."""
        if not name.startswith(("backbone.", "others.")):
            return 0
        stages = self.backbone.stages
        name_in_backbone = "network." + name.partition("network.")[2]
        depths = [
            depth for depth, stage in enumerate(stages) for path in stage if name_in_backbone.startswith(f"{path}.")
        ]
        return len(stages) - (depths[0] if depths else 0)  # tokens and positions, in no stage, count as the lowest

    def forward(self, images: Tensor, index: UnitIndex | None = None) -> Tensor:
        """Compute the logits (B, num_outputs) of images (P, 3, S, S); without an index, each image is a unit."""
        return self.compute_outputs(images, index or UnitIndex.alone(len(images), images.device))[0]


def build_grader(
    architecture: Architecture, *, pretrained: bool = False, load: Callable[[list[Backbone]], None] | None = None
) -> Grader:
    """Build a grader.

    Args:
        architecture: Architecture of the network.
        pretrained: Whether the backbone starts from ImageNet weights.
        load: Function that loads weights into the backbones of the slots.

    Raises:
        InputError: as `build_backbone`.
        UsageError: as `build_backbone`.
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
    """Load a checkpoint's tensors into a grader of the same architecture.

    Args:
        grader: The network, whose tensors are overwritten.
        tensors: The checkpoint's tensors by name.
        source: Name of the checkpoint in messages.

    Raises:
        InputError: the tensors are those of another network.
    """
    try:
        grader.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{source} does not contain the network that its header describes: {reason}") from None
    return grader
