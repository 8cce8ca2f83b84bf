"""Random changes of each photograph, which depend only on (seed, epoch, image_id)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from drkit.data.augmentation.matrices import colour, geometry, happens
from drkit.data.augmentation.policy import Policy

# The order determines what a seed gives: new draws are appended, so that the others stay the same.
DRAWS = (
    "turn", "zoom", "mirror_x", "mirror_y", "shear_x", "shear_y", "shift_x", "shift_y",
    "brightness", "contrast", "saturation", "tint_red", "tint_blue",
    "turn_happens", "crop_x", "crop_y", "place_x", "place_y",
    "blur", "blur_happens", "noise", "noise_happens",
    "erase", "erase_happens", "erase_aspect", "erase_x", "erase_y",
)  # fmt: skip
MAX_ASPECT = 2.0  # of an erased rectangle: its longer side divided by the shorter


@dataclass(frozen=True, eq=False, kw_only=True)
class Changes:
    """The changes of B photographs, on the CPU.

    Args:
        geometry: float32 (B, 3, 3) matrices from pixels (x, y, 1) of the photograph to their new positions.
        colour: float32 (B, 3, 4) matrices from (r, g, b, lit) with channels in [0, 1] to the new colour; `lit` is 0 for
            black pixels and 1 for others, so that the offsets in the fourth column do not change black.
        window: float32 (B, 4) left, top, right and bottom of the part of the photograph that is kept, as shares of its
            side.
        erased: float32 (B, 4) left, top, right and bottom of the part of the image that is erased, as shares of its
            side.
        blur: float32 (B,) standard deviation of the blur, as a share of the image's side; 0 for no blur.
        max_blur: Largest value that `blur` can have, from which the size of the kernel follows in every batch.
        noise: float32 (B,) standard deviation of the noise, for channels in [0, 1]; 0 for no noise.
        noise_seeds: int64 (B,) seeds of the noise.
    """

    geometry: Tensor
    colour: Tensor
    window: Tensor
    erased: Tensor
    blur: Tensor
    max_blur: float
    noise: Tensor
    noise_seeds: Tensor


def draw(policy: Policy, image_ids: Sequence[str], seed: int, epoch: int, side: int) -> Changes:
    """Draw the changes of each photograph.

    The changes depend only on (seed, epoch, image_id). Therefore, they are the same on every device, for every batch
    size and order, and after a resume.

    Args:
        policy: Policy with the ranges of the changes.
        image_ids: Ids of B photographs.
        seed: Random seed of the training.
        epoch: Number of the epoch, or of the augmented copy with frozen stages.
        side: Side of the photographs in pixels; they are turned and scaled about their middle.
    """
    keys = [hashlib.blake2b(f"{seed}/{epoch}/{image_id}".encode(), digest_size=16).digest() for image_id in image_ids]
    drawn = name_draws(torch.from_numpy(np.stack([_uniforms(key) for key in keys])))
    return Changes(
        geometry=geometry(policy, drawn, side),
        colour=colour(policy, drawn),
        window=_window(policy, drawn),
        erased=_erased(policy, drawn),
        blur=policy.blur * _share(drawn["blur"]) * happens(drawn["blur_happens"], policy.blur_probability),
        max_blur=policy.blur,
        noise=policy.noise * _share(drawn["noise"]) * happens(drawn["noise_happens"], policy.noise_probability),
        noise_seeds=torch.tensor([int.from_bytes(key[:8], "little") >> 1 for key in keys]),
    )


def name_draws(uniforms: Tensor) -> Mapping[str, Tensor]:
    """Return the columns (B,) of uniform draws (B, len(DRAWS)) by their names in `DRAWS`."""
    return dict(zip(DRAWS, uniforms.unbind(1), strict=True))


def _window(policy: Policy, drawn: Mapping[str, Tensor]) -> Tensor:
    """Left, top, right and bottom (B, 4) of the part of the photograph that is kept."""
    corner = (1 - policy.crop) * torch.stack([_share(drawn["crop_x"]), _share(drawn["crop_y"])], 1)  # (B, 2)
    return torch.cat([corner, corner + policy.crop], 1)


def _erased(policy: Policy, drawn: Mapping[str, Tensor]) -> Tensor:
    """Left, top, right and bottom (B, 4) of the erased rectangle, which is empty if nothing is erased."""
    area = policy.erase * _share(drawn["erase"]) * happens(drawn["erase_happens"], policy.erase_probability)
    stretch = MAX_ASPECT ** (drawn["erase_aspect"] / 2)
    extent = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch], 1).clamp(max=1)  # (B, 2)
    corner = (1 - extent) * torch.stack([_share(drawn["erase_x"]), _share(drawn["erase_y"])], 1)
    return torch.cat([corner, corner + extent], 1)


def _share(draws: Tensor) -> Tensor:
    """Scale draws in [-1, 1) to [0, 1)."""
    return (draws + 1) / 2


def _uniforms(key: bytes) -> np.ndarray:
    """Draw float32 (len(DRAWS),) in [-1, 1) from a counter-based generator."""
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    return generator.random(len(DRAWS), dtype=np.float32) * 2 - 1
