"""The inputs of an exported graph: units with a fixed number of slots."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drkit.batching import in_batches
from drkit.data.patients import name_unknown_patients
from drkit.data.stream import PhotographStream
from drkit.data.units import Units, build_units
from drkit.errors import InputError
from drkit.models.restoring import OpenedRun
from drkit.records.labels import Labels

UNITS_PER_BATCH = 8


@dataclass(frozen=True)
class GraphInputs:
    """The inputs of the graph for B units.

    Args:
        photographs: uint8 (B, K, 3, S, S), RGB, squared about the fundus disc; 0 in slots without a photograph.
        mask: bool (B, K), False for slots without a photograph.
    """

    photographs: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class GraphUnits:
    """The units of N photographs, which are decoded batch by batch.

    Args:
        stream: The photographs.
        units: The units of all photographs.
        num_slots: Number of slots K of the graph.
    """

    stream: PhotographStream
    units: Units
    num_slots: int

    @property
    def unit_of(self) -> np.ndarray:
        """(N,) number of each photograph's unit."""
        return self.units.unit_of

    @property
    def num_batches(self) -> int:
        """Number of `batches`."""
        return -(-len(self.units) // UNITS_PER_BATCH)

    def batches(self) -> Iterator[GraphInputs]:
        """The units in order, `UNITS_PER_BATCH` at a time.

        Raises:
            UnreadablePhotographsError: a photograph that cannot be read.
        """
        batches = list(in_batches(np.arange(len(self.units)), UNITS_PER_BATCH))
        rows = [self.units.batch(numbers).rows for numbers in batches]
        for numbers, squares in zip(batches, self.stream.read(rows), strict=True):
            self.stream.check_readable()
            side = self.stream.decoder.side
            photographs = np.zeros((len(numbers), self.num_slots, 3, side, side), np.uint8)
            mask = np.zeros((len(numbers), self.num_slots), bool)
            for row, square in squares.items():
                position = np.searchsorted(numbers, self.units.unit_of[row]), self.units.slot_of[row]
                photographs[position], mask[position] = square.transpose(2, 0, 1), True
            yield GraphInputs(photographs, mask)


def gather_units(opened: OpenedRun, labels: Labels, *, workers: int | None = None) -> GraphUnits:
    """Gather the units of a data set for the graph of a run.

    Args:
        opened: The run.
        labels: N photographs, whole units.
        workers: Number of threads that read photographs; None for one per allowed CPU.

    Raises:
        InputError: a unit has more photographs than the graph has slots.
    """
    header, named = opened.header, name_unknown_patients(labels)
    num_slots = header.architecture.num_slots
    units = build_units(named, header.architecture.unit, num_slots)
    if units.num_slots > num_slots:
        raise InputError(
            f"{labels.title} has {units.num_slots} photographs of one {units.kind}, but the exported network takes at"
            f" most {num_slots}: choose other photographs with --data"
        )
    return GraphUnits(PhotographStream(named.paths(), opened.square_decoder(named), workers), units, num_slots)
