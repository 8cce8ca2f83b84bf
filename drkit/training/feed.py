"""Batches for the network: the next one is prepared in a thread while this one is learned from."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from drkit.data.units import Batch, Units
from drkit.training.inputs import Inputs


@dataclass(frozen=True)
class PreparedBatch:
    """Units as the CPU has made them ready.

    Args:
        batch: The units, photograph by photograph.
        inputs: Sends them to the device and makes inputs (P, ...) there.
    """

    batch: Batch
    inputs: Callable[[], Tensor]


class Feed:
    """Prepares batches of training units.

    What is random in a batch comes from its photographs' names and the epoch, never from a generator that the network
    draws from, too; so it does not matter when it is prepared.

    Args:
        inputs: Of the inputs.
        units: All units.
    """

    def __init__(self, inputs: Inputs, units: Units) -> None:
        self.inputs, self.units = inputs, units
        self._thread = ThreadPoolExecutor(1, "feed")
        self._ahead: dict[tuple[int, bytes], Future[PreparedBatch]] = {}

    def expect(self, batches: Iterable[np.ndarray], epoch: int) -> None:
        """Begin to prepare the batches of these units, and drop whatever was prepared in vain."""
        self._ahead = {(epoch, units.tobytes()): self._thread.submit(self._prepare, units, epoch) for units in batches}

    def take(self, units: np.ndarray, epoch: int) -> PreparedBatch:
        """The batch of these units, waited for where it is being prepared, and prepared where it is not."""
        expected = self._ahead.pop((epoch, units.tobytes()), None)
        return expected.result() if expected else self._prepare(units, epoch)

    def _prepare(self, units: np.ndarray, epoch: int) -> PreparedBatch:
        batch = self.units.batch(units)
        return PreparedBatch(batch, self.inputs.prepare(batch.rows, epoch))
