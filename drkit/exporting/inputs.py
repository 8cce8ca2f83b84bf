"""Photographs as an exported graph takes them: units of a fixed number of places."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from drkit.data.bank import build_bank
from drkit.data.cache import default_cache_dir
from drkit.data.patients import name_unknown_patients
from drkit.data.units import Unit, build_units
from drkit.errors import InputError
from drkit.models.restoring import OpenedRun
from drkit.records.labels import Labels
from drkit.records.manifest import steps_to_apply

UNITS_A_BATCH = 8


@dataclass(frozen=True)
class GraphInputs:
    """The units of N photographs.

    Args:
        photographs: uint8 (U, K, 3, S, S), RGB, squared about the fundus disc; zero in places without a photograph.
        mask: bool (U, K), False for these.
        unit_of: (N,) number of each photograph's unit.
    """

    photographs: np.ndarray
    mask: np.ndarray
    unit_of: np.ndarray

    def __len__(self) -> int:
        return len(self.photographs)

    @property
    def num_batches(self) -> int:
        """How many `batches` there are."""
        return -(-len(self) // UNITS_A_BATCH)

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Photographs and mask of a few units at a time."""
        for start in range(0, len(self), UNITS_A_BATCH):
            part = slice(start, start + UNITS_A_BATCH)
            yield self.photographs[part], self.mask[part]


def build_inputs(
    opened: OpenedRun, labels: Labels, *, workers: int | None = None, cache_dir: Path | None = None
) -> GraphInputs:
    """Read a data set's photographs and lay them out for the graph of a run.

    Args:
        opened: The run.
        labels: N photographs, whole units.
        workers: Threads that read photographs; None: one a core.
        cache_dir: Where photographs go that do not fit in memory; None: the user's cache.

    Raises:
        InputError: photographs that cannot be read, or more of a unit than the graph has places.
    """
    header, named = opened.header, name_unknown_patients(labels)
    units = build_units(named, cast(Unit, header.architecture.unit), header.architecture.num_slots)
    num_places, side = header.architecture.num_slots, header.bank_side
    if units.num_slots > num_places:
        raise InputError(
            f"{labels.title} has {units.num_slots} photographs of one {units.kind}, the exported network takes at most"
            f" {num_places}: choose other photographs with --data"
        )
    bank = build_bank(
        named,
        side,
        cache_dir or default_cache_dir(),
        workers=workers,
        steps=steps_to_apply(named.roots, header.steps, header.plugins),
        round_discs=header.round_discs,
    )
    photographs = np.zeros((len(units), num_places, 3, side, side), np.uint8)
    photographs[units.unit_of, units.slot_of] = bank.pixels.transpose(0, 3, 1, 2)
    mask = np.zeros((len(units), num_places), bool)
    mask[units.unit_of, units.slot_of] = True
    return GraphInputs(photographs, mask, units.unit_of)
