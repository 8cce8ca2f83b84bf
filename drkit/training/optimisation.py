"""The optimiser and its learning rate."""

import math

from torch import nn
from torch.optim import AdamW, Optimizer

WARM_UP_SHARE = 0.1  # of the steps
FLOOR = 0.02  # of the highest learning rate, where the cosine ends


def build_optimizer(module: nn.Module, lr: float, weight_decay: float) -> Optimizer:
    """AdamW; biases and norms (tensors of one axis) are not decayed."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=lr)


def learning_rate(progress: float, highest: float) -> float:
    """Linear warm-up, then a cosine down to `FLOOR`.

    Args:
        progress: Share of all steps that are done, in [0, 1].
        highest: The rate at the end of the warm-up.

    Source: Loshchilov and Hutter 2017, SGDR, eq. 5, a single period.
    """
    if progress < WARM_UP_SHARE:
        return highest * max(progress / WARM_UP_SHARE, FLOOR)
    done = (progress - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return highest * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Let every group of parameters step at `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate
