"""From photographs to answers: probabilities and a score a photograph."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from drkit.losses import FloatArray, Loss

BATCH_SIZE = 32  # on two cores the fastest; see tests/benchmarks/inference.py


@dataclass(frozen=True)
class Answers:
    """What a grader says of N photographs.

    Args:
        probabilities: (N, 5), rows summing to 1.
        score: (N,) in [0, 4].
    """

    probabilities: FloatArray
    score: FloatArray


def in_batches(rows: np.ndarray, batch_size: int = BATCH_SIZE) -> Iterator[np.ndarray]:
    """Cut row numbers into batches of nearly equal size, none above `batch_size`."""
    if len(rows):
        yield from np.array_split(rows, -(-len(rows) // batch_size))


def run_network(network: nn.Module | Callable[[Tensor], Tensor], batches: Iterator[Tensor]) -> FloatArray:
    """Outputs of a network in evaluation mode, joined.

    Args:
        network: A module, or a method of one that is in evaluation mode.
        batches: Inputs.

    Returns:
        float32 (N, ...).
    """
    if isinstance(network, nn.Module):
        network.eval()
    with torch.inference_mode():
        outputs = [network(batch).float().cpu().numpy() for batch in batches]
    return np.concatenate(outputs)


def read_answers(loss: Loss, logits: FloatArray, sigma: float) -> Answers:
    """Read logits (N, num_outputs) as the loss means them; `sigma` is a regression's residual."""
    logits = logits.astype(np.float64)
    return Answers(loss.probabilities(logits, sigma), loss.score(logits))
