"""One epoch: a pass over the training photographs, and a look at others."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from drkit import metrics
from drkit.decisions import decide
from drkit.errors import UsageError
from drkit.inference import in_batches, read_answers, run_network
from drkit.losses import FloatArray, Loss
from drkit.records.history import EpochFigures
from drkit.talk import track
from drkit.training.optimisation import learning_rate, set_learning_rate
from drkit.training.runtime import seed_epoch
from drkit.training.sources import Source


@dataclass(frozen=True)
class Task:
    """What is learned.

    Args:
        source: Inputs and the module they go to.
        grades: int64 (N,) reference grades by row number; -1 where unknown.
        loss: To minimise, and to read logits by.
        device: Of the module.
    """

    source: Source
    grades: np.ndarray
    loss: Loss
    device: torch.device

    def grades_of(self, rows: np.ndarray) -> Tensor:
        """int64 (B,) on the device."""
        return torch.from_numpy(self.grades[rows]).to(self.device)


@dataclass(frozen=True)
class Pace:
    """How fast is learned.

    Args:
        epochs: Of the whole training.
        batch_size: Photographs a step.
        highest_lr: At the end of the warm-up.
        seed: Of the order of the photographs and of dropout.
    """

    epochs: int
    batch_size: int
    highest_lr: float
    seed: int


def train_epoch(task: Task, rows: np.ndarray, optimizer: Optimizer, pace: Pace, epoch: int) -> EpochFigures:
    """Take one step a batch over all training photographs.

    Args:
        task: What is learned.
        rows: (T,) row numbers of the training photographs.
        optimizer: Steps the module's parameters.
        pace: Batch size and learning rate.
        epoch: From 1.

    Returns:
        Figures gathered on the way: augmented, with dropout, while the weights move.

    Raises:
        UsageError: the loss is no number any more.
    """
    order = seed_epoch(pace.seed, epoch).permutation(rows)
    batches = list(in_batches(order, pace.batch_size))
    task.source.module.train()
    losses, logits = [], []
    for step, batch in enumerate(track(batches, f"epoch {epoch}/{pace.epochs}", len(batches))):
        done = (epoch - 1 + (step + 1) / len(batches)) / pace.epochs
        set_learning_rate(optimizer, learning_rate(done, pace.highest_lr))
        batch_loss, batch_logits = _step(task, batch, optimizer, epoch)
        losses.append(batch_loss * len(batch))
        logits.append(batch_logits)
    mean_loss, rate = sum(losses) / len(rows), optimizer.param_groups[0]["lr"]
    _check_finite(mean_loss, epoch)
    return describe("train", epoch, rate, np.concatenate(logits), task.grades[order], task.loss, mean_loss)


def evaluate(task: Task, rows: np.ndarray, split: str, epoch: int, rate: float) -> EpochFigures:
    """Judge the module on the graded photographs of a split, never augmented."""
    logits = predict_rows(task.source, rows)
    loss = task.loss(torch.from_numpy(logits), torch.from_numpy(task.grades[rows])).item()
    return describe(split, epoch, rate, logits, task.grades[rows], task.loss, loss)


def predict_rows(source: Source, rows: np.ndarray) -> FloatArray:
    """Logits (N, num_outputs) of plain photographs."""
    return run_network(source.module, (source.plain(batch) for batch in in_batches(rows)))


def describe(
    split: str, epoch: int, rate: float, logits: FloatArray, grades: np.ndarray, loss: Loss, mean_loss: float
) -> EpochFigures:
    """Both kappas and the accuracy of logits (N, num_outputs) against grades (N,)."""
    answers = read_answers(loss, logits, sigma=1.0)  # grades do not depend on sigma
    counts = metrics.confusion(grades, decide(loss.decision, answers.probabilities, answers.score))
    return EpochFigures(
        epoch=epoch,
        split=split,
        fold=None,
        loss=float(mean_loss),
        quadratic_weighted_kappa=float(metrics.quadratic_weighted_kappa(counts)),
        plain_kappa=float(metrics.plain_kappa(counts)),
        accuracy=float(metrics.accuracy(counts)),
        learning_rate=rate,
    )


def _check_finite(mean_loss: float, epoch: int) -> None:
    """Stop a training that has diverged; the epochs before are on disk.

    Raises:
        UsageError: the loss is no number.
    """
    if not math.isfinite(mean_loss):
        raise UsageError(f"epoch {epoch}: the loss is {mean_loss}, the training has diverged: lower --lr")


def _step(task: Task, batch: np.ndarray, optimizer: Optimizer, epoch: int) -> tuple[float, FloatArray]:
    """One step of the optimiser; the batch's mean loss and its logits."""
    optimizer.zero_grad(set_to_none=True)
    logits = task.source.module(task.source.augmented(batch, epoch))
    loss = task.loss(logits, task.grades_of(batch))
    loss.backward()
    optimizer.step()
    return loss.item(), logits.detach().float().cpu().numpy()
