"""From the bank's photographs to a network's images: one warp and one colour product per batch."""

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

# Grey levels of a pixel's brightest channel: up to the first it is the black about the fundus, whatever JPEG made of
# it; from the second on it is lit.
BLACK, LIT = 4, 68
MIN_SIGMA = 0.05  # pixels; a Gaussian that narrow is a single 1, which Kornia before 0.9 works out as 0 / 0


@dataclass(frozen=True)
class InputFormat:
    """The input that a network expects.

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
    input_format: InputFormat,
    device: torch.device,
    changes: Changes | None = None,
) -> Tensor:
    """Scale, change and normalise photographs into images.

    Args:
        photographs: uint8 (B, S, S, 3) RGB.
        input_format: Side and normalisation of the images.
        device: Where the work is done and the images stay.
        changes: From `drkit.data.augmentation.draw`; None: unchanged. What a change uncovers, cuts off or erases
            takes the colour of the photograph's own corners, and no channel leaves [0, 1] before normalisation.

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
        photographs: As `render`.
        input_format: As `render`.
        device: As `render`.
        changes: As `render`.
        surround: float32 (B, 3), from `surround_colours`, where it is known already.
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
    """The eight orientations of a square: four quarter turns, and those of the mirror image.

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


@dataclass(frozen=True)
class _Edits:
    """The changes as tensors for the device, with all decisions made.

    Args:
        tensors: By name. Of all B photographs `surround` (B, 3, 1, 1) in grey levels, `warp` (B, 2, 3) from pixels of
            the image to places in the photograph, and `colour` (B, 3, 3) from grey levels to channels in [0, 1]. Where
            any photograph needs it: `window` and `erased`, boxes (B, 4), and `offset` (B, 3, 1, 1) of what is lit. Of
            some rows: `blurred` with their `sigma` (K, 2) in pixels, `noisy` with their `deviation` (K, 1, 1, 1).
        reach: Of the blur's kernel, in pixels.
        noise_seeds: Seed of each of the noisy photographs' noise.
    """

    tensors: Mapping[str, Tensor]
    reach: int
    noise_seeds: Sequence[int]

    def on(self, device: torch.device) -> Mapping[str, Tensor]:
        """The tensors on a device."""
        return dict(zip(self.tensors, pack_to(device, list(self.tensors.values())), strict=True))


def _plan_edits(changes: Changes, surround: Tensor, input_format: InputFormat, extent: int) -> _Edits:
    """Plan the edits of photographs of `extent` pixels; photographs without an edit cost no time."""
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
    """Matrices (B, 2, 3) from pixels (x, y, 1) of images of `side` pixels to places in [-1, 1] in the photographs.

    Args:
        geometry: (B, 3, 3) from pixels of photographs to their new places in photographs.
        side: Of the images in pixels.
        extent: Of the photographs in pixels.
    """
    to_photograph = torch.diag(torch.tensor([(extent - 1) / (side - 1)] * 2 + [1.0], dtype=torch.float64))
    to_places = torch.tensor([[2 / (extent - 1), 0, -1], [0, 2 / (extent - 1), -1]], dtype=torch.float64)
    return (to_places @ torch.linalg.inv(geometry.double()) @ to_photograph).float()


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
    """Normalise channels in [0, 1] (B, 3, side, side), and put them last in memory."""
    last = images.contiguous(memory_format=torch.channels_last)
    mean, std = _rows(input_format, images.device)
    rows = last.permute(0, 2, 3, 1).view(len(last), input_format.side, -1)  # on a CPU faster than pixel by pixel
    rows.sub_(mean).div_(std)
    return last


def _warp(pixels: Tensor, side: int, tensors: Mapping[str, Tensor]) -> Tensor:
    """Warp, and cut off and erase to zero: (B, 3, side, side)."""
    if "window" in tensors:
        pixels.mul_(_inside(tensors["window"], pixels.shape[2]))
    steps = torch.arange(side, device=pixels.device, dtype=torch.float32)
    along_x, along_y, origin = tensors["warp"][..., None, None].unbind(2)  # each (B, 2, 1, 1)
    places = along_x * steps + (along_y * steps[:, None] + origin)  # (B, 2, side, side)
    warped = F.grid_sample(pixels, places.permute(0, 2, 3, 1), align_corners=True)
    if "erased" in tensors:
        warped.mul_(~_inside(tensors["erased"], side))
    return warped


def _develop(warped: Tensor, side: int, tensors: Mapping[str, Tensor], edits: _Edits) -> Tensor:
    """Colour, blur and noise: channels in [0, 1] of warped photographs (B, 3, side, side) in grey levels."""
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
    """Blur some rows in place; the kernel reaches as far for each of them."""
    images[rows] = gaussian_blur2d(images[rows], 2 * reach + 1, sigma)


def _draw_noise(seeds: Sequence[int], side: int, device: torch.device) -> Tensor:
    """Draw standard normal noise (K, 3, side, side) from the device's generator, seeded for each photograph."""
    generator, shape = torch.Generator(device), (3, side, side)
    return torch.stack([torch.randn(shape, generator=generator.manual_seed(seed), device=device) for seed in seeds])


def _lit(pixels: Tensor) -> Tensor:
    """(B, 1, h, w): 0 where grey levels (B, 3, h, w) are black, 1 where they are not, with a ramp between."""
    return pixels.amax(1, keepdim=True).sub_(BLACK).div_(LIT - BLACK).clamp_(0, 1)


def _inside(boxes: Tensor, side: int) -> Tensor:
    """(B, 1, side, side) bool: pixels whose centre lies in boxes (B, 4) of left, top, right, bottom, as shares."""
    centres = (torch.arange(side, device=boxes.device) + 0.5) / side
    left, top, right, bottom = boxes[:, :, None].unbind(1)  # each (B, 1)
    columns = (centres >= left) & (centres < right)  # (B, side)
    rows = (centres >= top) & (centres < bottom)
    return rows[:, None, :, None] & columns[:, None, None, :]


@lru_cache
def _rows(input_format: InputFormat, device: torch.device) -> Tensor:
    """Mean and standard deviation of each number in a row of pixels, (2, 3 side); sent to a device once."""
    with torch.inference_mode(False):  # for batches of either kind
        return torch.tensor([input_format.mean, input_format.std], device=device).repeat(1, input_format.side)
