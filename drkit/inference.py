"""Run a network over photographs: probabilities and a score for each unit."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from drkit.batching import BATCH_SIZE, BatchSize, in_batches, map_batches
from drkit.data.stream import PhotographStream
from drkit.data.units import Units
from drkit.decisions import GradePredictions
from drkit.images.files import Photograph
from drkit.losses import FloatArray, Loss
from drkit.models.grader import Grader
from drkit.progress import track

Autocast = Callable[[], AbstractContextManager[object]]  # the precision that a network runs in
Views = Callable[[np.ndarray], Iterable[Tensor]]  # from row numbers (P,) to the inputs (P, ...) of each view
# From row numbers (P,) and photographs uint8 (P, S, S, 3) to the inputs (P, ...) of each view.
Render = Callable[[np.ndarray, np.ndarray], Iterable[Tensor]]


@dataclass(frozen=True)
class Outputs:
    """The outputs of a network for B units of P photographs.

    Args:
        logits: float32 (V, B, num_outputs), of V views of the same photographs.
        activations: float16 (P, F), of the first view, unit by unit.
        rows: (P,) row numbers of the photographs.
    """

    logits: FloatArray
    activations: FloatArray
    rows: np.ndarray

    @classmethod
    def join(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """Join the outputs of one network for several batches of units."""
        logits = np.concatenate([part.logits for part in parts], 1)
        activations, rows = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("activations", "rows")
        )
        return cls(logits, activations, rows)

    def without_activations(self) -> "Outputs":
        """Return the outputs with activations (P, 0)."""
        return replace(self, activations=self.activations[:, :0].copy())

    def predictions(self, loss: Loss, sigma: float) -> GradePredictions:
        """Convert the logits of B units by `Loss.predictions`, and average the results over the views."""
        return GradePredictions.mean([loss.predictions(logits, sigma) for logits in self.logits])


def units_per_batch(units: Units) -> BatchSize:
    """Number of units that a grader is run on at a time."""
    return BatchSize(max(BATCH_SIZE // units.num_slots, 1))


def run_units(
    grader: Grader,
    views: Views,
    units: Units,
    numbers: np.ndarray,
    autocast: Autocast = nullcontext,
    batch_size: BatchSize | None = None,
) -> Outputs:
    """Run a grader over units, in smaller batches when memory runs out.

    Args:
        grader: Takes the inputs of the views.
        views: Inputs of photographs, without augmentation.
        units: All units of the data set.
        numbers: (B,) numbers of the units to predict, at least one.
        autocast: The precision; by default that of the weights.
        batch_size: Units in a batch, halved in place; None: `units_per_batch`.

    Raises:
        UsageError: not even one unit fits in memory.
    """
    grader.eval()
    device = next(grader.parameters()).device

    def run(some: np.ndarray) -> tuple[FloatArray, FloatArray, np.ndarray]:
        batch = units.batch(some)
        index, logits, activations = batch.index.to(device), [], []
        for inputs in views(batch.rows):
            with autocast():
                view_logits, view_activations, _ = grader.compute_outputs(inputs, index)
            logits.append(view_logits.float().cpu().numpy())
            activations.append(view_activations)
        return np.stack(logits), activations[0].half().cpu().numpy(), batch.rows

    with torch.inference_mode():
        batches = map_batches(run, numbers, batch_size or units_per_batch(units))
        logits, activations, rows = zip(*(result for _, result in batches), strict=True)
    return Outputs(np.concatenate(logits, 1), np.concatenate(activations), np.concatenate(rows))


def stream_units(
    networks: Sequence[tuple[Grader, Render]],
    stream: PhotographStream,
    units: Units,
    numbers: np.ndarray,
    autocast: Autocast = nullcontext,
    *,
    keep_going: bool = False,
) -> Iterator[tuple[np.ndarray, list[Outputs]]]:
    """Run graders over units, batch by batch, while the photographs of the next batches are decoded.

    Args:
        networks: Graders on one device, each with the function that renders its inputs without augmentation.
        stream: The data set's photographs.
        units: All units of the data set.
        numbers: (B,) numbers of the units to predict, at least one.
        autocast: The precision; by default that of the weights.
        keep_going: Whether to continue after a photograph that cannot be read; otherwise, the others are only decoded,
            so that `stream.errors` has all errors.

    Yields:
        Numbers of the units of a batch, and the outputs of each grader for them, without units that have a photograph
        that cannot be read.

    Raises:
        UsageError: not even one unit fits in memory.
    """
    size = units_per_batch(units)
    batches = list(in_batches(numbers, size.limit))
    decoded = stream.read([units.batch(batch).rows for batch in batches])
    for batch, photographs in zip(batches, track(decoded, "grading photographs", len(batches)), strict=True):
        complete = np.array([number for number in batch if all(row in photographs for row in units.rows_of[number])])
        if not len(complete) or (stream.errors and not keep_going):
            continue

        yield (
            complete,
            [
                run_units(grader, partial(_render_rows, render, photographs), units, complete, autocast, size)
                for grader, render in networks
            ],
        )


def _render_rows(render: Render, photographs: Mapping[int, Photograph], rows: np.ndarray) -> Iterable[Tensor]:
    return render(rows, np.stack([photographs[row] for row in rows.tolist()]))
