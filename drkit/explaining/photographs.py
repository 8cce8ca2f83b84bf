"""Photographs as input of the network, as pictures for people, and blurred inside their discs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from drkit.data.rendering import InputFormat, render
from drkit.images.disc import Box, NoDiscError, cut_square, find_disc, square_frame
from drkit.images.files import Photograph, decode_photograph, read_content
from drkit.images.filters import apply_steps
from drkit.machine import allowed_cpus
from drkit.records.provenance import sha256_bytes

PICTURE_SIDE = 384  # pixels of a photograph in a picture
BLUR = 1 / 16  # of the side: sigma of the blur that removes detail


@dataclass(frozen=True, kw_only=True)
class View:
    """A photograph, read once.

    Args:
        pixels: uint8 (S, S, 3) RGB, as in a photograph bank.
        picture: uint8 (PICTURE_SIDE, PICTURE_SIDE, 3) RGB, the same square as a picture for people.
        disc: (PICTURE_SIDE, PICTURE_SIDE) bool, the fundus disc; all true if no disc is found.
        has_disc: Whether a disc was found.
        frame: The part of the photograph that was scaled to a square.
        shape: Height and width of the photograph in pixels.
        sha256: SHA-256 of the file.
    """

    pixels: Photograph
    picture: Photograph
    disc: NDArray[np.bool_]
    has_disc: bool
    frame: Box
    shape: tuple[int, int]
    sha256: str


def read_views(
    paths: Sequence[Path],
    side: int,
    steps: Sequence[str],
    workers: int | None = None,
    *,
    round_discs: bool = False,
) -> list[View]:
    """Read photographs in threads.

    Args:
        paths: Files of the photographs.
        side: Side of `View.pixels`.
        steps: Preprocessing steps to apply to the photographs.
        workers: Number of threads. None: one per core.
        round_discs: Whether to scale photographs whose discs are ellipses so that the discs are circles.

    Raises:
        InputError: a photograph that cannot be read.
    """
    with ThreadPoolExecutor(workers or allowed_cpus()) as pool:
        return list(pool.map(partial(read_view, side=side, steps=steps, round_discs=round_discs), paths))


def read_view(path: Path, side: int, steps: Sequence[str] = (), *, round_discs: bool = False) -> View:
    """Read one photograph; see `read_views`."""
    content = read_content(path)
    photograph = apply_steps(decode_photograph(content, str(path)), steps)
    frame = square_frame(photograph, round_disc=round_discs)
    picture = cut_square(photograph, frame, PICTURE_SIDE)
    try:
        disc, has_disc = find_disc(picture).mask(PICTURE_SIDE, PICTURE_SIDE), True
    except NoDiscError:
        disc, has_disc = np.ones((PICTURE_SIDE, PICTURE_SIDE), dtype=bool), False
    return View(
        pixels=cut_square(photograph, frame, side),
        picture=picture,
        disc=disc,
        has_disc=has_disc,
        frame=frame,
        shape=photograph.shape[:2],
        sha256=sha256_bytes(content),
    )


def render_views(views: Sequence[View], input_format: InputFormat, device: torch.device) -> tuple[Tensor, Tensor]:
    """Render photographs as normalised images (P, 3, S, S), with their discs (P, S, S) bool."""
    images = render(np.stack([view.pixels for view in views]), input_format, device)
    discs = np.stack([shrink_mask(view.disc, input_format.side) for view in views])
    return images, torch.from_numpy(discs).to(device)


def shrink_mask(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Shrink a mask (H, H) to (side, side): pixels at least half of which are inside."""
    return cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) >= 0.5


def blur_discs(images: Tensor, discs: Tensor) -> Tensor:
    """Blur images (P, 3, S, S) inside the discs (P, S, S), without mixing in pixels outside, which stay unchanged."""
    sigma = images.shape[-1] * BLUR
    inside = discs[:, None].to(images.dtype)
    blurred = _blurred(images * inside, sigma) / _blurred(inside, sigma).clamp(min=1e-6)
    return torch.where(discs[:, None], blurred, images).contiguous(memory_format=torch.channels_last)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    return blur(images.flatten(0, 1), sigma).reshape(images.shape)


def blur(planes: Tensor, sigma: float) -> Tensor:
    """Blur planes (N, h, w) with a Gaussian of `sigma` pixels, truncated at 3 sigma; pixels beyond the border are 0."""
    reach = round(3 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    rows = F.conv2d(planes[:, None].contiguous(), kernel[None, None, None], padding=(0, reach))
    return F.conv2d(rows, kernel[None, None, :, None], padding=(reach, 0))[:, 0]
