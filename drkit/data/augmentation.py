"""Augmentation as algebra: a photograph's geometry is one 3x3 matrix, its colour one 3x4 matrix."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kornia.geometry.transform import get_affine_matrix2d
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
NUM_DRAWS = 13


@dataclass(frozen=True)
class Policy:
    """How far a photograph may be changed; every range is symmetric about no change.

    Args:
        turn: Rotation in degrees, 0-180.
        flip: Mirror left-right and top-bottom, each in half of the cases.
        zoom: Factor, as log: 0.2 draws from exp(-0.2) to exp(0.2).
        shear: Degrees.
        shift: Share of the side.
        brightness: Gain about 1.
        contrast: Gain about mid-grey.
        saturation: Gain about the luminance.
        tint: Gain of each channel.
    """

    turn: float = 0.0
    flip: bool = False
    zoom: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    tint: float = 0.0


NONE = Policy()
LIGHT = Policy(turn=15, flip=True, brightness=0.1)
MEDIUM = Policy(
    turn=180,
    flip=True,
    zoom=0.12,
    shear=4,
    shift=0.03,
    brightness=0.15,
    contrast=0.15,
    saturation=0.15,
    tint=0.05,
)
STRONG = Policy(
    turn=180,
    flip=True,
    zoom=0.25,
    shear=10,
    shift=0.06,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    tint=0.12,
)


def draw(policy: Policy, image_ids: Sequence[str], seed: int, epoch: int, side: int) -> tuple[Tensor, Tensor]:
    """Draw what happens to each photograph, from nothing but (seed, epoch, image_id).

    The draws are therefore equal on every device, in every batch size and order, and after a resume.

    Args:
        policy: The ranges.
        image_ids: B photographs.
        seed: Of the training.
        epoch: Or the number of a frozen copy.
        side: Of the photographs in pixels, whose middle everything turns about.

    Returns:
        Geometry (B, 3, 3), taking a pixel (x, y, 1) of the photograph to its new place, and colour (B, 3, 4),
        taking (r, g, b, 1) with channels in [0, 1] to the new colour; both float32 on the CPU.
    """
    uniforms = torch.from_numpy(np.stack([_uniforms(seed, epoch, image_id) for image_id in image_ids]))
    return geometry(policy, uniforms[:, :8], side), colour(policy, uniforms[:, 8:])


def geometry(policy: Policy, uniforms: Tensor, side: int) -> Tensor:
    """Turn, flip, zoom, shear and shift as one matrix (B, 3, 3).

    Args:
        policy: The ranges.
        uniforms: (B, 8) in [-1, 1).
        side: Of the photographs in pixels.
    """
    middle = torch.full((len(uniforms), 2), (side - 1) / 2)
    turn, zoom, mirror_x, mirror_y, *rest = uniforms.unbind(1)
    shear_x, shear_y, shift_x, shift_y = rest
    affine = get_affine_matrix2d(
        translations=torch.stack([shift_x, shift_y], 1) * policy.shift * side,
        center=middle,
        scale=torch.exp(zoom * policy.zoom)[:, None].expand(-1, 2),
        angle=turn * policy.turn,
        sx=torch.deg2rad(shear_x * policy.shear),
        sy=torch.deg2rad(shear_y * policy.shear),
    )
    return affine @ _mirror(mirror_x, mirror_y, side) if policy.flip else affine


def colour(policy: Policy, uniforms: Tensor) -> Tensor:
    """Brightness, contrast, saturation and tint as one matrix (B, 3, 4).

    Args:
        policy: The ranges.
        uniforms: (B, 5) in [-1, 1).
    """
    brightness, contrast, saturation = (
        1 + uniforms[:, :3] * torch.tensor([policy.brightness, policy.contrast, policy.saturation])
    ).unbind(1)
    # The three tints of a photograph come from two draws and balance out, so that tint does not brighten.
    red, blue = uniforms[:, 3], uniforms[:, 4]
    tint = 1 + policy.tint * torch.stack([red, -(red + blue) / 2, blue], 1)  # (B, 3)
    grey = torch.tensor(LUMINANCE).expand(3, 3)
    saturate = saturation[:, None, None] * (torch.eye(3) - grey) + grey  # (B, 3, 3)
    product = (brightness * contrast)[:, None, None] * (tint[:, :, None] * saturate)
    offset = (0.5 * (1 - contrast))[:, None, None].expand(-1, 3, 1)
    return torch.cat([product, offset], 2)


def _mirror(mirror_x: Tensor, mirror_y: Tensor, side: int) -> Tensor:
    """(B, 3, 3): mirrored left-right where the first draw is negative, top-bottom where the second is."""
    matrix = torch.eye(3).repeat(len(mirror_x), 1, 1)
    for axis, draws in enumerate((mirror_x, mirror_y)):
        matrix[:, axis, axis] = torch.where(draws < 0, -1.0, 1.0)
        matrix[:, axis, 2] = torch.where(draws < 0, side - 1.0, 0.0)
    return matrix


def _uniforms(seed: int, epoch: int, image_id: str) -> np.ndarray:
    """(NUM_DRAWS,) float32 in [-1, 1), from a counter-based generator keyed by its arguments."""
    key = hashlib.blake2b(f"{seed}/{epoch}/{image_id}".encode(), digest_size=16).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    return generator.random(NUM_DRAWS, dtype=np.float32) * 2 - 1
