"""A run's weights, with everything in the header that rebuilds model and input without a network."""

import json
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
from drkit.records.provenance import METADATA_KEY, canonical_json

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CheckpointHeader:
    """How a grader is rebuilt and how its logits are read.

    Args:
        backbone: timm's name.
        num_outputs: Logits an image.
        dropout: Before the head.
        side: Of the images in pixels.
        bank_side: Of the photographs that images are made of.
        steps: Preprocessing that its photographs went through, as a manifest holds them.
        mean: Normalisation, a channel each.
        std: Normalisation, a channel each.
        loss: Name in the catalogue; reads the logits.
        sigma: Residual of a regression on held-out photographs, in grades; 0 for other losses.
        decision: How probabilities and score become a grade.
        target: Whose grade.
        unit: What one forward pass sees.
        chosen_on: What picked the epoch.
        epoch: Which was picked, from 1.
        labels_sha256: Hash of the labels it was trained with.
        provenance: Options, seed and version; what is the same for the same work.
        schema_version: Of this header.
    """

    backbone: str
    num_outputs: int
    dropout: float
    side: int
    bank_side: int
    steps: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    loss: str
    sigma: float
    decision: str
    target: Target
    unit: str
    chosen_on: str
    epoch: int
    labels_sha256: str
    provenance: dict[str, Any]
    schema_version: int = SCHEMA_VERSION


def write_checkpoint(path: Path, tensors: dict[str, Tensor], header: CheckpointHeader, *, force: bool) -> None:
    """Write weights that are byte for byte the same for the same training.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with writing(path, force=force) as draft:
        save_file(contiguous, draft, metadata={METADATA_KEY: canonical_json(asdict(header))})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], CheckpointHeader]:
    """Read weights and header; no code in the file is executed, there is none in this format.

    Raises:
        InputError: missing, truncated, or not a checkpoint of drkit's.
    """
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
    expected = {item.name for item in fields(CheckpointHeader)}
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: schema version {version}, this drkit reads {SCHEMA_VERSION}: update drkit")
    if set(record) != expected:
        raise InputError(f"{path}: its header is not what drkit writes: {', '.join(sorted(set(record) ^ expected))}")
    lists = {key: tuple(record[key]) for key in ("steps", "mean", "std")}
    return CheckpointHeader(**{**record, **lists})
