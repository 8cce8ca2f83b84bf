"""What is trained and what it is fed: photographs to a whole grader, or cached activations to its head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from drkit.data.augmentation import Policy, draw
from drkit.data.bank import PhotographBank
from drkit.data.rendering import InputFormat, render
from drkit.inference import in_batches, run_network
from drkit.models.grader import Grader
from drkit.talk import track


class Source(Protocol):
    """Inputs for a module, by row number of the photographs."""

    @property
    def module(self) -> nn.Module:
        """Maps inputs to logits; its parameters are trained."""

    def augmented(self, rows: np.ndarray, epoch: int) -> Tensor:
        """Inputs to train on."""

    def plain(self, rows: np.ndarray) -> Tensor:
        """Inputs to be judged on: never augmented."""


@dataclass(frozen=True)
class PhotographSource:
    """Images for the whole grader.

    Args:
        module: The grader.
        bank: N photographs.
        image_ids: Their names, N.
        wanted: Side and normalisation of the images.
        policy: How training images are changed.
        seed: Of the changes.
        device: Where images are made.
    """

    module: Grader
    bank: PhotographBank
    image_ids: Sequence[str]
    wanted: InputFormat
    policy: Policy
    seed: int
    device: torch.device

    def augmented(self, rows: np.ndarray, epoch: int) -> Tensor:
        """Images (B, 3, S, S), changed as (seed, epoch, image_id) says."""
        names = [self.image_ids[row] for row in rows]
        changes = draw(self.policy, names, self.seed, epoch, self.bank.pixels.shape[1])
        return render(self.bank.pixels[rows], self.wanted, self.device, changes)

    def plain(self, rows: np.ndarray) -> Tensor:
        """Images (B, 3, S, S) as they are."""
        return render(self.bank.pixels[rows], self.wanted, self.device)


@dataclass(frozen=True)
class ActivationSource:
    """What the head sees, computed once: the backbone is frozen and in evaluation mode.

    Args:
        module: The head.
        unchanged: float16 (N, F), of the plain photographs.
        copies: float16 (K, N, F), of augmented ones; rows that are not trained on stay zero. K = 0: none.
        device: Of the head.
    """

    module: nn.Module
    unchanged: np.ndarray
    copies: np.ndarray
    device: torch.device

    def augmented(self, rows: np.ndarray, epoch: int) -> Tensor:
        """Activations (B, F) of the copy whose turn it is."""
        drawn = self.copies[epoch % len(self.copies)] if len(self.copies) else self.unchanged
        return self._move(drawn[rows])

    def plain(self, rows: np.ndarray) -> Tensor:
        """Activations (B, F) of the plain photographs."""
        return self._move(self.unchanged[rows])

    def _move(self, activations: np.ndarray) -> Tensor:
        return torch.from_numpy(activations).to(self.device).float()


def freeze_backbone(source: PhotographSource, trained_rows: np.ndarray, num_copies: int) -> ActivationSource:
    """Run the backbone once over every plain photograph, and over copies of those that are trained on.

    Args:
        source: Photographs for the whole grader.
        trained_rows: Which of them are trained on.
        num_copies: Augmented copies of each.
    """
    grader = source.module.eval()
    shape = (len(source.bank), grader.num_features)
    unchanged, copies = np.zeros(shape, np.float16), np.zeros((num_copies, *shape), np.float16)
    steps: list[tuple[int | None, np.ndarray]] = [(None, rows) for rows in in_batches(np.arange(len(source.bank)))]
    steps += [(copy, rows) for copy in range(num_copies) for rows in in_batches(trained_rows)]
    for copy, rows in track(steps, "running the frozen backbone", len(steps)):
        images = source.plain(rows) if copy is None else source.augmented(rows, copy)
        kept = unchanged if copy is None else copies[copy]
        kept[rows] = run_network(grader.embed, iter([images]))
    return ActivationSource(grader.head, unchanged, copies, source.device)


def activation_bytes(num_photographs: int, num_copies: int, num_features: int) -> int:
    """Memory that cached activations take."""
    return 2 * num_features * num_photographs * (1 + num_copies)
