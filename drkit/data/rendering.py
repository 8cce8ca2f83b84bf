"""From the bank's photographs to a network's images: one warp and one colour product a batch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from kornia.geometry.transform import warp_affine
from torch import Tensor

from drkit.data.augmentation import Changes
from drkit.images.surround import surround_colour

# Grey levels of a pixel's brightest channel: up to the first it is the black about the fundus, whatever JPEG made of
# it; from the second on it is lit.
BLACK, LIT = 4, 68
MIN_SIGMA = 0.05  # pixels; a Gaussian that narrow is a single 1, which Kornia before 0.9 works out as 0 / 0


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
    changes: Changes | None = None,
) -> Tensor:
    """Scale, change and normalise photographs into images.

    Args:
        photographs: uint8 (B, S, S, 3) RGB.
        wanted: Side and normalisation of the images.
        device: Where the work is done and the images stay.
        changes: From `drkit.data.augmentation.draw`; None: unchanged. What a change uncovers, cuts off or erases
            takes the colour of the photograph's own corners, and no channel leaves [0, 1] before normalisation.

    Returns:
        float32 (B, 3, side, side), channels last in memory.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(photographs)).to(device, non_blocking=True)
    pixels = pixels.permute(0, 3, 1, 2).float()  # (B, 3, S, S)
    if changes is None:
        scaled = F.interpolate(pixels, (wanted.side, wanted.side), mode="bilinear", align_corners=True)
        images = _recolour(scaled, torch.eye(3, 4).expand(len(pixels), 3, 4), wanted)
    else:
        surround = _surround(photographs).to(device)
        warped = _move(pixels.sub_(surround), wanted.side, changes).add_(surround)
        images = _develop(warped, wanted, changes)
    return images.contiguous(memory_format=torch.channels_last)


def dihedral_views(images: Tensor) -> Iterator[Tensor]:
    """The eight ways to lay a square: four quarter turns, then the same of the mirror image.

    Args:
        images: (B, 3, S, S).

    Yields:
        Tensors of the same shape and memory format; the first is `images` itself.
    """
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    for laid in (images, images.flip(3)):
        for quarters in range(4):
            yield torch.rot90(laid, quarters, (2, 3)).contiguous(memory_format=memory_format)


def _move(pixels: Tensor, side: int, changes: Changes) -> Tensor:
    """Warp, and cut off and erase to zero: (B, 3, side, side)."""
    extent = pixels.shape[2]
    if (changes.window != torch.tensor([0.0, 0.0, 1.0, 1.0])).any():
        pixels.mul_(_inside(changes.window, extent, pixels.device))
    scale = torch.diag(torch.tensor([(side - 1) / (extent - 1)] * 2 + [1.0]))
    warped = warp_affine(pixels, (scale @ changes.geometry)[:, :2].to(pixels.device), (side, side))
    if (changes.erased[:, 2:] > changes.erased[:, :2]).any():
        warped.mul_(~_inside(changes.erased, side, pixels.device))
    return warped


def _develop(warped: Tensor, wanted: InputFormat, changes: Changes) -> Tensor:
    """Colour, blur and noise: normalised images of warped photographs (B, 3, side, side) in grey levels."""
    mean, std = _columns(wanted, warped.device)
    images = _recolour(warped, changes.colour, wanted)
    offset, is_noisy = changes.colour[:, :, 3:, None], bool(changes.noise.any())  # (B, 3, 1, 1)
    lit = _lit(warped) if is_noisy or offset.any() else None
    if lit is not None and offset.any():
        images.addcmul_(offset.to(warped.device) / std, lit)
    if changes.blur.any():
        _blur(images, changes)
    if lit is not None and is_noisy:
        _add_noise(images, lit / std, changes)
    return images.clamp_(-mean / std, (1 - mean) / std)


def _recolour(pixels: Tensor, colour: Tensor, wanted: InputFormat) -> Tensor:
    """Grey levels (B, 3, h, w) through the first three columns of (B, 3, 4) and the network's normalisation."""
    mean, std = _columns(wanted, colour.device)
    product = (colour[:, :, :3] / (255 * std[:, :, 0])).to(pixels.device)
    offset = (-mean / std)[:, :, 0].expand(len(pixels), 3, 1).to(pixels.device)
    return torch.baddbmm(offset, product, pixels.flatten(2)).view_as(pixels)


def _blur(images: Tensor, changes: Changes) -> None:
    """Blur in place those that are to be; the kernel reaches as far for each of them."""
    side, rows = images.shape[2], changes.blur.nonzero()[:, 0].to(images.device)
    sigma = (changes.blur[changes.blur > 0] * side).clamp(min=MIN_SIGMA).to(images.device)
    reach = math.ceil(3 * changes.max_blur * side)
    images[rows] = gaussian_blur2d(images[rows], 2 * reach + 1, sigma[:, None].expand(-1, 2))


def _add_noise(images: Tensor, strength: Tensor, changes: Changes) -> None:
    """Add Gaussian noise in place, made on the CPU so that every device gets the same.

    Args:
        images: (B, 3, side, side).
        strength: (B, 3, side, side), by which noise of standard deviation 1 is multiplied.
        changes: Standard deviations and seeds.
    """
    for row in changes.noise.nonzero()[:, 0].tolist():
        generator = np.random.Generator(np.random.Philox(key=[int(changes.noise_seeds[row]), 1]))
        noise = torch.from_numpy(generator.standard_normal(tuple(images.shape[1:]), np.float32)) * changes.noise[row]
        images[row].addcmul_(noise.to(images.device), strength[row])


def _lit(pixels: Tensor) -> Tensor:
    """(B, 1, h, w): 0 where grey levels (B, 3, h, w) are black, 1 where they are not, with a ramp between."""
    return pixels.amax(1, keepdim=True).sub_(BLACK).div_(LIT - BLACK).clamp_(0, 1)


def _inside(boxes: Tensor, side: int, device: torch.device) -> Tensor:
    """(B, 1, side, side) bool: pixels whose centre lies in boxes (B, 4) of left, top, right, bottom, as shares."""
    centres = (torch.arange(side, device=device) + 0.5) / side
    left, top, right, bottom = boxes.to(device)[:, :, None].unbind(1)  # each (B, 1)
    columns = (centres >= left) & (centres < right)  # (B, side)
    rows = (centres >= top) & (centres < bottom)
    return rows[:, None, :, None] & columns[:, None, None, :]


def _surround(photographs: np.ndarray) -> Tensor:
    """(B, 3, 1, 1): the colour of each photograph's corners, in grey levels."""
    colours = np.stack([surround_colour(photograph) for photograph in photographs])
    return torch.from_numpy(colours).float()[:, :, None, None]


def _columns(wanted: InputFormat, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, each (1, 3, 1, 1)."""
    mean, std = torch.tensor([wanted.mean, wanted.std], device=device)[:, None, :, None, None]
    return mean, std
