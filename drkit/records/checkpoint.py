"""A run's weights, with everything in the header that rebuilds model and input without a network."""

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
from drkit.grades import Target
from drkit.records.atomic import writing
from drkit.records.decoding import decode
from drkit.records.filenames import check_spelling
from drkit.records.provenance import METADATA_KEY, canonical_json

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Architecture:
    """What a grader is made of.

    Args:
        backbone: timm's name.
        side: Of the images in pixels.
        unit: What one forward pass sees: image, eye or patient.
        num_slots: Photographs of a whole unit.
        fusion: How the photographs of a unit are joined: mean-max, attention or concat.
        unshared: Whether each slot has a backbone of its own.
        attention: Blocks between backbone and pool, as typed; empty: none.
        loss: As typed; says what the logits are.
        auxiliary: Whether a second head grades each eye for the other target.
        dropout: Probability, before the head.
    """

    backbone: str
    side: int
    unit: str
    num_slots: int
    fusion: str
    unshared: bool
    attention: str
    loss: str
    auxiliary: bool
    dropout: float


@dataclass(frozen=True)
class CheckpointHeader:
    """How a grader is rebuilt and how its logits are read.

    Args:
        architecture: What the grader is made of.
        bank_side: Of the photographs that images are made of.
        steps: Preprocessing that its photographs went through, as a manifest holds them.
        mean: Normalisation, a channel each.
        std: Normalisation, a channel each.
        sigma: Residual of a regression on held-out photographs, in grades; 0 for other losses.
        decision: How probabilities and score become a grade.
        cut_points: The four thresholds of the decision `cut_points`, else None.
        target: Whose grade.
        fold: Which patients it did not see, of `folds` parts; None without.
        folds: Number of parts, 0 without.
        tta: Whether answers are means over the eight flips and quarter turns of the images.
        chosen_on: What picked the epoch.
        epoch: Which was picked, from 1.
        labels_sha256: Hash of the labels it was trained with.
        provenance: Options, seed and version; what is the same for the same work.
        round_discs: Whether the squashing of its photographs was undone; older headers do not say, and mean no.
        seed: It was trained with; None in a run of one seed, and in older headers.
        schema_version: Of this header.
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
        """Packages that the training used, as `drkit.plugins.Registry.packages` names them."""
        return dict(self.provenance.get("plugins", {}))


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], header: CheckpointHeader, *, force: bool) -> None:
    """Write weights that are byte for byte the same for the same training.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    size = sum(tensor.nbytes for tensor in contiguous.values())
    with writing(path, force=force, size=size) as draft:
        save_file(contiguous, draft, metadata={METADATA_KEY: canonical_json(asdict(header))})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], CheckpointHeader]:
    """Read weights and header; no code in the file is executed, there is none in this format.

    Raises:
        InputError: missing, truncated, or not a checkpoint of drkit's.
    """
    check_spelling([path])  # which safetensors cannot open
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is no safetensors file, or not a whole one: {error}") from None
    if METADATA_KEY not in metadata:
        raise InputError(f"{path} is a safetensors file, but not a checkpoint of drkit's: it has no key 'drkit'")
    return tensors, _parse_header(metadata[METADATA_KEY], path)


def _parse_header(text: str, path: Path) -> CheckpointHeader:
    try:
        record = json.loads(text)
        version = record["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: its header is not what drkit writes") from None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: schema version {version}, this drkit reads {SCHEMA_VERSION}: update drkit")
    if unknown := sorted(set(record) - {item.name for item in fields(CheckpointHeader)}):
        raise InputError(f"{path}: its header is not what drkit writes: {', '.join(unknown)}")
    return decode(record, CheckpointHeader, f"{path}: its header", "train again, or restore the file")
