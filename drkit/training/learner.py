"""A grader in training: optimiser steps, mixup, gradient accumulation and the running average of the weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from drkit.batching import halve, in_batches, unless_out_of_memory
from drkit.config.training import TrainingConfig
from drkit.data.transfer import pack_to
from drkit.data.units import Batch, UnitIndex, Units
from drkit.errors import UsageError
from drkit.losses import FloatArray, Loss
from drkit.models.grader import Grader
from drkit.progress import warn
from drkit.training.batches import REMEDY, is_single_value
from drkit.training.feed import Feed, PreparedBatch
from drkit.training.inputs import Inputs
from drkit.training.optimisation import RunningAverage, build_optimizer

AUXILIARY_WEIGHT = 0.5  # weight of the auxiliary head's loss


@dataclass(frozen=True)
class Mixture:
    """Mixup partners in a batch of B units, P photographs and G eyes; all tensors are int64.

    Args:
        units: (B,) index of each unit's partner.
        photographs: (P,) index of each photograph's partner, the photograph in the same slot of its unit's partner; its
            own index if there is none.
        eyes: (G,) index of each eye's partner.
        share: Weight of the units themselves, in [0, 1]; the partners have weight 1 - share.
    """

    units: Tensor
    photographs: Tensor
    eyes: Tensor
    share: float


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Inputs, reference grades and loss of a training.

    Args:
        inputs: Inputs of the grader for each photograph.
        units: All U units.
        grades: Reference grades 0-4 of the units, int64 (U,); -1 where unknown.
        auxiliary_grades: Grades of the eyes for the auxiliary head, which learns the other target, int64 (E,); -1 where
            unknown.
        grade_weights: (5,) weight of each grade in the loss, 1 on average over the training units.
        loss: The loss, which also turns logits into probabilities and scores.
    """

    inputs: Inputs
    units: Units
    grades: np.ndarray
    auxiliary_grades: np.ndarray
    grade_weights: np.ndarray
    loss: Loss


@dataclass(frozen=True)
class StepFigures:
    """Losses and logits of the batches of a step, on the device.

    Args:
        losses: Mean loss of each batch, scalars.
        shares: Share of the step's units in each batch; they sum to 1.
        logits: (B, num_outputs) logits of each batch.
    """

    losses: tuple[Tensor, ...]
    shares: tuple[float, ...]
    logits: tuple[Tensor, ...]


def read_steps(steps: Sequence[StepFigures]) -> tuple[list[float], FloatArray]:
    """Fetch the mean loss of each step and the logits (N, num_outputs) of all steps from the device."""
    losses = iter(torch.stack([loss for step in steps for loss in step.losses]).cpu().tolist())
    means = [sum(next(losses) * share for share in step.shares) for step in steps]
    return means, torch.cat([logits for step in steps for logits in step.logits]).cpu().numpy()


class Reference(NamedTuple):
    """Indices, grades and loss weights of the K units of a batch that have a grade; all (K,)."""

    known: Tensor
    grades: Tensor
    weights: Tensor


class Learner:
    """A grader in training.

    Args:
        grader: The network that takes the inputs of `data`.
        data: Inputs, reference grades and loss.
        config: Options of the training, such as batch size, optimiser and mixup.
        fabric: Devices, precision and processes.
        num_steps: Number of steps per epoch, the time constant of the running average.
    """

    def __init__(
        self, grader: Grader, data: TrainingData, config: TrainingConfig, fabric: Fabric, num_steps: int
    ) -> None:
        self.grader, self.data, self.config, self.fabric = grader, data, config, fabric
        self.batch_size = config.batch_size  # units that fit in memory at once
        self.feed = Feed(data.inputs, data.units)
        self.optimizer: Any
        self.wrapped: Any
        self.wrapped, self.optimizer = fabric.setup(grader, build_optimizer(grader, config))
        for method in ("compute_outputs", "sync_loss"):
            self.wrapped.mark_forward_method(method)
        self.average = RunningAverage(grader, num_steps) if config.ema else None

    @property
    def eval_model(self) -> Grader:
        """The network that is evaluated and saved: the running average, or the grader itself with `--no-ema`."""
        return cast(Grader, self.average.module) if self.average else self.grader

    def step(self, units: np.ndarray, epoch: int, following: np.ndarray | None = None) -> StepFigures:
        """Take one optimiser step.

        If memory runs out, the batch size is halved for the rest of the training, and gradients are accumulated over
        several batches. On a GPU, only an fp16 scaler waits for the device.

        Args:
            units: Numbers of the units of the step.
            epoch: Number of the epoch, from 1.
            following: Numbers of the units of the next step, which are prepared at the same time.

        Raises:
            UsageError: a single unit does not fit in memory, or a batch norm gets a single value per channel.
        """
        while (figures := unless_out_of_memory(partial(self._accumulate_gradients, units, epoch, following))) is None:
            self.optimizer.zero_grad(set_to_none=True)
            self.batch_size = halve(self.batch_size)
            warn(f"out of memory: continuing with batches of {self.batch_size} units; the units per step are unchanged")
        if self.config.clip:  # not an error if infinite: an fp16 scaler skips steps whose gradients overflow
            self.fabric.clip_gradients(
                self.wrapped, self.optimizer, max_norm=self.config.clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        if self.average:
            self.average.update()
        return figures

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs; tensors stay on their device."""
        return {
            "grader": self.grader.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "precision": self.fabric.strategy.precision.state_dict(),  # the gradient scale of fp16
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the output of `state`."""
        self.grader.load_state_dict(state["grader"])
        self.optimizer.load_state_dict(state["optimizer"])
        if scaling := state.get("precision"):  # missing or empty in other precisions
            self.fabric.strategy.precision.load_state_dict(scaling)
        if self.average:
            self.average.load_state_dict(state["average"])

    def _accumulate_gradients(self, units: np.ndarray, epoch: int, following: np.ndarray | None) -> StepFigures:
        """Accumulate the gradients of a step's batches.

        Several processes synchronise only once, after each has accumulated its own gradients. Therefore, a process that
        runs out of memory can repeat its step with smaller batches while the others wait.
        """
        self.optimizer.zero_grad(set_to_none=True)
        is_distributed = self.fabric.world_size > 1
        batches = list(in_batches(units, self.batch_size))
        prepared = [self.feed.take(batch, epoch) for batch in batches]
        if following is not None:
            self.feed.expect(in_batches(following, self.batch_size), epoch)
        losses, logits, shares = [], [], tuple(len(batch) / len(units) for batch in batches)
        for batch, prepared_batch, share in zip(batches, prepared, shares, strict=True):
            with self.fabric.no_backward_sync(self.wrapped, enabled=is_distributed):
                loss, batch_logits = self._forward_loss(batch, prepared_batch)
                self.fabric.backward(loss * share)
            losses.append(loss.detach())
            logits.append(batch_logits.detach().float())
        if is_distributed:
            self.fabric.backward(self.wrapped.sync_loss())
        return StepFigures(tuple(losses), shares, tuple(logits))

    def _forward_loss(self, units: np.ndarray, prepared: PreparedBatch) -> tuple[Tensor, Tensor]:
        """Mean loss (scalar) and logits (B, num_outputs) of B units."""
        inputs = prepared.inputs()
        mixture = draw_mixture(prepared.batch.index, self.config.mixup)
        index, partners, references = self._send(units, prepared.batch, mixture)
        share, per_head = (mixture.share, 2) if mixture else (1.0, 1)
        if partners is not None:
            inputs = mix(inputs, partners, share)
        try:
            with self.fabric.autocast():  # Fabric itself applies it only to `forward`
                logits, _, auxiliary = self.wrapped.compute_outputs(inputs, index)
        except ValueError as error:
            if not is_single_value(error):
                raise
            raise UsageError(f"the network cannot be trained on a batch of one {self.config.unit}: {REMEDY}") from None
        loss = self._mixed_loss(logits, references[:per_head], share)
        if auxiliary is not None:
            loss = loss + AUXILIARY_WEIGHT * self._mixed_loss(auxiliary, references[per_head:], share)
        return loss, logits

    def _send(
        self, units: np.ndarray, batch: Batch, mixture: Mixture | None
    ) -> tuple[UnitIndex, Tensor | None, list[Reference]]:
        """Copy the unit index, the partners of the photographs, and the references of each head to the device."""
        heads = [(self.data.grades[units], mixture.units if mixture else None)]
        if self.grader.auxiliary is not None:
            heads += [(self.data.auxiliary_grades[batch.eyes], mixture.eyes if mixture else None)]
        references = []
        for grades, partners in heads:
            own_and_partners = [grades] if partners is None else [grades, grades[partners.numpy()]]
            references += [build_reference(each, self.data.grade_weights) for each in own_and_partners]
        photographs = [mixture.photographs] if mixture else []
        tensors = [*batch.index.tensors, *photographs, *chain.from_iterable(references)]
        moved = iter(pack_to(self.fabric.device, tensors))
        index = batch.index.with_tensors([next(moved) for _ in batch.index.tensors])
        photograph_partners = next(moved) if mixture else None
        return index, photograph_partners, [Reference(*(next(moved) for _ in each)) for each in references]

    def _mixed_loss(self, logits: Tensor, references: Sequence[Reference], share: float) -> Tensor:
        """Mean loss on the units' own grades; with mixup, weighted with the mean loss on their partners' grades."""
        own, *partners = (self._mean_loss(logits, reference) for reference in references)
        return share * own + (1 - share) * partners[0] if partners else own

    def _mean_loss(self, logits: Tensor, reference: Reference) -> Tensor:
        """Weighted mean loss of the units with a grade; 0 if there are none."""
        if not len(reference.known):
            return logits.sum() * 0
        return (self.data.loss(logits[reference.known].float(), reference.grades) * reference.weights).mean()


def build_reference(grades: np.ndarray, grade_weights: np.ndarray) -> Reference:
    """Select the known grades of (B,), in which -1 is unknown, and look up their weights in (5,)."""
    known = np.flatnonzero(grades >= 0)
    weights = torch.from_numpy(grade_weights[grades[known]]).float()
    return Reference(torch.from_numpy(known), torch.from_numpy(grades[known]), weights)


def draw_mixture(index: UnitIndex, alpha: float) -> Mixture | None:
    """Draw each unit's partner and the units' own share from torch's generator; None without mixup.

    Args:
        index: Index of the P photographs of B units, on the CPU.
        alpha: Parameter of the share's beta distribution; 0 or less for no mixup.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018, mixup, eq. 1.
    """
    if alpha <= 0:
        return None
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    return pair_up(index, torch.randperm(index.num_units), share)


def pair_up(index: UnitIndex, partners: Tensor, share: float) -> Mixture:
    """Find the partners of photographs and eyes, given the partners (B,) of the units."""
    rows = torch.arange(len(index.unit))
    row_at = torch.full((index.num_units, int(index.slot.max()) + 1), -1)
    row_at[index.unit, index.slot] = rows
    partner_rows = row_at[partners[index.unit], index.slot]
    has_partner = partner_rows >= 0
    photographs = torch.where(has_partner, partner_rows, rows)
    eyes = torch.arange(index.num_eyes)  # an eye's partner is the eye of its photographs' partners, if they have any
    eyes[index.eye[has_partner]] = index.eye[partner_rows[has_partner]]
    return Mixture(partners, photographs, eyes, share)


def mix(inputs: Tensor, partners: Tensor, share: float) -> Tensor:
    """Mix the inputs (P, ...) with their partners, given by index (P,); `share` is the weight of the inputs."""
    return share * inputs + (1 - share) * inputs[partners]
