"""The network that grades: backbone, pool, head."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drkit.errors import InputError
from drkit.models.backbones import Backbone, build_backbone


class MeanMaxPool(nn.Module):
    """The mean and the maximum of each channel over the feature map, side by side.

    Args:
        norm: A layer norm over the channels, applied to each of the two; None: none.
    """

    def __init__(self, norm: nn.LayerNorm | None = None) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 2C)."""
        pooled = torch.stack([features.mean((2, 3)), features.amax((2, 3))], 1)  # (B, 2, C)
        if self.norm is not None:
            pooled = F.layer_norm(pooled, self.norm.normalized_shape, self.norm.weight, self.norm.bias, self.norm.eps)
        return pooled.flatten(1)


class Head(nn.Module):
    """From pooled activations to logits.

    Args:
        num_features: F.
        num_outputs: Logits an image.
        dropout: Probability, before the linear layer.
    """

    def __init__(self, num_features: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(num_features, num_outputs)

    def forward(self, activations: Tensor) -> Tensor:
        """(B, F) to (B, num_outputs)."""
        return self.linear(self.dropout(activations))


class Grader(nn.Module):
    """Grades fundus photographs.

    Args:
        backbone: Gives feature maps.
        num_outputs: Logits an image; what they mean is the loss's affair.
        dropout: Probability, before the head.
    """

    def __init__(self, backbone: Backbone, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.pool = MeanMaxPool(backbone.head_norm)
        backbone.head_norm = None  # the pool's now: no tensor stands twice in a checkpoint
        self.backbone = backbone
        self.num_features = 2 * backbone.num_features
        self.head = Head(self.num_features, num_outputs, dropout)

    def embed(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) to what the head sees, (B, 2C)."""
        return self.pool(self.backbone(images))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) to logits (B, num_outputs)."""
        return self.head(self.embed(images))


def build_grader(name: str, side: int, *, num_outputs: int, dropout: float, pretrained: bool) -> Grader:
    """Build a grader on timm's backbone `name`; see `build_backbone` for what may go wrong."""
    backbone = build_backbone(name, side, pretrained=pretrained)
    return Grader(backbone, num_outputs, dropout).to(memory_format=torch.channels_last)


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
