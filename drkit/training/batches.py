"""Batches of a single unit, from which some batch norms cannot learn."""

from copy import deepcopy

import numpy as np
import torch

from drkit.errors import UsageError
from drkit.inference import in_batches
from drkit.models.freezing import keep_statistics
from drkit.models.grader import Grader
from drkit.training.plan import TrainingPlan

REMEDY = "use a larger --batch-size or --size, or --norms kept with weights that bring statistics"


def check_batches(plan: TrainingPlan, grader: Grader) -> None:
    """Check that the network can learn from the smallest batch: a norm over one value has nothing to standardise.

    Args:
        plan: Of the training.
        grader: Whole.

    Raises:
        UsageError: it cannot.
    """
    config = plan.config
    trained = [plan.units.of_rows(fold_split.train) for fold_split in plan.fold_splits]
    smallest = min(len(batch) for units in trained for batch in in_batches(units, config.batch_size))
    if smallest > 1 or config.frozen_stages != 0:
        return
    counts = np.bincount(plan.units.unit_of)
    batch = plan.units.batch(np.array([min(np.concatenate(trained), key=lambda unit: counts[unit])]))
    trial = deepcopy(grader).train()
    if config.keeps_statistics:
        keep_statistics(trial)
    device, side = next(trial.parameters()).device, plan.input_format.side
    try:
        with torch.no_grad():
            trial(torch.zeros(len(batch.rows), 3, side, side, device=device), batch.places.to(device))
    except ValueError as error:
        if not is_single_value(error):
            raise
        raise UsageError(
            f"{plan.initial_weights.backbone} at {side} px cannot learn from a batch of one {config.unit}, which"
            f" --batch-size {config.batch_size} makes: {REMEDY}"
        ) from None


def is_single_value(error: ValueError) -> bool:
    """Whether a batch norm, in torch's words, was given a single value a channel."""
    return "more than 1 value per channel" in str(error)
