"""Inference by all processes of a training, each on a share of the units."""

import numpy as np
import torch
from lightning_fabric import Fabric

from drkit.data.units import Units
from drkit.inference import Outputs, Views, run_units
from drkit.models.grader import Grader


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
    shares: list[Outputs | None] = [None] * fabric.world_size
    torch.distributed.all_gather_object(shares, run(share) if len(share) else None)
    return Outputs.join([each for each in shares if each is not None])
