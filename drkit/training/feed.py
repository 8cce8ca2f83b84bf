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
    """A batch that has been prepared on the CPU.

    Args:
        batch: The photographs of the batch's units.
        inputs: Copies the photographs to the device and returns the network's inputs (P, ...).
    """

    batch: Batch
    inputs: Callable[[], Tensor]


class Feed:
    """Prepares batches of training units ahead of time.

    Augmentation is seeded by the photographs' ids and the epoch, not by torch's generator. Therefore, the result does
    not depend on when a batch is prepared.

    Args:
        inputs: Inputs of the photographs.
        units: All units.
    """

    def __init__(self, inputs: Inputs, units: Units) -> None:
        self.inputs, self.units = inputs, units
        self._thread = ThreadPoolExecutor(1, "feed")
        self._ahead: dict[tuple[int, bytes], Future[PreparedBatch]] = {}

    def expect(self, batches: Iterable[np.ndarray], epoch: int) -> None:
        """Start to prepare batches, each given by its units' numbers, and drop earlier batches that were not taken."""
        self._ahead = {(epoch, units.tobytes()): self._thread.submit(self._prepare, units, epoch) for units in batches}

    def take(self, units: np.ndarray, epoch: int) -> PreparedBatch:
        """Return the batch of these units: wait for it if it is being prepared, otherwise prepare it now."""
        expected = self._ahead.pop((epoch, units.tobytes()), None)
        return expected.result() if expected else self._prepare(units, epoch)

    def _prepare(self, units: np.ndarray, epoch: int) -> PreparedBatch:
        batch = self.units.batch(units)
        return PreparedBatch(batch, self.inputs.prepare(batch.rows, epoch))
