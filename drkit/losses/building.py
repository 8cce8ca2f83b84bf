"""Build losses from their specs, and compute the weights of the grades."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit.catalogue import LOSSES
from drkit.losses.base import Loss
from drkit.specs import parse_spec


def build_loss(spec: str) -> Loss:
    """Build a loss from its spec, for example `cross-entropy:smoothing=0.7:cost=0.5`.

    Raises:
        UsageError: the loss or a parameter is unknown, or a value is out of range.
    """
    parsed = parse_spec(LOSSES, "loss", spec)
    loss: Loss = LOSSES[parsed.name].load()(**dict(parsed.parameters))
    return loss


def grade_weights(counts: ArrayLike) -> NDArray[np.float64]:
    """Compute weights that give all grades that occur the same total weight.

    Args:
        counts: (5,) number of training units of each grade.

    Returns:
        (5,) weight N / (G n_k) of grade k, for N units, G grades that occur, and n_k units of grade k; 0 for a grade
        that does not occur. The mean weight of the units is 1.
    """
    units = np.asarray(counts, dtype=np.float64)
    units_per_grade = units.sum() / max(np.count_nonzero(units), 1)
    return np.divide(units_per_grade, units, out=np.zeros_like(units), where=units > 0)
