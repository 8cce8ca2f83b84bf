"""How predictions came about: the one metadata key of their parquet."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from drkit.decisions import DECISIONS, decide
from drkit.errors import InputError, UsageError, first_few
from drkit.grades import NUM_GRADES, SPLITS, TARGETS, Target
from drkit.records.decoding import decode
from drkit.records.provenance import METADATA_KEY

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class PredictionsMeta:
    """What is the same for the same work, in the parquet's one metadata key.

    Args:
        target: Whose grade was predicted.
        unit: What one forward pass saw: image, eye or patient.
        decision: How a grade was made of probabilities and score, one of `drkit.decisions.DECISIONS`.
        cut_points: The four thresholds of the decision `cut_points`, else None.
        fold_cut_points: The same for the rows of each fold, fitted on the other folds; empty without folds.
        trained_on: Splits the weights were fitted on.
        trained_on_images: Ids of further rows that the weights, or those they began from, were fitted on.
        folds: Number of cross-validation parts, 0 without.
        chosen_on: What picked the epoch or the settings: val, inner, last, ...
        model: The network or the ensemble, in words.
        checkpoint_sha256: Hash of the weights, None for an ensemble.
        labels_sha256: Hash of the labels, None where there were none.
        provenance: Resolved options, seed, drkit version, parents; free JSON.
        seeds: Those whose networks' mean decides, each with answers of its own in the rows; empty for a run of one seed
            and for ensembles.
        schema_version: Of this file.
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
    """What stands in the metadata of a parquet.

    Raises:
        InputError: no predictions of drkit's, or of another version.
    """
    if METADATA_KEY.encode() not in metadata:
        raise InputError(f"{path} is a parquet file, but not predictions of drkit's: it has no key 'drkit'")
    try:
        record = json.loads(metadata[METADATA_KEY.encode()])
        version = record["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: metadata 'drkit' is not what drkit writes") from None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: schema version {version}, this drkit reads {SCHEMA_VERSION}: update drkit")
    if unknown := sorted(set(record) - {item.name for item in fields(PredictionsMeta)}):
        raise InputError(f"{path}: metadata keys not known: {first_few(unknown)}")
    return decode(record, PredictionsMeta, f"{path}: metadata", "make the predictions again")


def check_meta(meta: PredictionsMeta, source: str) -> None:
    """Check that words and thresholds are such as drkit knows.

    Raises:
        InputError: they are not.
    """
    words: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
        ("target", [meta.target], TARGETS),
        ("decision", [meta.decision], DECISIONS),
        ("trained_on", meta.trained_on, SPLITS),
    )
    for key, given, allowed in words:
        odd = [word for word in given if word not in allowed]
        if odd:
            raise InputError(f"{source}: metadata {key} '{odd[0]}' is none of {', '.join(allowed)}")
    if meta.decision == "cut_points":
        try:
            for points in (meta.cut_points, *meta.fold_cut_points):
                decide("cut_points", np.eye(NUM_GRADES), np.arange(NUM_GRADES), points)
        except UsageError as error:
            raise InputError(f"{source}: metadata cut_points: {error}") from None
