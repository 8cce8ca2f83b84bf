"""Copy tensors from the CPU to the computing device, asynchronously and in few copies."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

ALIGNMENT = 8  # bytes: the size of the widest numbers


def pack_to(device: torch.device, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Send small tensors from the CPU to a device in a single copy.

    Args:
        device: Target device; for the CPU, the tensors themselves are returned.
        tensors: Tensors of any types and shapes.
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
    """Send a tensor to a device, without waiting for the work of a GPU."""
    return pin(tensor, device).to(device, non_blocking=True)


def pin(tensor: Tensor, device: torch.device) -> Tensor:
    """Put a tensor into memory from which CUDA can copy while it computes; unchanged for other devices."""
    return tensor.pin_memory() if device.type == "cuda" and not tensor.is_pinned() else tensor


def as_tensor(numbers: np.ndarray) -> Tensor:
    """Convert an array to a tensor, which shares its memory if the array is contiguous and writeable."""
    return torch.from_numpy(np.require(numbers, requirements=("C", "W")))
