"""Inputs of a network in training: photographs, or their features from frozen stages, which are computed once."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from drkit.batching import BatchSize, in_batches, map_batches
from drkit.config.training import TrainingConfig
from drkit.data.augmentation import Policy, draw, policy_record
from drkit.data.bank import PhotographBank, fits_in_memory
from drkit.data.cache import default_cache_dir, opening_cached, opening_temporary
from drkit.data.rendering import InputFormat, dihedral_views, prepare, render, surround_colours
from drkit.data.transfer import pin, send
from drkit.models.freezing import frozen_tensors, run_frozen_part
from drkit.models.grader import Grader
from drkit.progress import track
from drkit.records.provenance import canonical_json, sha256_bytes
from drkit.training.processes import make_once
from drkit.training.sharding import fill_together

NOT_BANKED = np.iinfo(np.int64).max  # position of a photograph that is not in the bank: an index error in any array


class Inputs(Protocol):
    """Inputs of a grader, by row number of the photographs."""

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        """Prepare a training batch on the CPU, in any thread, and return a function that finishes it on the device."""

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        """Return a batch for evaluation, without augmentation."""


@dataclass(frozen=True, kw_only=True)
class PhotographInputs:
    """Images, for a grader without frozen stages.

    Args:
        bank: The M decoded photographs.
        image_ids: Their M ids, which seed the augmentation.
        input_format: Side and normalisation of the images.
        policy: Augmentation of training images.
        seed: Random seed of the augmentation.
        device: Device on which images are rendered.
        positions: (N,) position in the bank of each row number, `NOT_BANKED` for others; None if they are the same.
    """

    bank: PhotographBank
    image_ids: Sequence[str]
    input_format: InputFormat
    policy: Policy
    seed: int
    device: torch.device
    positions: np.ndarray | None = None

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        """Prepare augmented images (P, 3, S, S); the augmentation is seeded by (seed, epoch, image id)."""
        banked = _look_up(self.positions, rows)
        names = [self.image_ids[position] for position in banked]
        changes = draw(self.policy, names, self.seed, epoch, self.bank.pixels.shape[1])
        photographs = self.bank.pixels[banked]
        return prepare(photographs, self.input_format, self.device, changes, self._surrounds(banked, photographs))

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        """Images (P, 3, S, S) without augmentation."""
        return render(self.bank.pixels[_look_up(self.positions, rows)], self.input_format, self.device)

    def views(self, rows: np.ndarray) -> Iterator[Tensor]:
        """The eight flips and quarter turns of the images, for `--tta`."""
        return dihedral_views(self.eval_batch(rows))

    def _surrounds(self, banked: np.ndarray, photographs: np.ndarray) -> np.ndarray:
        """Colours around the photographs' discs, float32 (P, 3), each measured once."""
        unknown = np.isnan(self._known_surrounds[banked, 0])
        if unknown.any():
            self._known_surrounds[banked[unknown]] = surround_colours(photographs[unknown])
        return self._known_surrounds[banked]

    @cached_property
    def _known_surrounds(self) -> np.ndarray:
        return np.full((len(self.bank), 3), np.nan, np.float32)


@dataclass(frozen=True)
class FrozenInputs:
    """Features from the frozen stages of a grader.

    Args:
        key: SHA-256 of everything that the features of photographs without augmentation depend on; the photographs
            count only with a cache.
        eval_features: Features of the M banked photographs without augmentation, float16 (M, ...).
        copies: Features of K augmented copies, float16 (K, M, ...); rows that are not trained on are 0.
        device: Device of the trained part.
        positions: As in `PhotographInputs`.
    """

    key: str
    eval_features: np.ndarray
    copies: np.ndarray
    device: torch.device
    positions: np.ndarray | None = None

    def prepare(self, rows: np.ndarray, epoch: int) -> Callable[[], Tensor]:
        """Prepare the features (P, ...) of this epoch's augmented copy; copies are used in turn."""
        features = self.copies[epoch % len(self.copies)] if len(self.copies) else self.eval_features
        return partial(self._move, pin(torch.from_numpy(features[_look_up(self.positions, rows)]), self.device))

    def eval_batch(self, rows: np.ndarray) -> Tensor:
        """Features (P, ...) of the photographs without augmentation."""
        return self._move(torch.from_numpy(self.eval_features[_look_up(self.positions, rows)]))

    def without_copies(self) -> "FrozenInputs":
        """Return the inputs without the augmented copies."""
        return replace(self, copies=self.copies[:0].copy())

    def _move(self, features: Tensor) -> Tensor:
        return send(features, self.device).float()


def _look_up(positions: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    return rows if positions is None else positions[rows]


def count_copies(config: TrainingConfig, policy: Policy) -> int:
    """Number of augmented copies of each photograph that frozen stages are run on; 0 without augmentation."""
    return config.copies if policy != Policy() else 0


def feature_bytes(shape: tuple[int, ...], num_copies: int) -> int:
    """Number of bytes of the features (M, ...) of all banked photographs and their augmented copies."""
    return (1 + num_copies) * math.prod(shape) * np.dtype(np.float16).itemsize


def freeze_inputs(
    grader: Grader,
    photographs: PhotographInputs,
    trained_rows: np.ndarray,
    config: TrainingConfig,
    fabric: Fabric,
    earlier: FrozenInputs | None = None,
) -> FrozenInputs:
    """Run the frozen stages of a grader over the bank, and over augmented copies of what is trained on.

    Args:
        grader: The complete network.
        photographs: The M banked photographs.
        trained_rows: Row numbers of the photographs that are trained on.
        config: Options `freeze`, `copies` and `cache_dir`. With a cache, features are stored there and reused for the
            same stages, weights, photographs, precision and augmentation. Without a cache, features that do not fit in
            memory, or that several processes read, are written to a temporary file.
        fabric: Device, precision and processes of the training; the processes of each machine share the work.
        earlier: Inputs of another seed, whose features without augmentation are reused if stages and weights are the
            same.
    """
    grader.eval()
    trained, positions = _look_up(photographs.positions, trained_rows), photographs.positions
    photographs = replace(photographs, positions=None)
    stages, every_row = config.frozen_stages, np.arange(len(photographs.bank))
    origin = make_once(fabric, partial(_identify, grader, photographs, config, fabric.strategy.precision.precision))

    def run(images: Tensor) -> Tensor:
        with fabric.autocast():
            return run_frozen_part(grader, images, stages)

    key = sha256_bytes(canonical_json(origin).encode())
    share = slice(fabric.local_rank, None, config.devices)
    fill_plain = partial(_fill, run, lambda rows, _: photographs.eval_batch(rows), every_row, share)
    fill_copies = partial(_fill, run, lambda rows, copy: photographs.prepare(rows, copy)(), trained, share)
    num_copies = count_copies(config, photographs.policy)
    augmentation = {
        "trained": trained.tolist(),
        "policy": policy_record(photographs.policy),
        "seed": photographs.seed,
        **({"noise_device": photographs.device.type} if photographs.policy.noise else {}),  # draws its own noise
    }
    with torch.inference_mode():
        shape = (len(every_row), *run(photographs.eval_batch(every_row[:1])).shape[1:])
        in_memory = fits_in_memory(feature_bytes(shape, num_copies)) and fabric.world_size == 1
        make = partial(_make_or_load, fabric, cache_dir=config.cache_dir, in_memory=in_memory)
        if earlier and earlier.key == key:
            eval_features = earlier.eval_features
        else:
            eval_features = make(origin, (1, *shape), fill_plain)[0]
        copies = make({**origin, **augmentation}, (num_copies, *shape), fill_copies)
    return FrozenInputs(key, eval_features, copies, photographs.device, positions)


def _make_or_load(
    fabric: Fabric,
    origin: dict[str, Any],
    shape: tuple[int, ...],
    fill: Callable[[np.ndarray], None],
    *,
    cache_dir: Path | None,
    in_memory: bool,
) -> np.ndarray:
    """Return a float16 array filled by `fill`, now or in an earlier training with the same cache."""
    if not shape[0] or (in_memory and cache_dir is None):
        features = np.zeros(shape, np.float16)
        fill(features)
        return features
    if cache_dir is None:
        opening = opening_temporary(default_cache_dir(), shape, np.float16)
    else:
        key = sha256_bytes(canonical_json({**origin, "shape": shape}).encode())[:32]
        opening = opening_cached(cache_dir, key, shape, np.float16)
    return fill_together(fabric, opening, fill)


def _fill(
    frozen_part: Callable[[Tensor], Tensor],
    images: Callable[[np.ndarray, int], Tensor],
    rows: np.ndarray,
    share: slice,
    features: np.ndarray,
) -> None:
    """Run the frozen stages over a share of the batches of each copy, and write the results to `features` (K, N, ...).

    The batches are the same however many processes share them, and so are the results, bit for bit.
    """

    def run(copy: int, batch: np.ndarray) -> np.ndarray:
        return frozen_part(images(batch, copy)).half().cpu().numpy()

    batches, size = [(copy, batch) for copy in range(len(features)) for batch in in_batches(rows)][share], BatchSize()
    for copy, batch in track(batches, "running the frozen stages", len(batches)):
        for done, values in map_batches(partial(run, copy), batch, size):
            features[copy, done] = values


def _identify(grader: Grader, photographs: PhotographInputs, config: TrainingConfig, precision: str) -> dict[str, Any]:
    """Everything that the features of photographs without augmentation depend on."""
    stages, pixels = config.frozen_stages, photographs.bank.pixels if config.cache_dir else ()
    return {
        "network": grader.backbone.architecture,  # networks with equal weights may differ, for example in padding
        "weights": [sha256_bytes(tensor.cpu().numpy().tobytes()) for tensor in frozen_tensors(grader, stages).values()],
        "stages": stages,
        "pixels": [sha256_bytes(photograph.tobytes()) for photograph in pixels],
        "image_ids": list(photographs.image_ids),
        "input": asdict(photographs.input_format),
        **({} if precision == "32-true" else {"precision": precision}),  # left out by the caches of earlier versions
    }
