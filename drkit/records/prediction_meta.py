"""How predictions were made: the metadata key of their parquet file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from drkit.decisions import DECISIONS, decide
from drkit.errors import InputError, UsageError, first_few
from drkit.grades import NUM_GRADES, SPLITS, TARGETS, Target
from drkit.records.decoding import check_version, decode
from drkit.records.provenance import METADATA_KEY

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class PredictionsMeta:
    """How predictions were made; equal for equal work.

    Args:
        target: Target of the grades: patient or eye.
        unit: Input of one forward pass: image, eye or patient.
        decision: How probabilities and score become a grade, one of `drkit.decisions.DECISIONS`.
        cut_points: The four thresholds of the decision `cut_points`; None for other decisions.
        fold_cut_points: Thresholds for the rows of each fold, fitted on the other folds; empty without folds.
        trained_on: Splits on which the weights were trained.
        trained_on_images: Ids of further rows on which the weights, or those that they started from, were trained.
        folds: Number of folds, 0 without cross-validation.
        chosen_on: What selected the epoch or the settings: val, inner, last, ...
        model: Description of the network or the ensemble.
        checkpoint_sha256: Hash of the weights; None for an ensemble.
        labels_sha256: Hash of the labels; None without labels.
        provenance: Resolved options, seed, drkit version, parents; any JSON.
        seeds: Seeds of the networks whose mean is the prediction; the rows have the predictions of each. Empty for a
            run of one seed and for ensembles.
        schema_version: Version of this record.
    """

    target: Target
    unit: str
    decision: str
    cut_points: tuple[float, ...] | None
    trained_on: tuple[str, ...]
    folds: int
    chosen_on: str
    model: str
    checkpoint_sha256: str | None
    labels_sha256: str | None
    provenance: dict[str, Any] = field(default_factory=dict)
    trained_on_images: tuple[str, ...] = ()
    fold_cut_points: tuple[tuple[float, ...], ...] = ()
    seeds: tuple[int, ...] = ()
    schema_version: int = SCHEMA_VERSION


def read_meta(metadata: dict[bytes, bytes], path: Path) -> PredictionsMeta:
    """Parse the metadata of a parquet file.

    Raises:
        InputError: the file does not have drkit's predictions, or is of another version.
    """
    if METADATA_KEY.encode() not in metadata:
        raise InputError(f"{path} is a parquet file, but not drkit's predictions: its metadata has no key 'drkit'")
    try:
        record = json.loads(metadata[METADATA_KEY.encode()])
        version = record["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: metadata 'drkit' is not what drkit writes") from None
    check_version(version, SCHEMA_VERSION, path)
    if unknown := sorted(set(record) - {item.name for item in fields(PredictionsMeta)}):
        raise InputError(f"{path}: unknown metadata keys: {first_few(unknown)}")
    return decode(record, PredictionsMeta, f"{path}: metadata", "make the predictions again")


def check_meta(meta: PredictionsMeta, source: str) -> None:
    """Check target, decision, splits and thresholds.

    Raises:
        InputError: one of them is unknown or invalid.
    """
    words: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
        ("target", [meta.target], TARGETS),
        ("decision", [meta.decision], DECISIONS),
        ("trained_on", meta.trained_on, SPLITS),
    )
    for key, values, allowed in words:
        unknown = [word for word in values if word not in allowed]
        if unknown:
            raise InputError(f"{source}: metadata {key} '{unknown[0]}' is not one of {', '.join(allowed)}")
    if meta.decision == "cut_points":
        try:
            for points in (meta.cut_points, *meta.fold_cut_points):
                decide("cut_points", np.eye(NUM_GRADES), np.arange(NUM_GRADES), points)
        except UsageError as error:
            raise InputError(f"{source}: metadata cut_points: {error}") from None
