"""From the CPU to the device that computes, in few copies that it need not wait for."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ALIGNMENT = 8  # bytes, of the widest numbers


def pack_to(device: torch.device, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Small tensors on the CPU to a device, in a single copy.

    Args:
        device: Where they go; the CPU gets the tensors themselves.
        tensors: Of any types and shapes.
    """
    if device.type == "cpu":
        return list(tensors)
    parts = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in tensors]
    padded = [F.pad(part, (0, -len(part) % ALIGNMENT)) for part in parts]
    moved = send(torch.cat(padded), device).split([len(part) for part in padded])
    return [
        whole[: len(part)].view(tensor.dtype).view(tensor.shape)
        for whole, part, tensor in zip(moved, parts, tensors, strict=True)
    ]


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor to a device; a GPU's work that is under way is not waited for."""
    return pin(tensor, device).to(device, non_blocking=True)


def pin(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor where CUDA can copy it from while it computes; for other devices the tensor itself."""
    return tensor.pin_memory() if device.type == "cuda" and not tensor.is_pinned() else tensor


def as_tensor(numbers: np.ndarray) -> Tensor:
    """A tensor of the same memory where it is contiguous."""
    return torch.from_numpy(np.ascontiguousarray(numbers))
