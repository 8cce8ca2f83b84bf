"""Gaussian blur of tensors, on any device."""

import torch
from torch import Tensor
from torch.nn import functional as F


def blur(planes: Tensor, sigma: float) -> Tensor:
    """Blur planes (N, h, w) with a Gaussian of `sigma` pixels, cut at three of them; beyond the border all is zero."""
    reach = round(3 * sigma)
    places = torch.arange(-reach, reach + 1, dtype=planes.dtype, device=planes.device)
    kernel = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    rows = F.conv2d(planes[:, None].contiguous(), kernel[None, None, None], padding=(0, reach))
    return F.conv2d(rows, kernel[None, None, :, None], padding=(reach, 0))[:, 0]
