"""The optimiser, its learning rate, and the running average of the weights."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel

from drkit.models.grader import Grader
from drkit.training.config import LearningOptions

WARM_UP_SHARE = 0.1  # of the steps
FLOOR = 0.02  # of the highest learning rate, where the cosine ends


def build_optimizer(grader: Grader, config: LearningOptions) -> Optimizer:
    """The optimiser of every parameter that learns; biases and norms (tensors of one axis) are not decayed.

    Each group carries `scale`, its share of the learning rate: 1 for the head, and `--layer-decay` to the power of
    the distance from it, in stages, below.
    """
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in grader.named_parameters():
        if parameter.requires_grad:
            key = (config.layer_decay ** grader.depth_below_head(name), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    settings = [
        {"params": members, "scale": scale, "weight_decay": config.weight_decay if decays else 0.0}
        for (scale, decays), members in sorted(groups.items(), key=lambda item: item[0])
    ]
    if config.optimizer == "sgd":
        return SGD(settings, lr=config.lr, momentum=0.9, nesterov=True)
    return AdamW(settings, lr=config.lr)


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
    """Let every group of parameters step at its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def build_average(module: nn.Module, steps_an_epoch: int) -> AveragedModel:
    """A running average of a module's weights and statistics that forgets within an epoch.

    The first steps count more, as 1 / (1 + steps), so that the average does not hang on where it started.

    Source: Tarvainen and Valpola 2017, Mean teachers, section 2.
    """
    slowest = math.exp(-1 / steps_an_epoch)

    def average(kept: Sequence[Tensor], new: Sequence[Tensor], num_averaged: Tensor | int) -> None:
        decay = min(slowest, 1 - 1 / (1 + int(num_averaged)))
        for ours, theirs in zip(kept, new, strict=True):
            if ours.is_floating_point():
                ours.lerp_(theirs, 1 - decay)
            else:  # counts of batches
                ours.copy_(theirs)

    return AveragedModel(module, multi_avg_fn=torch.no_grad()(average), use_buffers=True)
