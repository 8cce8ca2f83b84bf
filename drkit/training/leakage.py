"""Photographs to be scored that the weights already know: trained on, or used to select an epoch."""

from dataclasses import dataclass

import numpy as np

from drkit.data.bank import PhotographBank
from drkit.duplicates.seen import find_seen
from drkit.errors import LeakageError, first_few
from drkit.progress import warn
from drkit.training.plan import TrainingPlan


@dataclass(frozen=True)
class Leakage:
    """Which of a plan's N photographs cannot be scored fairly; three masks, bool (N,).

    Args:
        seen: To be scored, and trained on by the run that the weights come from.
        leaked: Trained on by the network that predicts them, or by the run that its weights come from.
        optimistic: To be scored, and used to select the epoch of the weights that the training starts from.
    """

    seen: np.ndarray
    leaked: np.ndarray
    optimistic: np.ndarray


def check_leakage(plan: TrainingPlan, bank: PhotographBank) -> Leakage:
    """Find photographs to be scored that the weights already know, and warn of them.

    Args:
        plan: Of the training.
        bank: The plan's N photographs.

    Raises:
        LeakageError: the initial weights were trained on photographs of val, test or a fold, without `--allow-seen`.
    """
    leakage = _find_leakage(plan, bank)
    names = plan.labels.rows["image_id"][leakage.seen].tolist()
    if names and not plan.config.allow_seen:
        raise LeakageError(
            f"the weights were trained on {len(names)} photographs that this training would be scored on:"
            f" {first_few(names)}: start from other weights, or accept it with --allow-seen (they are marked and not"
            " scored)"
        )
    if num_leaked := int(leakage.leaked.sum()):
        warn(f"{num_leaked} photographs to be scored are trained on, as copies: they will not be scored")
    if num_optimistic := int(leakage.optimistic.sum()):
        warn(
            f"{num_optimistic} photographs to be scored selected the epoch of the weights this training starts from:"
            " their figures are optimistic; weights trained with --choose inner or last avoid that"
        )
    return leakage


def _find_leakage(plan: TrainingPlan, bank: PhotographBank) -> Leakage:
    hashes, paths = np.array(bank.hashes), plan.labels.paths()
    initial, scored = plan.initial_weights, plan.scored_rows
    seen, optimistic, leaked = (np.zeros(len(paths), bool) for _ in range(3))
    seen[scored] = find_seen(
        [paths[row] for row in scored],
        [bank.hashes[row] for row in scored],
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
