"""The batches of an epoch, and a check for batches of a single unit, on which some batch norms cannot be trained."""

from copy import deepcopy

import numpy as np
import torch

from drkit.batching import in_batches
from drkit.config.training_options import LearningOptions
from drkit.errors import UsageError
from drkit.models.freezing import keep_statistics
from drkit.models.grader import Grader
from drkit.training.plan import TrainingPlan

REMEDY = "use a larger --batch-size or --size, or --norms kept with pretrained weights"


def split_into_steps(units: np.ndarray, config: LearningOptions, num_processes: int, rank: int = 0) -> list[np.ndarray]:
    """Divide the units of an epoch into optimiser steps, and these among the processes of a training.

    Args:
        units: (T,) numbers of the units, in the order of the epoch.
        config: Batch size and accumulated batches per step.
        num_processes: Number of processes. In a step, all have the same number of units, for which some are repeated.
        rank: Number of the process, from 0.

    Returns:
        Numbers of the process's units in each step.
    """
    steps = in_batches(units, config.batch_size * config.accumulate * num_processes)
    padded = (np.resize(step, -(-len(step) // num_processes) * num_processes) for step in steps)
    return [step[rank::num_processes] for step in padded]


def check_batches(plan: TrainingPlan, grader: Grader) -> None:
    """Check that the network can be trained on the smallest batch: a batch norm needs two values per channel.

    Args:
        plan: Plan of the training.
        grader: The complete network.

    Raises:
        UsageError: a batch norm would get a single value per channel.
    """
    config = plan.config
    training_units = [plan.units.of_rows(fold_split.train) for fold_split in plan.fold_splits]
    num_processes = config.devices * config.nodes
    steps = [step for units in training_units for step in split_into_steps(units, config, num_processes)]
    smallest = min(len(batch) for step in steps for batch in in_batches(step, config.batch_size))
    if smallest > 1 or config.frozen_stages != 0:
        return
    counts = np.bincount(plan.units.unit_of)
    batch = plan.units.batch(np.array([min(np.concatenate(training_units), key=lambda unit: counts[unit])]))
    copy = deepcopy(grader).train()
    if config.keeps_statistics:
        keep_statistics(copy)
    device, side = next(copy.parameters()).device, plan.input_format.side
    try:
        with torch.no_grad():
            copy(torch.zeros(len(batch.rows), 3, side, side, device=device), batch.index.to(device))
    except ValueError as error:
        if not is_single_value(error):
            raise
        raise UsageError(
            f"{plan.initial_weights.backbone} at {side} px cannot be trained on a batch of one {config.unit}, which"
            f" --batch-size {config.batch_size} leads to: {REMEDY}"
        ) from None


def is_single_value(error: ValueError) -> bool:
    """Whether torch raised the error because a batch norm got a single value per channel."""
    return "more than 1 value per channel" in str(error)
