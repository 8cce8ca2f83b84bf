"""Work divided among the processes of a training: inference over units, and filling a large array."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import numpy as np
import torch
from lightning_fabric import Fabric

from drkit.data.cache import MappedArray, MappedFile, delete_temporary
from drkit.data.units import Units
from drkit.inference import Outputs, Views, run_units
from drkit.models.grader import Grader
from drkit.training.processes import machine_group, make_once, run_together


def run_sharded(
    fabric: Fabric, grader: Grader, views: Views, units: Units, numbers: np.ndarray, *, embeddings: bool = False
) -> Outputs:
    """Run a grader over units in the precision of the training; every process gets the outputs of all units.

    Buffers, which differ between processes where batch norms are trained, are set to those of the first process.

    Args:
        fabric: Processes of the training, which all call this function.
        grader: The same network in every process.
        views: Inputs of photographs, without augmentation.
        units: All units of the data set.
        numbers: (B,) numbers of the units, at least one, the same in every process.
        embeddings: Whether the outputs have activations.

    Raises:
        UsageError: not even one unit fits in memory.
    """

    def run(share: np.ndarray) -> Outputs:
        outputs = run_units(grader, views, units, share, fabric.autocast)
        return outputs if embeddings else outputs.without_activations()

    if fabric.world_size == 1:
        return run(numbers)
    for buffer in grader.buffers():
        torch.distributed.broadcast(buffer, 0)
    share = np.array_split(numbers, fabric.world_size)[fabric.global_rank]
    shares = run_together(fabric, lambda: run(share) if len(share) else None)
    return Outputs.join([each for each in shares if each is not None])


def fill_together(
    fabric: Fabric, opening: AbstractContextManager[MappedArray], fill: Callable[[np.ndarray], object]
) -> np.ndarray:
    """Fill one array per machine, each by the machine's processes; every process maps the file of its machine.

    Args:
        fabric: Processes of the training, which all call this function.
        opening: Opens the array, in the first process of each machine; ends when the array is complete.
        fill: Fills this process's share of an array.

    Raises:
        DrkitError: the error that `opening` or `fill` raised in one process, in every process.
    """
    arrays: list[np.ndarray] = []
    run_together(fabric, lambda: arrays.append(_fill_on_machine(fabric, opening, fill)))
    return arrays[0]


def _fill_on_machine(
    fabric: Fabric, opening: AbstractContextManager[MappedArray], fill: Callable[[np.ndarray], object]
) -> np.ndarray:
    """Fill the array of this machine; others are not waited for, because `opening` may lock a file that they need."""
    machine = machine_group(fabric)
    with ExitStack() as opened:
        file = make_once(fabric, lambda: MappedFile.of(opened.enter_context(opening).array), machine)
        array = file.open()
        run_together(fabric, lambda: None, machine)  # all have mapped the file, which no longer needs a name
        delete_temporary(array)
        run_together(fabric, lambda: fill(array) if array.flags.writeable else None, machine)
        make_once(fabric, opened.close, machine)
    return array
