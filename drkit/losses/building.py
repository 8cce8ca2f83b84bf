"""A loss from what was typed, and weights for grades that are rare."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.catalogue import LOSSES
from drkit.losses.base import Loss
from drkit.specs import parse_spec


def build_loss(spec: str) -> Loss:
    """Build the loss that is called, for example, `cross-entropy:smoothing=0.7:cost=0.5`.

    Raises:
        UsageError: an unknown loss or parameter, or a value off its range.
    """
    choice = parse_spec(LOSSES, "loss", spec)
    loss: Loss = LOSSES[choice.name].load()(**dict(choice.parameters))
    return loss


def grade_weights(counts: ArrayLike) -> NDArray[np.float64]:
    """Weights under which all grades that occur count the same together.

    Args:
        counts: (5,) how many training units have each grade.

    Returns:
        (5,) N / (G n_k) of the N units, G different grades, n_k of grade k: their mean over the units is 1. 0 for
        a grade that does not occur.
    """
    numbers = np.asarray(counts, dtype=np.float64)
    share = numbers.sum() / max(np.count_nonzero(numbers), 1)
    return np.divide(share, numbers, out=np.zeros_like(numbers), where=numbers > 0)
