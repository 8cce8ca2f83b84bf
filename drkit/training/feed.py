"""Batches of training units: the next one is prepared in a thread while the network learns from the current one."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from drkit.data.units import Batch, Units
from drkit.training.inputs import Inputs


@dataclass(frozen=True)
class PreparedBatch:
    """A batch after the CPU's part of the work.

    Args:
        batch: The units, photograph by photograph.
        inputs: Copies them to the device and returns the network's inputs (P, ...).
    """

    batch: Batch
    inputs: Callable[[], Tensor]


class Feed:
    """Prepares batches of training units ahead of time.

    Augmentation is seeded by the photographs' ids and the epoch, not by torch's generator, so that the result does
    not depend on when a batch is prepared.

    Args:
        inputs: Inputs by photograph.
        units: All units.
    """

    def __init__(self, inputs: Inputs, units: Units) -> None:
        self.inputs, self.units = inputs, units
        self._thread = ThreadPoolExecutor(1, "feed")
        self._ahead: dict[tuple[int, bytes], Future[PreparedBatch]] = {}

    def expect(self, batches: Iterable[np.ndarray], epoch: int) -> None:
        """Begin to prepare batches, each given by its units' numbers, and drop those that were not taken."""
        self._ahead = {(epoch, units.tobytes()): self._thread.submit(self._prepare, units, epoch) for units in batches}

    def take(self, units: np.ndarray, epoch: int) -> PreparedBatch:
        """The batch of these units: waits for it if it is being prepared, else prepares it now."""
        expected = self._ahead.pop((epoch, units.tobytes()), None)
        return expected.result() if expected else self._prepare(units, epoch)

    def _prepare(self, units: np.ndarray, epoch: int) -> PreparedBatch:
        batch = self.units.batch(units)
        return PreparedBatch(batch, self.inputs.prepare(batch.rows, epoch))
