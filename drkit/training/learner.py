"""Who learns: a grader with its optimiser and its running average, one step at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from drkit.data.transfer import pack_to
from drkit.data.units import Batch, UnitIndex, Units
from drkit.errors import UsageError
from drkit.inference import in_batches
from drkit.losses import FloatArray, Loss
from drkit.models.grader import Grader
from drkit.progress import warn
from drkit.training.batches import REMEDY, is_single_value
from drkit.training.config import TrainingConfig
from drkit.training.feed import Feed, PreparedBatch
from drkit.training.inputs import Inputs
from drkit.training.optimisation import RunningAverage, build_optimizer
from drkit.training.runtime import is_out_of_memory

AUXILIARY_WEIGHT = 0.5  # of the other target's loss


@dataclass(frozen=True)
class Mixture:
    """How the units of a batch are blended.

    Args:
        units: (B,) each unit's partner.
        photographs: (P,) the photograph that each is blended with: in the same slot of the unit's partner, itself where
            there is none.
        eyes: (G,) the eye that each is blended with.
        share: Of a unit itself, in [0, 1].
    """

    units: Tensor
    photographs: Tensor
    eyes: Tensor
    share: float


@dataclass(frozen=True)
class TrainingData:
    """What is learned.

    Args:
        inputs: Inputs for the grader.
        units: Which photographs are seen together.
        grades: int64 (U,) reference grades of the units; -1 where unknown.
        eye_grades: int64, the other target's grade of each eye, for the auxiliary head; -1 where unknown.
        grade_weights: (5,) weight of each grade in the loss, 1 on the average.
        loss: To minimise, and to read logits by.
    """

    inputs: Inputs
    units: Units
    grades: np.ndarray
    eye_grades: np.ndarray
    grade_weights: np.ndarray
    loss: Loss


@dataclass(frozen=True)
class StepFigures:
    """What a step came to, still on the device.

    Args:
        losses: () mean loss of each of the step's batches.
        shares: Of the step's units, that each batch is.
        logits: (B, num_outputs) of each batch.
    """

    losses: tuple[Tensor, ...]
    shares: tuple[float, ...]
    logits: tuple[Tensor, ...]


def read_steps(steps: Sequence[StepFigures]) -> tuple[list[float], FloatArray]:
    """Each step's mean loss, and the logits of all their units, fetched at once."""
    losses = iter(torch.stack([loss for step in steps for loss in step.losses]).cpu().tolist())
    means = [sum(next(losses) * share for share in step.shares) for step in steps]
    return means, torch.cat([logits for step in steps for logits in step.logits]).cpu().numpy()


class Reference(NamedTuple):
    """What a batch's logits should say: those with a grade, their grades, and what each counts; all (K,)."""

    known: Tensor
    grades: Tensor
    weights: Tensor


class Learner:
    """A grader that learns.

    Args:
        grader: Its inputs are those of `data`.
        data: What is learned.
        config: How.
        fabric: Devices, precision and processes.
        num_steps: Steps an epoch.
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
        """The network that is judged and kept: the running average where there is one."""
        return cast(Grader, self.average.module) if self.average else self.grader

    def step(self, units: np.ndarray, epoch: int, following: np.ndarray | None = None) -> StepFigures:
        """Take one step on the units with these numbers.

        Batches that do not fit in memory are halved, once for all, and their gradients added up. On a GPU nothing is
        waited for, but by an fp16 scaler.

        Args:
            units: B numbers.
            epoch: From 1.
            following: The units of the next step, which are prepared meanwhile.

        Raises:
            UsageError: not even one unit fits in memory, or a batch norm learns nothing from one.
        """
        while (found := self._try_gradients(units, epoch, following)) is None:
            self._halve()
        if self.config.clip:  # an fp16 scaler tries scales that overflow, and skips those steps by itself
            self.fabric.clip_gradients(
                self.wrapped, self.optimizer, max_norm=self.config.clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        if self.average:
            self.average.update(self.grader)
        return found

    def state(self) -> dict[str, Any]:
        """Everything that a resumed training needs, on the CPU."""
        return {
            "grader": self.grader.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "precision": self.fabric.strategy.precision.state_dict(),  # of fp16, what gradients are scaled by
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.grader.load_state_dict(state["grader"])
        self.optimizer.load_state_dict(state["optimizer"])
        if scaling := state.get("precision"):  # none where the state was written in another precision
            self.fabric.strategy.precision.load_state_dict(scaling)
        if self.average:
            self.average.load_state_dict(state["average"])

    def _try_gradients(self, units: np.ndarray, epoch: int, following: np.ndarray | None) -> StepFigures | None:
        """What `_gather_gradients` gives; None without memory, when the error and all that it holds on to are gone."""
        try:
            return self._gather_gradients(units, epoch, following)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        except ValueError as error:
            if not is_single_value(error):
                raise
            raise UsageError(f"the network cannot learn from a batch of one {self.config.unit}: {REMEDY}") from None

    def _gather_gradients(self, units: np.ndarray, epoch: int, following: np.ndarray | None) -> StepFigures:
        """Add up the gradients of a step's batches.

        Several processes meet but once, when each has added up its own: so one that runs out of memory may begin its
        step anew, in smaller batches, while the others wait.
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
                loss, found = self._forward_loss(some, ready)
                self.fabric.backward(loss * share)
            losses.append(loss.detach())
            logits.append(found.detach().float())
        if is_shared:
            self.fabric.backward(self.wrapped.sync_loss())
        return StepFigures(tuple(losses), shares, tuple(logits))

    def _forward_loss(self, units: np.ndarray, prepared: PreparedBatch) -> tuple[Tensor, Tensor]:
        """The mean loss of some units, and their logits."""
        inputs = prepared.inputs()
        mixture = draw_mixture(prepared.batch.places, self.config.mixup)
        places, partners, references = self._send(units, prepared.batch, mixture)
        share, num_asked = (mixture.share, 2) if mixture else (1.0, 1)
        if partners is not None:
            inputs = mix(inputs, partners, share)
        with self.fabric.autocast():  # Fabric itself thinks of it in `forward` alone
            logits, _, auxiliary = self.wrapped.answer(inputs, places)
        loss = self._mixed_loss(logits, references[:num_asked], share)
        if auxiliary is not None:
            loss = loss + AUXILIARY_WEIGHT * self._mixed_loss(auxiliary, references[num_asked:], share)
        return loss, logits

    def _send(
        self, units: np.ndarray, batch: Batch, mixture: Mixture | None
    ) -> tuple[UnitIndex, Tensor | None, list[Reference]]:
        """UnitIndex, the photographs' partners and what is asked of each head, in one copy to the device."""
        heads = [(self.data.grades[units], mixture.units if mixture else None)]
        if self.grader.auxiliary is not None:
            heads += [(self.data.eye_grades[batch.eyes], mixture.eyes if mixture else None)]
        asked = [reference for grades, partners in heads for reference in self._refer(grades, partners)]
        photographs = [mixture.photographs] if mixture else []
        everything = [*batch.places.tensors, *photographs, *chain.from_iterable(asked)]
        moved = iter(pack_to(self.fabric.device, everything))
        places = batch.places.with_tensors([next(moved) for _ in batch.places.tensors])
        partners = next(moved) if mixture else None
        return places, partners, [Reference(*(next(moved) for _ in reference)) for reference in asked]

    def _refer(self, grades: np.ndarray, partners: Tensor | None) -> list[Reference]:
        """What the grades (B,) ask of logits, and with mixing what those of the partners (B,) ask."""
        asked = [grades] if partners is None else [grades, grades[partners.numpy()]]
        return [refer(some, self.data.grade_weights) for some in asked]

    def _mixed_loss(self, logits: Tensor, references: Sequence[Reference], share: float) -> Tensor:
        """The mean loss against the units' own grades and, by their share, against those of their partners."""
        own, *partners = (self._mean_loss(logits, reference) for reference in references)
        return share * own + (1 - share) * partners[0] if partners else own

    def _mean_loss(self, logits: Tensor, reference: Reference) -> Tensor:
        """Weighted mean loss of those with a grade."""
        if not len(reference.known):
            return logits.sum() * 0
        return (self.data.loss(logits[reference.known].float(), reference.grades) * reference.weights).mean()

    def _halve(self) -> None:
        if self.batch_size == 1:
            raise UsageError("not even one unit fits in memory: choose a smaller --size or --backbone")
        self.optimizer.zero_grad(set_to_none=True)
        self.batch_size = -(-self.batch_size // 2)
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        warn(f"out of memory: batches of {self.batch_size} units from here on, with as many a step as before")


def refer(grades: np.ndarray, grade_weights: np.ndarray) -> Reference:
    """What grades (B,), -1 where unknown, ask of logits, each weighted as its grade is (5,)."""
    known = np.flatnonzero(grades >= 0)
    weights = torch.from_numpy(grade_weights[grades[known]]).float()
    return Reference(torch.from_numpy(known), torch.from_numpy(grades[known]), weights)


def draw_mixture(places: UnitIndex, alpha: float) -> Mixture | None:
    """Each unit's partner and the units' own share, from torch's generator; None without mixing.

    Args:
        places: Of the P photographs of B units, on the CPU.
        alpha: Of the beta distribution that the share is drawn from.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz 2018, mixup, eq. 1.
    """
    if alpha <= 0:
        return None
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    return pair_up(places, torch.randperm(places.num_units), share)


def pair_up(places: UnitIndex, partners: Tensor, share: float) -> Mixture:
    """Which photographs and eyes are blended where the units (B,) are blended with their partners (B,)."""
    rows = torch.arange(len(places.unit))
    row_at = torch.full((places.num_units, int(places.slot.max()) + 1), -1)
    row_at[places.unit, places.slot] = rows
    found = row_at[partners[places.unit], places.slot]
    photographs = torch.where(found >= 0, found, rows)
    eyes = torch.arange(places.num_eyes)
    moved = found >= 0  # an eye's partner is that of its photographs, as far as they have any
    eyes[places.eye[moved]] = places.eye[found[moved]]
    return Mixture(partners, photographs, eyes, share)


def mix(inputs: Tensor, partners: Tensor, share: float) -> Tensor:
    """Blend each of the inputs (P, ...) with its partner (P,); `share` is its own."""
    return share * inputs + (1 - share) * inputs[partners]
