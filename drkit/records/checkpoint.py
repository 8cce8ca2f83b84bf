"""A run's weights, with a header from which model and input can be rebuilt without a network connection."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drkit.errors import InputError
from drkit.grades import Target, Unit
from drkit.records.atomic import writing
from drkit.records.decoding import check_version, decode
from drkit.records.filenames import check_spelling
from drkit.records.provenance import METADATA_KEY, canonical_json

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The options from which a grader is built.

    Args:
        backbone: timm's name of the backbone.
        side: Side of the square input images, in pixels.
        unit: Input of one forward pass: image, eye or patient.
        num_slots: Number of photographs of a complete unit.
        fusion: How the photographs of a unit are fused: mean-max, attention or concat.
        unshared: Whether each slot has its own backbone.
        attention: Blocks between backbone and pooling, as typed; empty for none.
        loss: The loss as typed; it defines the meaning of the logits.
        auxiliary: Whether a second head grades each eye for the other target.
        dropout: Dropout probability before the head.
    """

    backbone: str
    side: int
    unit: Unit
    num_slots: int
    fusion: str
    unshared: bool
    attention: str
    loss: str
    auxiliary: bool
    dropout: float


@dataclass(frozen=True, kw_only=True)
class CheckpointHeader:
    """How a grader is rebuilt, and how its logits become grades.

    Args:
        architecture: The options from which the grader is built.
        bank_side: Side of the square photographs from which images are rendered, in pixels.
        steps: Preprocessing steps of its photographs, as in a manifest.
        mean: Mean of each channel, for normalisation.
        std: Standard deviation of each channel, for normalisation.
        sigma: Standard deviation of a regression's residuals on held-out photographs, in grades; 0 for other losses.
        decision: How probabilities and score become a grade.
        cut_points: The four thresholds of the decision `cut_points`; None for other decisions.
        target: Target of the grades: patient or eye.
        fold: The fold that the network was not trained on, from 0; None without folds.
        folds: Number of folds, 0 without cross-validation.
        tta: Whether predictions are means over the eight flips and quarter turns of the images.
        chosen_on: What selected the epoch.
        epoch: The selected epoch, from 1.
        labels_sha256: Hash of the labels of the training.
        provenance: Options, seed and version; equal for equal work.
        round_discs: Whether elliptical discs of its photographs were made round; False in older headers without it.
        seed: Random seed of the network; None in a run of one seed, and in older headers.
        schema_version: Version of this header.
    """

    architecture: Architecture
    bank_side: int
    steps: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sigma: float
    decision: str
    cut_points: tuple[float, ...] | None
    target: Target
    fold: int | None
    folds: int
    tta: bool
    chosen_on: str
    epoch: int
    labels_sha256: str
    provenance: dict[str, Any]
    round_discs: bool = False
    seed: int | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def plugins(self) -> dict[str, str]:
        """Packages that the training used, by the names of `drkit.plugins.Registry.packages`."""
        return dict(self.provenance.get("plugins", {}))


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], header: CheckpointHeader, *, force: bool) -> None:
    """Write weights and header; equal trainings give equal bytes.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    size = sum(tensor.nbytes for tensor in contiguous.values())
    with writing(path, force=force, size=size) as draft:
        save_file(contiguous, draft, metadata={METADATA_KEY: canonical_json(asdict(header))})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], CheckpointHeader]:
    """Read weights and header; the format cannot contain code.

    Raises:
        InputError: the file is missing, truncated, or not drkit's checkpoint.
    """
    check_spelling([path])  # safetensors cannot open other names
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not a safetensors file, or is truncated: {error}") from None
    if METADATA_KEY not in metadata:
        raise InputError(f"{path} is a safetensors file, but not drkit's checkpoint: its metadata has no key 'drkit'")
    return tensors, _parse_header(metadata[METADATA_KEY], path)


def _parse_header(text: str, path: Path) -> CheckpointHeader:
    try:
        record = json.loads(text)
        version = record["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: its header is not what drkit writes") from None
    check_version(version, SCHEMA_VERSION, path)
    if unknown := sorted(set(record) - {item.name for item in fields(CheckpointHeader)}):
        raise InputError(f"{path}: its header is not what drkit writes: {', '.join(unknown)}")
    return decode(record, CheckpointHeader, f"{path}: its header", "train again, or restore the file")
