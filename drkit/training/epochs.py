"""One epoch: training on all training units, and evaluation of a split."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from drkit import metrics
from drkit.config.training_options import LearningOptions
from drkit.data.sampling import balance_groups, oversample_patients
from drkit.decisions import decide
from drkit.errors import UsageError
from drkit.losses import FloatArray, Loss
from drkit.models.freezing import hold_stages, keep_statistics
from drkit.models.grader import Grader
from drkit.progress import track
from drkit.records.history import EpochFigures
from drkit.records.predictions import patient_keys
from drkit.records.runs import NetworkId
from drkit.resampling import bootstrap
from drkit.training.batches import split_into_steps
from drkit.training.learner import Learner, read_steps
from drkit.training.optimisation import learning_rate, set_learning_rate
from drkit.training.plan import TrainingPlan
from drkit.training.processes import gather
from drkit.training.seeding import seed_epoch
from drkit.training.sharding import run_sharded
from drkit.training.splits import FoldSplit


@dataclass(frozen=True)
class TrainSampler:
    """Draws the units of each epoch.

    Args:
        units: (T,) numbers of the training units; a bootstrap sample repeats some.
        patients: (T,) patient of each unit.
        oversample: Whether patients of rare grades are repeated.
        network: The fold and the seed of the network in training.
        datasets: (T,) data set of each unit with `--balance dataset`; otherwise None.
    """

    units: np.ndarray
    patients: np.ndarray
    oversample: bool
    network: NetworkId
    datasets: np.ndarray | None = None

    def draw_epoch(self, grades: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draw the units of an epoch in random order.

        Args:
            grades: (U,) reference grades of all units.
            generator: Random generator of the epoch.
        """
        indices = np.arange(len(self.units))
        if self.oversample:
            indices = oversample_patients(self.patients, grades[self.units], generator)
        if self.datasets is not None:
            indices = indices[balance_groups(self.datasets[indices], generator)]
        return generator.permutation(self.units[indices])


def build_sampler(plan: TrainingPlan, fold_split: FoldSplit, network: NetworkId) -> TrainSampler:
    """Build the sampler of one network's training units."""
    units = plan.units.of_rows(fold_split.train)
    patients = patient_keys(plan.labels.rows)[plan.units.first_rows]
    if plan.config.bootstrap_patients is not None:
        units = units[bootstrap(patients[units], plan.config.bootstrap_patients)]
    names = plan.labels.dataset_names().to_numpy()[plan.units.first_rows]
    datasets = names[units] if plan.config.balance == "dataset" else None
    return TrainSampler(units, patients[units], plan.config.oversample == "patient", network, datasets)


def train_epoch(learner: Learner, sampler: TrainSampler, epoch: int) -> EpochFigures:
    """Train for one epoch.

    Args:
        learner: The network in training.
        sampler: Draws the training units.
        epoch: Number of the epoch, from 1.

    Returns:
        Loss and agreement measured during training, that is, with augmentation, dropout and changing weights.

    Raises:
        UsageError: the loss is not finite.
    """
    config, data, fabric = learner.config, learner.data, learner.fabric
    order = sampler.draw_epoch(data.grades, seed_epoch(config.seed, epoch))
    steps = split_into_steps(order, config, fabric.world_size, fabric.global_rank)
    learner.grader.train()
    if config.keeps_statistics:
        keep_statistics(learner.grader)
    unfreeze_gradually(learner.grader, config, epoch)
    figures = []
    for number, units in enumerate(track(steps, f"epoch {epoch}/{config.epochs}", len(steps)), start=1):
        progress = (epoch - 1 + number / len(steps)) / config.epochs
        set_learning_rate(learner.optimizer, learning_rate(progress, config.lr))
        figures.append(learner.step(units, epoch, steps[number] if number < len(steps) else None))
    step_losses, logits = read_steps(figures)
    losses = np.repeat(step_losses, [len(units) for units in steps])
    rate = learning_rate(epoch / config.epochs, config.lr)
    losses, logits, numbers = (gather(fabric, rows) for rows in (losses, logits, np.concatenate(steps)))
    if not np.isfinite(losses.mean()):
        raise UsageError(f"epoch {epoch}: the loss is {losses.mean()}, the training has diverged: lower --lr")
    agreement = measure(logits, data.grades[numbers], data.loss, losses.mean())
    return EpochFigures(epoch=epoch, split="train", **sampler.network._asdict(), learning_rate=rate, **agreement)


def evaluate(learner: Learner, units: np.ndarray, split: str, network: NetworkId, epoch: int) -> EpochFigures:
    """Measure loss and agreement of the evaluated network on graded units of a split, without augmentation."""
    data, rate = learner.data, learning_rate(epoch / learner.config.epochs, learner.config.lr)
    outputs = run_sharded(
        learner.fabric, learner.eval_model, lambda rows: [data.inputs.eval_batch(rows)], data.units, units
    )
    logits = outputs.logits[0]
    loss = data.loss(torch.from_numpy(logits), torch.from_numpy(data.grades[units])).mean().item()
    figures = measure(logits, data.grades[units], data.loss, loss)
    return EpochFigures(epoch=epoch, split=split, **network._asdict(), learning_rate=rate, **figures)


def unfreeze_gradually(grader: Grader, config: LearningOptions, epoch: int) -> None:
    """With `--unfreeze-every N`, train only the head at first, and one more stage after every N epochs."""
    if config.unfreeze_every is None:
        return
    unfrozen = (epoch - 1) // config.unfreeze_every
    hold_stages(grader, max(len(grader.backbone.stages) - unfrozen, 0))


def measure(logits: FloatArray, grades: np.ndarray, loss: Loss, mean_loss: float) -> dict[str, Any]:
    """Compute both kappas and the accuracy of logits (B, num_outputs) against grades (B,)."""
    predictions = loss.predictions(logits, sigma=1.0)  # grades do not depend on sigma
    counts = metrics.confusion(grades, decide(loss.decision, predictions.probabilities, predictions.score))
    return {
        "loss": float(mean_loss),
        "quadratic_weighted_kappa": float(metrics.quadratic_weighted_kappa(counts)),
        "plain_kappa": float(metrics.plain_kappa(counts)),
        "accuracy": float(metrics.accuracy(counts)),
    }
