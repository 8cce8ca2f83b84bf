"""What a network costs: parameters and multiply-adds."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from drkit.data.units import UnitIndex
from drkit.models.grader import Grader


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds of one photograph.

    Args:
        parameters: Of the whole network.
        added_parameters: Those of them in attention.
        multiply_adds: Of matrix products and convolutions; sums and gates are not counted.
        added_multiply_adds: Those of them in attention.
    """

    parameters: int
    added_parameters: int
    multiply_adds: int
    added_multiply_adds: int

    def __str__(self) -> str:
        """In a sentence's words."""
        return (
            f"attention adds {_large(self.added_parameters)} parameters to"
            f" {_large(self.parameters - self.added_parameters)}, and {_large(self.added_multiply_adds)} multiply-adds"
            f" a photograph to {_large(self.multiply_adds - self.added_multiply_adds)}"
        )


def measure_cost(grader: Grader, side: int) -> Cost:
    """Count what a grader and its attention cost, on one photograph of `side` pixels."""
    device = next(grader.parameters()).device
    image, places = torch.zeros(1, 3, side, side, device=device), UnitIndex.alone(1, device)
    was_training = grader.training
    grader.eval()
    with torch.no_grad():  # in inference mode products are not seen
        maps = grader.maps(image, places)
        whole = _count(grader, image)
        added = _count(grader.attention, maps)
    grader.train(was_training)
    return Cost(_num_parameters(grader), _num_parameters(grader.attention), whole, added)


def _count(module: nn.Module, inputs: Tensor) -> int:
    """Multiply-adds: a floating-point operation is a multiplication or an addition."""
    with FlopCounterMode(display=False) as counter:
        module(inputs)
    return counter.get_total_flops() // 2


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _large(number: int) -> str:
    """`1.64 million`, `82,320`."""
    return f"{number / 1e6:,.2f} million" if number >= 1e6 else f"{number:,}"
