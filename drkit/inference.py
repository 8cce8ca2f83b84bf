"""From photographs to answers: probabilities and a score a unit."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from drkit.data.units import Units
from drkit.decisions import GradePredictions
from drkit.losses import FloatArray, Loss
from drkit.models.grader import Grader

BATCH_SIZE = 32  # photographs; on two cores the fastest: see tests/benchmarks/inference.py
Views = Callable[[np.ndarray], Iterable[Tensor]]  # row numbers (P,) to inputs (P, ...), once a view


@dataclass(frozen=True)
class Outputs:
    """What a network gives for B units of P photographs.

    Args:
        logits: float32 (V, B, num_outputs), of V views of the same photographs.
        activations: float16 (P, F), of the first view, unit by unit.
        rows: (P,) row numbers of the photographs.
    """

    logits: FloatArray
    activations: FloatArray
    rows: np.ndarray

    def read(self, loss: Loss, sigma: float) -> GradePredictions:
        """The mean over the views of what the loss takes the logits to mean; `sigma` is a regression's residual."""
        return GradePredictions.mean([read_answers(loss, logits, sigma) for logits in self.logits])


def in_batches(rows: np.ndarray, batch_size: int = BATCH_SIZE) -> Iterator[np.ndarray]:
    """Cut row numbers into batches of nearly equal size, none above `batch_size`."""
    if len(rows):
        yield from np.array_split(rows, -(-len(rows) // batch_size))


def run_units(grader: Grader, views: Views, units: Units, numbers: np.ndarray) -> Outputs:
    """Run a grader over units.

    Args:
        grader: Takes what the views give.
        views: Inputs of photographs, never augmented.
        units: All units of the data set.
        numbers: (B,) of those to be graded, at least one.
    """
    grader.eval()
    device = next(grader.parameters()).device
    logits, activations, rows = [], [], []
    with torch.inference_mode():
        for some in in_batches(numbers, max(BATCH_SIZE // units.num_slots, 1)):
            batch = units.batch(some)
            places = batch.places.to(device)
            seen = [grader.answer(inputs, places)[:2] for inputs in views(batch.rows)]
            logits.append(np.stack([found.float().cpu().numpy() for found, _ in seen]))
            activations.append(seen[0][1].half().cpu().numpy())
            rows.append(batch.rows)
    return Outputs(np.concatenate(logits, 1), np.concatenate(activations), np.concatenate(rows))


def read_answers(loss: Loss, logits: FloatArray, sigma: float) -> GradePredictions:
    """Read logits (N, num_outputs) as the loss means them; `sigma` is a regression's residual."""
    logits = logits.astype(np.float64)
    return GradePredictions(loss.probabilities(logits, sigma), loss.score(logits))
