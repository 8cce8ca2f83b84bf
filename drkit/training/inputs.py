"""What a grader is fed while it is trained: photographs, or what its frozen part made of them once for all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from drkit.data.augmentation import Policy, draw, policy_record
from drkit.data.bank import PhotographBank
from drkit.data.cache import open_cached
from drkit.data.rendering import InputFormat, dihedral_views, prepare, render, surround_colours
from drkit.data.transfer import pin, send
from drkit.inference import in_batches
from drkit.models.freezing import frozen_tensors, run_frozen_part
from drkit.models.grader import Grader
from drkit.progress import track
from drkit.records.provenance import canonical_json, sha256_bytes
from drkit.training.config import TrainingConfig

Fill = Callable[[np.ndarray], tuple[str, ...]]  # fills an array; what is to be kept beside it


class Inputs(Protocol):
    """Inputs for a grader, by row number of the photographs."""

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        """Do the CPU's part of inputs to train on, in any thread; what is given back makes them on the device."""

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        """Inputs to be judged on: never augmented."""


@dataclass(frozen=True)
class PhotographInputs:
    """Images for the whole grader.

    Args:
        bank: N photographs.
        image_ids: Their names, N.
        input_format: Side and normalisation of the images.
        policy: How training images are changed.
        seed: Of the changes.
        device: Where images are made.
    """

    bank: PhotographBank
    image_ids: Sequence[str]
    input_format: InputFormat
    policy: Policy
    seed: int
    device: torch.device

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        """Images (P, 3, S, S), changed as (seed, epoch, image_id) says."""
        names = [self.image_ids[row] for row in rows]
        changes = draw(self.policy, names, self.seed, epoch, self.bank.pixels.shape[1])
        photographs = self.bank.pixels[rows]
        return prepare(photographs, self.input_format, self.device, changes, self._surrounds(rows, photographs))

    def train_batch(self, rows: np.ndarray, epoch: int) -> Tensor:
        """What `prepare` prepares."""
        return self.prepare(rows, epoch)()

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        """Images (P, 3, S, S) as they are."""
        return render(self.bank.pixels[rows], self.input_format, self.device)

    def views(self, rows: np.ndarray) -> Iterator[Tensor]:
        """The eight flips and quarter turns of the plain images."""
        return dihedral_views(self.eval_batch(rows))

    def _surrounds(self, rows: np.ndarray, photographs: np.ndarray) -> np.ndarray:
        """float32 (P, 3): the photographs' surrounds, each measured once."""
        unknown = np.isnan(self._known_surrounds[rows, 0])
        if unknown.any():
            self._known_surrounds[rows[unknown]] = surround_colours(photographs[unknown])
        return self._known_surrounds[rows]

    @cached_property
    def _known_surrounds(self) -> np.ndarray:
        return np.full((len(self.bank), 3), np.nan, np.float32)


@dataclass(frozen=True)
class FrozenInputs:
    """What the frozen part of a grader made of the photographs.

    Args:
        made_of: A key of what the plain features are made of: the photographs and the frozen part's weights.
        eval_features: float16 (N, ...), of the plain photographs.
        copies: float16 (K, N, ...), of augmented ones; rows that are not trained on stay zero. K = 0: none.
        device: Of the part that learns.
    """

    made_of: str
    eval_features: np.ndarray
    copies: np.ndarray
    device: torch.device

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        """Features (P, ...) of the copy whose turn it is."""
        drawn = self.copies[epoch % len(self.copies)] if len(self.copies) else self.eval_features
        return partial(self._move, pin(torch.from_numpy(drawn[rows]), self.device))

    def train_batch(self, rows: np.ndarray, epoch: int) -> Tensor:
        """What `prepare` prepares."""
        return self.prepare(rows, epoch)()

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        """Features (P, ...) of the plain photographs."""
        return self._move(torch.from_numpy(self.eval_features[rows]))

    def without_copies(self) -> "FrozenInputs":
        """The plain features alone, which other copies may be added to."""
        return replace(self, copies=self.copies[:0].copy())

    def _move(self, features: Tensor) -> Tensor:
        return send(features, self.device).float()


def count_copies(config: TrainingConfig, policy: Policy) -> int:
    """Augmented copies of a photograph that frozen stages are run on: none where nothing is augmented."""
    return config.copies if policy != Policy() else 0


def freeze_inputs(
    grader: Grader,
    photographs: PhotographInputs,
    trained_rows: np.ndarray,
    config: TrainingConfig,
    earlier: FrozenInputs | None = None,
) -> FrozenInputs:
    """Run the frozen part of a grader over every plain photograph, and over copies of those that are trained on.

    Args:
        grader: Whole.
        photographs: N photographs.
        trained_rows: Which of them are trained on.
        config: How many stages are frozen and how many copies are made; where it names a cache, what was made there
            before by the same stages of the same photographs and copies is taken again.
        earlier: Of another seed, whose plain features are taken where they are the same.
    """
    grader.eval()
    stages, every_row = config.frozen_stages, np.arange(len(photographs.bank))
    made_of = _ingredients(grader, photographs, stages)
    key = sha256_bytes(canonical_json(made_of).encode())
    plain = partial(_fill, grader, stages, lambda rows, _: photographs.eval_batch(rows), every_row)
    copies = partial(_fill, grader, stages, photographs.train_batch, trained_rows)
    num_copies = count_copies(config, photographs.policy)
    drawn = {"trained": trained_rows.tolist(), "policy": policy_record(photographs.policy), "seed": photographs.seed}
    with torch.inference_mode():
        shape = run_frozen_part(grader, photographs.eval_batch(every_row[:1]), stages).shape[1:]
        if earlier and earlier.made_of == key:
            eval_features = earlier.eval_features
        else:
            eval_features = _keep(config.cache_dir, made_of, (1, len(every_row), *shape), plain)[0]
        changed = _keep(
            config.cache_dir,
            {**made_of, **drawn},
            (num_copies, len(every_row), *shape),
            copies,
        )
    return FrozenInputs(key, eval_features, changed, photographs.device)


def _keep(cache_dir: Path | None, made_of: dict[str, Any], shape: tuple[int, ...], fill: Fill) -> np.ndarray:
    """A float16 array that `fill` has filled, now or in an earlier training with the same cache."""
    if cache_dir is None or not shape[0]:
        features = np.zeros(shape, np.float16)
        fill(features)
        return features
    key = sha256_bytes(canonical_json({**made_of, "shape": shape}).encode())[:32]
    return open_cached(cache_dir, key, shape, fill, np.float16)[0]


def _fill(
    grader: Grader,
    stages: int | None,
    images: Callable[[np.ndarray, int], Tensor],
    rows: np.ndarray,
    features: np.ndarray,
) -> tuple[str, ...]:
    """Run the frozen part over some rows, once a copy, into `features` (K, N, ...)."""
    steps = [(copy, batch) for copy in range(len(features)) for batch in in_batches(rows)]
    for copy, batch in track(steps, "running the frozen stages", len(steps)):
        features[copy, batch] = run_frozen_part(grader, images(batch, copy), stages).half().cpu().numpy()
    return ()


def _ingredients(grader: Grader, photographs: PhotographInputs, stages: int | None) -> dict[str, Any]:
    """What the features of plain photographs are made of."""
    return {
        "weights": [sha256_bytes(tensor.cpu().numpy().tobytes()) for tensor in frozen_tensors(grader, stages)],
        "stages": stages,
        "pixels": [sha256_bytes(photograph.tobytes()) for photograph in photographs.bank.pixels],
        "image_ids": list(photographs.image_ids),
        "input": asdict(photographs.input_format),
    }
