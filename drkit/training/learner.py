"""Who learns: a grader with its optimiser and its running average, one step at a time."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from drkit.data.units import UnitIndex, Units
from drkit.errors import UsageError
from drkit.inference import in_batches
from drkit.losses import FloatArray, Loss
from drkit.models.grader import Grader
from drkit.progress import warn
from drkit.training.batches import REMEDY, is_lone_value
from drkit.training.config import TrainingConfig
from drkit.training.optimisation import build_average, build_optimizer
from drkit.training.runtime import is_out_of_memory
from drkit.training.sources import Source

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
class Task:
    """What is learned.

    Args:
        source: Inputs for the grader.
        units: Which photographs are seen together.
        grades: int64 (U,) reference grades of the units; -1 where unknown.
        eye_grades: int64, the other target's grade of each eye, for the auxiliary head; -1 where unknown.
        grade_weights: (5,) weight of each grade in the loss, 1 on the average.
        loss: To minimise, and to read logits by.
    """

    source: Source
    units: Units
    grades: np.ndarray
    eye_grades: np.ndarray
    grade_weights: np.ndarray
    loss: Loss


class Learner:
    """A grader that learns.

    Args:
        grader: Its inputs are those of the task's source.
        task: What is learned.
        config: How.
        fabric: Devices, precision and processes.
        num_steps: Steps an epoch.
    """

    def __init__(self, grader: Grader, task: Task, config: TrainingConfig, fabric: Fabric, num_steps: int) -> None:
        self.grader, self.task, self.config, self.fabric = grader, task, config, fabric
        self.batch_size = config.batch_size  # units that fit in memory at once
        self.optimizer: Any
        self.wrapped: Any
        self.wrapped, self.optimizer = fabric.setup(grader, build_optimizer(grader, config))
        for method in ("answer", "touch"):
            self.wrapped.mark_forward_method(method)
        self.average = build_average(grader, num_steps) if config.ema else None

    @property
    def judged(self) -> Grader:
        """The network that is judged and kept: the running average where there is one."""
        return cast(Grader, self.average.module) if self.average else self.grader

    def step(self, units: np.ndarray, epoch: int) -> tuple[float, FloatArray]:
        """Take one step on the units with these numbers.

        Batches that do not fit in memory are halved, once for all, and their gradients added up.

        Returns:
            The units' mean loss, and their logits (B, num_outputs).

        Raises:
            UsageError: not even one unit fits in memory, or a batch norm learns nothing from one.
        """
        while (found := self._try_gradients(units, epoch)) is None:
            self._halve()
        if self.config.clip:  # an fp16 scaler tries scales that overflow, and skips those steps by itself
            self.fabric.clip_gradients(
                self.wrapped, self.optimizer, max_norm=self.config.clip, error_if_nonfinite=False
            )
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.grader)
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

    def _try_gradients(self, units: np.ndarray, epoch: int) -> tuple[float, FloatArray] | None:
        """What `_gather_gradients` gives; None without memory, when the error and all that it holds on to are gone."""
        try:
            return self._gather_gradients(units, epoch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None
        except ValueError as error:
            if not is_lone_value(error):
                raise
            raise UsageError(f"the network cannot learn from a batch of one {self.config.unit}: {REMEDY}") from None

    def _gather_gradients(self, units: np.ndarray, epoch: int) -> tuple[float, FloatArray]:
        """Add up the gradients of a step's batches.

        Several processes meet but once, when each has added up its own: so one that runs out of memory may begin its
        step anew, in smaller batches, while the others wait.
        """
        self.optimizer.zero_grad(set_to_none=True)
        is_shared = self.fabric.world_size > 1
        total, logits = 0.0, []
        for some in in_batches(units, self.batch_size):
            with self.fabric.no_backward_sync(self.wrapped, enabled=is_shared):
                loss, found = self._look(some, epoch)
                self.fabric.backward(loss * (len(some) / len(units)))
            total += loss.item() * len(some) / len(units)
            logits.append(found.detach().float().cpu().numpy())
        if is_shared:
            self.fabric.backward(self.wrapped.touch())
        return total, np.concatenate(logits)

    def _look(self, units: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """The mean loss of some units, and their logits."""
        task, batch = self.task, self.task.units.batch(units)
        places = batch.places.to(self.fabric.device)
        inputs = task.source.augmented(batch.rows, epoch)
        mixture = draw_mixture(batch.places, self.config.mixup)
        if mixture:
            inputs = mix(inputs, mixture)
        with self.fabric.autocast():  # Fabric itself thinks of it in `forward` alone
            logits, _, auxiliary = self.wrapped.answer(inputs, places)
        partners, eyes, share = (mixture.units, mixture.eyes, mixture.share) if mixture else (None, None, 1.0)
        loss = self._mixed_loss(logits, task.grades[units], partners, share)
        if auxiliary is not None:
            loss = loss + AUXILIARY_WEIGHT * self._mixed_loss(auxiliary, task.eye_grades[batch.eyes], eyes, share)
        return loss, logits

    def _mixed_loss(self, logits: Tensor, grades: np.ndarray, partners: Tensor | None, share: float) -> Tensor:
        """The mean loss against the grades (B,) and, by their share, against those of the partners (B,)."""
        own = self._mean_loss(logits, grades)
        if partners is None:
            return own
        return share * own + (1 - share) * self._mean_loss(logits, grades[partners.numpy()])

    def _mean_loss(self, logits: Tensor, grades: np.ndarray) -> Tensor:
        """Weighted mean loss of those with a grade."""
        known = np.flatnonzero(grades >= 0)
        if not len(known):
            return logits.sum() * 0
        weights = torch.from_numpy(self.task.grade_weights[grades[known]]).to(logits.device, torch.float32)
        wanted = torch.from_numpy(grades[known]).to(logits.device)
        return (self.task.loss(logits[torch.from_numpy(known).to(logits.device)].float(), wanted) * weights).mean()

    def _halve(self) -> None:
        if self.batch_size == 1:
            raise UsageError("not even one unit fits in memory: choose a smaller --size or --backbone")
        self.optimizer.zero_grad(set_to_none=True)
        self.batch_size = -(-self.batch_size // 2)
        if self.fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        warn(f"out of memory: batches of {self.batch_size} units from here on, with as many a step as before")


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


def mix(inputs: Tensor, mixture: Mixture) -> Tensor:
    """Blend each of the inputs (P, ...) with its partner."""
    others = inputs[mixture.photographs.to(inputs.device)]
    return mixture.share * inputs + (1 - mixture.share) * others
