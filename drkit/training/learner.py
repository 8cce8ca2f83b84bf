"""A grader with its optimiser and its running average, trained one step at a time."""

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

AUXILIARY_WEIGHT = 0.5  # of the loss on the other target


@dataclass(frozen=True)
class Mixture:
    """Mixup of a batch; all tensors are int64.

    Args:
        units: (B,) each unit's partner.
        photographs: (P,) each photograph's partner: the one in the same slot of its unit's partner, itself where there
            is none.
        eyes: (G,) each eye's partner.
        share: Weight of a unit itself, in [0, 1].
    """

    units: Tensor
    photographs: Tensor
    eyes: Tensor
    share: float


@dataclass(frozen=True)
class TrainingData:
    """Inputs, reference grades and loss of a training.

    Args:
        inputs: Inputs of the grader, by photograph.
        units: All U units.
        grades: int64 (U,) reference grades 0-4 of the units; -1 where unknown.
        eye_grades: int64 (number of eyes,) grades of the other target, for the auxiliary head; -1 where unknown.
        grade_weights: (5,) weight of each grade in the loss, 1 on average.
        loss: The loss; it also turns logits into probabilities and scores.
    """

    inputs: Inputs
    units: Units
    grades: np.ndarray
    eye_grades: np.ndarray
    grade_weights: np.ndarray
    loss: Loss


@dataclass(frozen=True)
class StepFigures:
    """Loss and logits of a step, still on the device.

    Args:
        losses: Scalar mean loss of each of the step's batches.
        shares: Share of the step's units in each batch; they sum to 1.
        logits: (B, num_outputs) logits of each batch.
    """

    losses: tuple[Tensor, ...]
    shares: tuple[float, ...]
    logits: tuple[Tensor, ...]


def read_steps(steps: Sequence[StepFigures]) -> tuple[list[float], FloatArray]:
    """Each step's mean loss, and the logits (N, num_outputs) of all steps, fetched from the device at once."""
    losses = iter(torch.stack([loss for step in steps for loss in step.losses]).cpu().tolist())
    means = [sum(next(losses) * share for share in step.shares) for step in steps]
    return means, torch.cat([logits for step in steps for logits in step.logits]).cpu().numpy()


class Reference(NamedTuple):
    """The K of a batch's units that have a grade: their indices, grades and weights in the loss; all (K,)."""

    known: Tensor
    grades: Tensor
    weights: Tensor


class Learner:
    """A grader in training.

    Args:
        grader: Takes the inputs of `data`.
        data: Inputs, grades and loss.
        config: Batch size, optimiser, mixup and the like.
        fabric: Devices, precision and processes.
        num_steps: Steps per epoch, of which the running average averages over one.
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
        for method in ("answer", "sync_loss"):
            self.wrapped.mark_forward_method(method)
        self.average = RunningAverage(grader, num_steps) if config.ema else None

    @property
    def eval_model(self) -> Grader:
        """The network that is evaluated and kept: the running average, with `--no-ema` the grader itself."""
        return cast(Grader, self.average.module) if self.average else self.grader

    def step(self, units: np.ndarray, epoch: int, following: np.ndarray | None = None) -> StepFigures:
        """Take one optimiser step.

        When memory runs out, the batch size is halved for the rest of the training, and gradients are accumulated. On a
        GPU nothing waits for the device, except an fp16 scaler.

        Args:
            units: Numbers of the B units to learn from.
            epoch: From 1.
            following: The units of the next step, which are prepared meanwhile.

        Raises:
            UsageError: not even one unit fits in memory, or a batch norm cannot learn from a single value per channel.
        """
        while (figures := unless_out_of_memory(partial(self._accumulate_gradients, units, epoch, following))) is None:
            self.optimizer.zero_grad(set_to_none=True)
            self.batch_size = halve(self.batch_size)
            warn(f"out of memory: batches of {self.batch_size} units from here on, with as many a step as before")
        if self.config.clip:  # an fp16 scaler tries scales that overflow, and skips those steps by itself
            self.fabric.clip_gradients(
                self.wrapped, self.optimizer, max_norm=self.config.clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        if self.average:
            self.average.update(self.grader)
        return figures

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs; tensors stay on their device."""
        return {
            "grader": self.grader.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "precision": self.fabric.strategy.precision.state_dict(),  # of fp16, what gradients are scaled by
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.grader.load_state_dict(state["grader"])
        self.optimizer.load_state_dict(state["optimizer"])
        if scaling := state.get("precision"):  # none where the state was written in another precision
            self.fabric.strategy.precision.load_state_dict(scaling)
        if self.average:
            self.average.load_state_dict(state["average"])

    def _accumulate_gradients(self, units: np.ndarray, epoch: int, following: np.ndarray | None) -> StepFigures:
        """Accumulate the gradients of a step's batches.

        Several processes synchronise once, after each has accumulated its own gradients: one that runs out of memory
        can then begin its step again with smaller batches while the others wait.
        """
        self.optimizer.zero_grad(set_to_none=True)
        is_shared = self.fabric.world_size > 1
        batches = list(in_batches(units, self.batch_size))
        prepared = [self.feed.take(some, epoch) for some in batches]
        if following is not None:
            self.feed.expect(in_batches(following, self.batch_size), epoch)
        losses, logits, shares = [], [], tuple(len(some) / len(units) for some in batches)
        for some, ready, share in zip(batches, prepared, shares, strict=True):
            with self.fabric.no_backward_sync(self.wrapped, enabled=is_shared):
                loss, batch_logits = self._forward_loss(some, ready)
                self.fabric.backward(loss * share)
            losses.append(loss.detach())
            logits.append(batch_logits.detach().float())
        if is_shared:
            self.fabric.backward(self.wrapped.sync_loss())
        return StepFigures(tuple(losses), shares, tuple(logits))

    def _forward_loss(self, units: np.ndarray, prepared: PreparedBatch) -> tuple[Tensor, Tensor]:
        """The mean loss (scalar) of B units, and their logits (B, num_outputs)."""
        inputs = prepared.inputs()
        mixture = draw_mixture(prepared.batch.places, self.config.mixup)
        index, partners, references = self._send(units, prepared.batch, mixture)
        share, per_head = (mixture.share, 2) if mixture else (1.0, 1)
        if partners is not None:
            inputs = mix(inputs, partners, share)
        try:
            with self.fabric.autocast():  # Fabric wraps only `forward` in it
                logits, _, auxiliary = self.wrapped.answer(inputs, index)
        except ValueError as error:
            if not is_single_value(error):
                raise
            raise UsageError(f"the network cannot learn from a batch of one {self.config.unit}: {REMEDY}") from None
        loss = self._mixed_loss(logits, references[:per_head], share)
        if auxiliary is not None:
            loss = loss + AUXILIARY_WEIGHT * self._mixed_loss(auxiliary, references[per_head:], share)
        return loss, logits

    def _send(
        self, units: np.ndarray, batch: Batch, mixture: Mixture | None
    ) -> tuple[UnitIndex, Tensor | None, list[Reference]]:
        """Unit index, partners of the photographs and references of each head, in one copy to the device."""
        heads = [(self.data.grades[units], mixture.units if mixture else None)]
        if self.grader.auxiliary is not None:
            heads += [(self.data.eye_grades[batch.eyes], mixture.eyes if mixture else None)]
        references = []
        for grades, partners in heads:
            own_and_partners = [grades] if partners is None else [grades, grades[partners.numpy()]]
            references += [build_reference(some, self.data.grade_weights) for some in own_and_partners]
        photographs = [mixture.photographs] if mixture else []
        tensors = [*batch.places.tensors, *photographs, *chain.from_iterable(references)]
        moved = iter(pack_to(self.fabric.device, tensors))
        index = batch.places.with_tensors([next(moved) for _ in batch.places.tensors])
        partners_of_photographs = next(moved) if mixture else None
        return index, partners_of_photographs, [Reference(*(next(moved) for _ in each)) for each in references]

    def _mixed_loss(self, logits: Tensor, references: Sequence[Reference], share: float) -> Tensor:
        """The mean loss on the units' own grades, with mixup blended with that on their partners' grades."""
        own, *partners = (self._mean_loss(logits, reference) for reference in references)
        return share * own + (1 - share) * partners[0] if partners else own

    def _mean_loss(self, logits: Tensor, reference: Reference) -> Tensor:
        """The weighted mean loss of the units with a grade; 0 where there are none."""
        if not len(reference.known):
            return logits.sum() * 0
        return (self.data.loss(logits[reference.known].float(), reference.grades) * reference.weights).mean()


def build_reference(grades: np.ndarray, grade_weights: np.ndarray) -> Reference:
    """The reference of grades (B,), -1 where unknown, with the weights (5,) of the grades."""
    known = np.flatnonzero(grades >= 0)
    weights = torch.from_numpy(grade_weights[grades[known]]).float()
    return Reference(torch.from_numpy(known), torch.from_numpy(grades[known]), weights)


def draw_mixture(places: UnitIndex, alpha: float) -> Mixture | None:
    """Draw each unit's partner and the units' own share from torch's generator; None without mixup.

    Args:
        places: Index of the P photographs of B units, on the CPU.
        alpha: Parameter of the beta distribution of the share; 0 or less: no mixup.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018, mixup, eq. 1.
    """
    if alpha <= 0:
        return None
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    return pair_up(places, torch.randperm(places.num_units), share)


def pair_up(places: UnitIndex, partners: Tensor, share: float) -> Mixture:
    """The mixture of photographs and eyes that follows from the partners (B,) of the units."""
    rows = torch.arange(len(places.unit))
    row_at = torch.full((places.num_units, int(places.slot.max()) + 1), -1)
    row_at[places.unit, places.slot] = rows
    partner_rows = row_at[partners[places.unit], places.slot]
    has_partner = partner_rows >= 0
    photographs = torch.where(has_partner, partner_rows, rows)
    eyes = torch.arange(places.num_eyes)  # an eye's partner is that of its photographs, as far as they have one
    eyes[places.eye[has_partner]] = places.eye[partner_rows[has_partner]]
    return Mixture(partners, photographs, eyes, share)


def mix(inputs: Tensor, partners: Tensor, share: float) -> Tensor:
    """Blend each of the inputs (P, ...) with its partner, by index (P,); `share` is the input's own weight."""
    return share * inputs + (1 - share) * inputs[partners]
