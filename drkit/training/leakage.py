"""Find photographs to be scored that the weights were trained on, or that selected their epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drkit.duplicates.seen import find_seen
from drkit.errors import LeakageError, first_few
from drkit.progress import warn
from drkit.training.plan import TrainingPlan


@dataclass(frozen=True)
class Leakage:
    """The photographs of a plan that cannot be scored fairly, as masks, bool (N,).

    Args:
        seen: Photographs to be scored that the initial weights were trained on.
        leaked: Photographs to be scored that the network that predicts them, or its initial weights, were trained on.
        optimistic: Photographs to be scored that selected the epoch of the initial weights.
    """

    seen: np.ndarray
    leaked: np.ndarray
    optimistic: np.ndarray


def check_leakage(plan: TrainingPlan, photograph_hashes: Sequence[str]) -> Leakage:
    """Find photographs to be scored that the weights were trained on or selected by, and warn of them.

    Args:
        plan: Plan of the training.
        photograph_hashes: SHA-256 of the plan's N photographs, or of their originals.

    Raises:
        LeakageError: the initial weights were trained on photographs of val, test or a fold, without `--allow-seen`.
    """
    leakage = _find_leakage(plan, np.array(photograph_hashes))
    names = plan.labels.rows["image_id"][leakage.seen].tolist()
    if names and not plan.config.allow_seen:
        raise LeakageError(
            f"the weights were trained on {len(names)} photographs that this training would be scored on:"
            f" {first_few(names)}: start from other weights, or accept it with --allow-seen (these photographs are then"
            " marked and not scored)"
        )
    if num_leaked := int(leakage.leaked.sum()):
        warn(f"{num_leaked} photographs to be scored are also trained on: they will not be scored")
    if num_optimistic := int(leakage.optimistic.sum()):
        warn(
            f"{num_optimistic} photographs to be scored selected the epoch of the initial weights: scores on them are"
            " optimistic; weights trained with --choose inner or last avoid that"
        )
    return leakage


def _find_leakage(plan: TrainingPlan, hashes: np.ndarray) -> Leakage:
    paths = plan.labels.paths()
    initial, scored = plan.initial_weights, plan.scored_rows
    seen, optimistic, leaked = (np.zeros(len(paths), bool) for _ in range(3))
    seen[scored] = find_seen(
        [paths[row] for row in scored],
        hashes[scored].tolist(),
        initial.seen,
        initial.descends_from,
        plan.config.workers,
    )
    optimistic[scored] = np.isin(hashes[scored], list(initial.chosen_by))
    for fold_split in plan.fold_splits:
        fitted = np.isin(hashes, hashes[np.concatenate([fold_split.train, fold_split.inner])])
        predicted = np.concatenate([fold_split.held_out, plan.unfitted_rows])
        leaked[predicted] |= (seen | fitted)[predicted]
    return Leakage(seen, leaked, optimistic)
