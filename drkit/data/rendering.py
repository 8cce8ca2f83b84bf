"""From the bank's photographs to a network's images: one warp and one colour product a batch."""

from dataclasses import dataclass

import numpy as np
import torch
from kornia.geometry.transform import warp_affine
from torch import Tensor


@dataclass(frozen=True)
class InputFormat:
    """What a network wants to be fed.

    Args:
        side: Of its images in pixels.
        mean: Of each channel, subtracted, for channels in [0, 1].
        std: Of each channel, divided by.
    """

    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def render(
    photographs: np.ndarray,
    wanted: InputFormat,
    device: torch.device,
    changes: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Scale, change and normalise photographs into images.

    Args:
        photographs: uint8 (B, S, S, 3) RGB.
        wanted: Side and normalisation of the images.
        device: Where the work is done and the images stay.
        changes: Geometry (B, 3, 3) and colour (B, 3, 4) of `drkit.data.augmentation.draw`; None: unchanged.

    Returns:
        float32 (B, 3, side, side), channels last in memory.
    """
    num, side = photographs.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(photographs)).to(device, non_blocking=True)
    pixels = pixels.permute(0, 3, 1, 2).float()  # (B, 3, S, S)
    unchanged = torch.eye(3).expand(num, 3, 3), torch.eye(3, 4).expand(num, 3, 4)
    geometry, colour = changes or unchanged
    scale = torch.diag(torch.tensor([(wanted.side - 1) / (side - 1)] * 2 + [1.0]))
    warped = warp_affine(pixels, (scale @ geometry)[:, :2].to(device), (wanted.side, wanted.side))
    product, offset = _normalised(colour, wanted)
    flat = torch.baddbmm(offset.to(device), product.to(device), warped.flatten(2))  # (B, 3, side * side)
    return flat.view_as(warped).contiguous(memory_format=torch.channels_last)


def _normalised(colour: Tensor, wanted: InputFormat) -> tuple[Tensor, Tensor]:
    """Fold the scaling of uint8 and the network's normalisation into a colour matrix: (B, 3, 3), (B, 3, 1)."""
    mean, std = torch.tensor(wanted.mean)[:, None], torch.tensor(wanted.std)[:, None]
    return colour[:, :, :3] / (255 * std), (colour[:, :, 3:] - mean) / std
