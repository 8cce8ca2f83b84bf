"""The number of parameters and multiply-adds of a network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from drkit.data.units import UnitIndex
from drkit.models.grader import Grader


@dataclass(frozen=True)
class Cost:
    """Number of parameters, and of multiply-adds for one photograph.

    Args:
        parameters: Parameters of the complete network.
        added_parameters: Parameters of the attention blocks.
        multiply_adds: Multiply-adds of matrix products and convolutions; sums and gates are not counted.
        added_multiply_adds: Multiply-adds of the attention blocks.
    """

    parameters: int
    added_parameters: int
    multiply_adds: int
    added_multiply_adds: int

    def __str__(self) -> str:
        """Describe the cost of attention as a clause of a sentence."""
        return (
            f"attention adds {_large(self.added_parameters)} parameters to"
            f" {_large(self.parameters - self.added_parameters)}, and {_large(self.added_multiply_adds)} multiply-adds"
            f" per photograph to {_large(self.multiply_adds - self.added_multiply_adds)}"
        )


def measure_cost(grader: Grader, side: int) -> Cost:
    """Measure the cost of a grader and its attention on one photograph of `side` pixels."""
    device = next(grader.parameters()).device
    image, index = torch.zeros(1, 3, side, side, device=device), UnitIndex.alone(1, device)
    was_training = grader.training
    grader.eval()
    with torch.no_grad():  # in inference mode, products are not counted
        maps = grader.maps(image, index)
        total = _count_multiply_adds(grader, image)
        added = _count_multiply_adds(grader.attention, maps)
    grader.train(was_training)
    return Cost(_num_parameters(grader), _num_parameters(grader.attention), total, added)


def _count_multiply_adds(module: nn.Module, inputs: Tensor) -> int:
    """Count multiply-adds as half the number of floating-point operations, which are multiplications and additions."""
    with FlopCounterMode(display=False) as counter:
        module(inputs)
    return counter.get_total_flops() // 2


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _large(number: int) -> str:
    """Format a number as `1.64 million` or `82,320`."""
    return f"{number / 1e6:,.2f} million" if number >= 1e6 else f"{number:,}"
