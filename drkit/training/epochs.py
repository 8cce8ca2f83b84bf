"""One epoch: a pass over the training units, and a look at others."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from drkit import metrics
from drkit.data.sampling import balance, even_out
from drkit.decisions import decide
from drkit.errors import UsageError
from drkit.inference import in_batches, read_answers, run_units
from drkit.losses import FloatArray, Loss
from drkit.models.freezing import hold_stages, keep_statistics
from drkit.models.grader import Grader
from drkit.progress import track
from drkit.records.history import EpochFigures
from drkit.records.predictions import patient_keys
from drkit.records.runs import NetworkId
from drkit.resampling import bootstrap
from drkit.training.config import LearningOptions
from drkit.training.learner import Learner, read_steps
from drkit.training.optimisation import learning_rate, set_learning_rate
from drkit.training.plan import FoldSplit, TrainingPlan
from drkit.training.runtime import gather, seed_epoch


@dataclass(frozen=True)
class TrainSampler:
    """What an epoch goes over.

    Args:
        units: (T,) numbers of the training units; some stand twice in a bootstrap.
        patients: (T,) whose they are.
        oversample: Whether patients of rare grades are repeated.
        network: Whose epochs they are.
        datasets: (T,) whose they are, where each data set is to be seen as often as the others; else None.
    """

    units: np.ndarray
    patients: np.ndarray
    oversample: bool
    network: NetworkId
    datasets: np.ndarray | None = None

    def draw_epoch(self, grades: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The units of an epoch, in the order they are seen; `grades` (U,) of all units."""
        chosen = np.arange(len(self.units))
        if self.oversample:
            chosen = even_out(self.patients, grades[self.units], generator)
        if self.datasets is not None:
            chosen = chosen[balance(self.datasets[chosen], generator)]
        return generator.permutation(self.units[chosen])


def build_sampler(plan: TrainingPlan, fold_split: FoldSplit, network: NetworkId) -> TrainSampler:
    """The sampler of one network's training units."""
    units = plan.units.of_rows(fold_split.train)
    patients = patient_keys(plan.labels.rows)[plan.units.first_rows]
    if plan.config.bootstrap_patients is not None:
        units = units[bootstrap(patients[units], plan.config.bootstrap_patients)]
    names = plan.labels.dataset_names().to_numpy()[plan.units.first_rows]
    datasets = names[units] if plan.config.balance == "dataset" else None
    return TrainSampler(units, patients[units], plan.config.oversample == "patient", network, datasets)


def train_epoch(learner: Learner, sampler: TrainSampler, epoch: int) -> EpochFigures:
    """Take one step a batch over all training units.

    Args:
        learner: Who learns.
        sampler: The training units.
        epoch: From 1.

    Returns:
        Figures gathered on the way: augmented, with dropout, while the weights move.

    Raises:
        UsageError: the loss is no number any more.
    """
    config, data, fabric = learner.config, learner.data, learner.fabric
    order = sampler.draw_epoch(data.grades, seed_epoch(config.seed, epoch))
    steps = list(in_batches(order, config.batch_size * config.accumulate * fabric.world_size))
    learner.grader.train()
    if config.keeps_statistics:
        keep_statistics(learner.grader)
    unfreeze_gradually(learner.grader, config, epoch)
    own = [_own_share(units, fabric) for units in steps]
    figures = []
    for number, units in enumerate(track(own, f"epoch {epoch}/{config.epochs}", len(steps))):
        done = (epoch - 1 + (number + 1) / len(steps)) / config.epochs
        set_learning_rate(learner.optimizer, learning_rate(done, config.lr))
        figures.append(learner.step(units, epoch, own[number + 1] if number + 1 < len(own) else None))
    losses, logits = read_steps(figures)
    seen = np.concatenate(own)
    units_losses = np.repeat(losses, [len(units) for units in own])
    rate = learning_rate(epoch / config.epochs, config.lr)
    told, answers, numbers = (gather(fabric, rows) for rows in (units_losses, logits, seen))
    _check_finite(told.mean(), epoch)
    agreement = describe(answers, data.grades[numbers], data.loss, told.mean())
    return EpochFigures(epoch=epoch, split="train", **sampler.network._asdict(), learning_rate=rate, **agreement)


def _own_share(units: np.ndarray, fabric: Fabric) -> np.ndarray:
    """This process's units of a step; each has as many, so that some may stand twice."""
    whole = np.resize(units, -(-len(units) // fabric.world_size) * fabric.world_size)
    return whole[fabric.global_rank :: fabric.world_size]


def evaluate(learner: Learner, units: np.ndarray, split: str, network: NetworkId, epoch: int) -> EpochFigures:
    """Judge the network on the graded units of a split, never augmented."""
    data, rate = learner.data, learning_rate(epoch / learner.config.epochs, learner.config.lr)
    logits = run_units(learner.eval_model, lambda rows: [data.inputs.eval_batch(rows)], data.units, units).logits[0]
    loss = data.loss(torch.from_numpy(logits), torch.from_numpy(data.grades[units])).mean().item()
    figures = describe(logits, data.grades[units], data.loss, loss)
    return EpochFigures(epoch=epoch, split=split, **network._asdict(), learning_rate=rate, **figures)


def unfreeze_gradually(grader: Grader, config: LearningOptions, epoch: int) -> None:
    """Freeze the stages that do not learn yet: with `--unfreeze-every N`, one fewer after every N epochs."""
    if config.unfreeze_every is None:
        return
    unfrozen = (epoch - 1) // config.unfreeze_every
    hold_stages(grader, max(len(grader.backbone.stages) - unfrozen, 0))


def describe(logits: FloatArray, grades: np.ndarray, loss: Loss, mean_loss: float) -> dict[str, Any]:
    """Both kappas and the accuracy of logits (B, num_outputs) against grades (B,)."""
    answers = read_answers(loss, logits, sigma=1.0)  # grades do not depend on sigma
    counts = metrics.confusion(grades, decide(loss.decision, answers.probabilities, answers.score))
    return {
        "loss": float(mean_loss),
        "quadratic_weighted_kappa": float(metrics.quadratic_weighted_kappa(counts)),
        "plain_kappa": float(metrics.plain_kappa(counts)),
        "accuracy": float(metrics.accuracy(counts)),
    }


def _check_finite(mean_loss: float, epoch: int) -> None:
    """Stop a training that has diverged; the epochs before are on disk.

    Raises:
        UsageError: the loss is no number.
    """
    if not math.isfinite(mean_loss):
        raise UsageError(f"epoch {epoch}: the loss is {mean_loss}, the training has diverged: lower --lr")
