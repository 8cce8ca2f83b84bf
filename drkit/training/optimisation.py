"""The optimiser, its learning rate, and the running average of the weights."""

import math
from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from drkit.config.training_options import LearningOptions
from drkit.models.grader import Grader

WARM_UP_SHARE = 0.1  # share of the steps that warm up
FLOOR = 0.02  # final learning rate as a share of the highest


def build_optimizer(grader: Grader, config: LearningOptions) -> Optimizer:
    """Build the optimiser of all trainable parameters; biases and norms (one-dimensional) have no weight decay.

    Each parameter group has a `scale` that multiplies its learning rate: 1 for the head, and below it `--layer-decay`
    to the power of the distance in stages.
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
    """Learning rate of a linear warm-up followed by a cosine decay to `FLOOR` times the highest rate.

    Args:
        progress: Share of all steps that are finished, in [0, 1].
        highest: Learning rate at the end of the warm-up.

    Source: Loshchilov and Hutter 2017, SGDR, eq. 5, a single period.
    """
    if progress < WARM_UP_SHARE:
        return highest * max(progress / WARM_UP_SHARE, FLOOR)
    decayed = (progress - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return highest * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * decayed)) / 2)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group to `rate` times its scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


class RunningAverage:
    """Exponential moving average of a module's parameters and buffers, with a time constant of one epoch.

    In the first steps, the new tensors have weight 1 / (1 + steps), so that the initial tensors are forgotten.

    Args:
        module: The module to average, whose tensors must stay the same objects; the average is kept in a copy of it.
        steps_an_epoch: Number of steps after which the weight of a past state has fallen to 1 / e.

    Source: Tarvainen and Valpola 2017, Mean teachers, section 2.
    """

    def __init__(self, module: nn.Module, steps_an_epoch: int) -> None:
        self.module = deepcopy(module)
        self.num_averaged = 0
        self._slowest = math.exp(-1 / steps_an_epoch)
        self._means, self._copies = _split(self.module)
        self._averaged, self._copied = _split(module)

    @torch.no_grad()
    def update(self) -> None:
        """Add the module's current tensors to the average; counts are copied."""
        decay = min(self._slowest, 1 - 1 / (1 + self.num_averaged))
        torch._foreach_lerp_(self._means, self._averaged, 1 - decay)
        if self._copies:
            torch._foreach_copy_(self._copies, self._copied)
        self.num_averaged += 1

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged tensors and the number of averaged steps."""
        tensors = {f"module.{name}": tensor for name, tensor in self.module.state_dict().items()}
        return {"n_averaged": torch.tensor(self.num_averaged), **tensors}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the output of `state_dict`."""
        self.num_averaged = int(state["n_averaged"])
        self.module.load_state_dict({name: state[f"module.{name}"] for name in self.module.state_dict()})


def _split(module: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The floating-point tensors of a module, and the others, such as counts."""
    tensors = [*module.parameters(), *module.buffers()]
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    return floating, [tensor for tensor in tensors if not tensor.is_floating_point()]
