"""Render the bank's photographs as input images of a network, with one warp and one colour product per batch."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from torch import Tensor

from drkit.data.augmentation import Changes
from drkit.data.transfer import as_tensor, pack_to, pin, send
from drkit.images.surround import surround_colour

# Grey levels of a pixel's brightest channel: up to BLACK, it belongs to the black surround (with noise from JPEG); from
# LIT on, to the retina.
BLACK, LIT = 4, 68
MIN_SIGMA = 0.05  # pixels; the kernel of a narrower Gaussian is a single 1, for which Kornia before 0.9 computes 0 / 0


@dataclass(frozen=True)
class InputFormat:
    """The input that a network expects.

    Args:
        side: Side of the images in pixels.
        mean: Mean of each channel, which is subtracted; channels are in [0, 1].
        std: Standard deviation of each channel, by which the channel is divided.
    """

    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def render(
    photographs: np.ndarray,
    input_format: InputFormat,
    device: torch.device,
    changes: Changes | None = None,
) -> Tensor:
    """Scale, change and normalise photographs into images.

    Args:
        photographs: uint8 (B, S, S, 3) RGB.
        input_format: Side and normalisation of the images.
        device: Device on which the images are computed and stored.
        changes: Random changes from `drkit.data.augmentation.draw`; None for no changes. Pixels that a change uncovers,
            cuts off or erases get the colour of the photograph's corners. Before normalisation, channels are clipped to
            [0, 1].

    Returns:
        float32 (B, 3, side, side), channels last in memory.
    """
    return prepare(photographs, input_format, device, changes)()


def prepare(
    photographs: np.ndarray,
    input_format: InputFormat,
    device: torch.device,
    changes: Changes | None = None,
    surround: np.ndarray | None = None,
) -> Callable[[], Tensor]:
    """Do the part of `render` that runs on the CPU, and return a function that does the rest on the device.

    Args:
        photographs: As for `render`.
        input_format: As for `render`.
        device: As for `render`.
        changes: As for `render`.
        surround: float32 (B, 3) from `surround_colours`; None to measure it now.
    """
    pixels = pin(as_tensor(photographs), device)
    if changes is None:
        return partial(_render_plain, pixels, input_format, device)
    colours = surround_colours(photographs) if surround is None else surround
    edits = _plan_edits(changes, as_tensor(colours), input_format, photographs.shape[1])
    return partial(_render_changed, pixels, edits, input_format, device)


def surround_colours(photographs: np.ndarray) -> np.ndarray:
    """Measure the colour of each photograph's corners in grey levels, float32 (B, 3)."""
    return np.stack([surround_colour(photograph) for photograph in photographs]).astype(np.float32)


def dihedral_views(images: Tensor) -> Iterator[Tensor]:
    """Yield the eight orientations of square images: the quarter turns of the images and of their mirror images.

    Args:
        images: (B, 3, S, S).

    Yields:
        Tensors of the same shape and memory format; the first is `images` itself.
    """
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    for each in (images, images.flip(3)):
        for quarters in range(4):
            yield torch.rot90(each, quarters, (2, 3)).contiguous(memory_format=memory_format)


def prediction_views(images: Tensor, *, tta: bool) -> Iterator[Tensor]:
    """Yield the views of images (B, 3, S, S) whose predictions are averaged: the images or, with `--tta`, all eight."""
    yield from dihedral_views(images) if tta else [images]


@dataclass(frozen=True)
class _Edits:
    """The changes of B photographs as tensors for the device.

    Args:
        tensors: Tensors by name. Always: `surround` (B, 3, 1, 1) in grey levels; `warp` (B, 2, 3) from pixels of the
            image to positions in the photograph; `colour` (B, 3, 3) from grey levels to channels in [0, 1]. If any
            photograph needs them: boxes `window` and `erased` (B, 4); `offset` (B, 3, 1, 1) of lit pixels; row numbers
            `blurred` (K,) with `sigma` (K, 2) in pixels; row numbers `noisy` (K,) with `deviation` (K, 1, 1, 1).
        reach: Radius of the blur's kernel in pixels.
        noise_seeds: Seeds (K,) of the noise of the noisy photographs.
    """

    tensors: Mapping[str, Tensor]
    reach: int
    noise_seeds: Sequence[int]

    def on(self, device: torch.device) -> Mapping[str, Tensor]:
        """Copy the tensors to a device."""
        return dict(zip(self.tensors, pack_to(device, list(self.tensors.values())), strict=True))


def _plan_edits(changes: Changes, surround: Tensor, input_format: InputFormat, extent: int) -> _Edits:
    """Convert changes of photographs of `extent` pixels to edits; changes that occur in no photograph are left out."""
    tensors = {
        "surround": surround[:, :, None, None],
        "warp": _invert(changes.geometry, input_format.side, extent),
        "colour": changes.colour[:, :, :3] / 255,
    }
    if (changes.window != torch.tensor([0.0, 0.0, 1.0, 1.0])).any():
        tensors["window"] = changes.window
    if (changes.erased[:, 2:] > changes.erased[:, :2]).any():
        tensors["erased"] = changes.erased
    offset = changes.colour[:, :, 3:, None]  # (B, 3, 1, 1)
    if offset.any():
        tensors["offset"] = offset
    if changes.blur.any():
        sigma = (changes.blur[changes.blur > 0] * input_format.side).clamp(min=MIN_SIGMA)
        tensors |= {"blurred": changes.blur.nonzero()[:, 0], "sigma": sigma[:, None].expand(-1, 2)}
    noisy = changes.noise.nonzero()[:, 0]
    if len(noisy):
        tensors |= {"noisy": noisy, "deviation": changes.noise[noisy, None, None, None]}
    return _Edits(tensors, math.ceil(3 * changes.max_blur * input_format.side), changes.noise_seeds[noisy].tolist())


def _invert(geometry: Tensor, side: int, extent: int) -> Tensor:
    """Matrices (B, 2, 3) from pixels (x, y, 1) of images to positions in [-1, 1] in the photographs.

    Args:
        geometry: Matrices (B, 3, 3) from pixels of photographs to their new positions in the photographs.
        side: Side of the images in pixels.
        extent: Side of the photographs in pixels.
    """
    to_photograph = torch.diag(torch.tensor([(extent - 1) / (side - 1)] * 2 + [1.0], dtype=torch.float64))
    to_positions = torch.tensor([[2 / (extent - 1), 0, -1], [0, 2 / (extent - 1), -1]], dtype=torch.float64)
    return (to_positions @ torch.linalg.inv(geometry.double()) @ to_photograph).float()


def _render_plain(photographs: Tensor, input_format: InputFormat, device: torch.device) -> Tensor:
    pixels = send(photographs, device).permute(0, 3, 1, 2).float()  # (B, 3, S, S)
    scaled = F.interpolate(pixels, (input_format.side, input_format.side), mode="bilinear", align_corners=True)
    return _normalise(scaled.div_(255), input_format)


def _render_changed(photographs: Tensor, edits: _Edits, input_format: InputFormat, device: torch.device) -> Tensor:
    tensors = edits.on(device)
    pixels = send(photographs, device).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    warped = _warp(pixels.sub_(tensors["surround"]), input_format.side, tensors).add_(tensors["surround"])
    return _normalise(_develop(warped, input_format.side, tensors, edits), input_format)


def _normalise(images: Tensor, input_format: InputFormat) -> Tensor:
    """Normalise images (B, 3, side, side) with channels in [0, 1], and put the channels last in memory."""
    last = images.contiguous(memory_format=torch.channels_last)
    mean, std = _rows(input_format, images.device)
    rows = last.permute(0, 2, 3, 1).view(len(last), input_format.side, -1)  # on a CPU faster than pixel by pixel
    rows.sub_(mean).div_(std)
    return last


def _warp(pixels: Tensor, side: int, tensors: Mapping[str, Tensor]) -> Tensor:
    """Warp pixels (B, 3, S, S) to (B, 3, side, side); pixels that are cut off or erased become zero."""
    if "window" in tensors:
        pixels.mul_(_inside(tensors["window"], pixels.shape[2]))
    steps = torch.arange(side, device=pixels.device, dtype=torch.float32)
    along_x, along_y, origin = tensors["warp"][..., None, None].unbind(2)  # each (B, 2, 1, 1)
    positions = along_x * steps + (along_y * steps[:, None] + origin)  # (B, 2, side, side)
    warped = F.grid_sample(pixels, positions.permute(0, 2, 3, 1), align_corners=True)
    if "erased" in tensors:
        warped.mul_(~_inside(tensors["erased"], side))
    return warped


def _develop(warped: Tensor, side: int, tensors: Mapping[str, Tensor], edits: _Edits) -> Tensor:
    """Apply colour, blur and noise to warped photographs (B, 3, side, side) in grey levels; channels become 0 to 1."""
    images = torch.bmm(tensors["colour"], warped.flatten(2)).view_as(warped)
    lit = _lit(warped) if "offset" in tensors or "noisy" in tensors else None
    if lit is not None and "offset" in tensors:
        images.addcmul_(tensors["offset"], lit)
    if "blurred" in tensors:
        _blur(images, tensors["blurred"], tensors["sigma"], edits.reach)
    if lit is not None and "noisy" in tensors:
        rows, noise = tensors["noisy"], _draw_noise(edits.noise_seeds, side, warped.device)
        images[rows] = torch.addcmul(images[rows], noise, tensors["deviation"] * lit[rows])
    return images.clamp_(0, 1)


def _blur(images: Tensor, rows: Tensor, sigma: Tensor, reach: int) -> None:
    """Blur the images with row numbers (K,) in place, with kernels of the same radius `reach`."""
    images[rows] = gaussian_blur2d(images[rows], 2 * reach + 1, sigma)


def _draw_noise(seeds: Sequence[int], side: int, device: torch.device) -> Tensor:
    """Draw standard normal noise (K, 3, side, side) from the device's generator, seeded for each photograph."""
    generator, shape = torch.Generator(device), (3, side, side)
    return torch.stack([torch.randn(shape, generator=generator.manual_seed(seed), device=device) for seed in seeds])


def _lit(pixels: Tensor) -> Tensor:
    """(B, 1, h, w): 0 for black and 1 for lit pixels (B, 3, h, w) in grey levels, and linear between."""
    return pixels.amax(1, keepdim=True).sub_(BLACK).div_(LIT - BLACK).clamp_(0, 1)


def _inside(boxes: Tensor, side: int) -> Tensor:
    """Mask (B, 1, side, side) of the pixels whose centre is in boxes (B, 4): left, top, right, bottom in [0, 1]."""
    centres = (torch.arange(side, device=boxes.device) + 0.5) / side
    left, top, right, bottom = boxes[:, :, None].unbind(1)  # each (B, 1)
    columns = (centres >= left) & (centres < right)  # (B, side)
    rows = (centres >= top) & (centres < bottom)
    return rows[:, None, :, None] & columns[:, None, None, :]


@lru_cache
def _rows(input_format: InputFormat, device: torch.device) -> Tensor:
    """Mean and standard deviation of each value in a row of pixels, (2, 3 side); copied to a device only once."""
    with torch.inference_mode(False):  # so that they can be used with and without gradients
        return torch.tensor([input_format.mean, input_format.std], device=device).repeat(1, input_format.side)
