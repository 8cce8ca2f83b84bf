"""Predictions with a known amount of noise."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from predictions_meta import PATIENT_META

from drkit.decisions import decide
from drkit.records.prediction_lists import SEED_PROBABILITIES, SEED_SCORE
from drkit.records.predictions import PROBABILITY_COLUMNS, SCHEMA, Predictions, check_predictions


@pytest.fixture
def graded() -> Callable[..., Predictions]:
    """Build predictions of 10 train, 10 val and 2 test patients, four photographs each."""

    def build(
        name: str, *, noise: float = 1.0, seed: int = 0, folds: int = 0, options: dict[str, Any] | None = None
    ) -> Predictions:
        splits = ["train"] * 10 * bool(folds) + ["val"] * 10 + ["test"] * 2
        photographs = [(patient, view) for patient in range(len(splits)) for view in ("l1", "l2", "r1", "r2")]
        numbers = np.array([patient for patient, _ in photographs])
        truth = numbers % 5
        score = np.clip(truth + np.random.default_rng(seed).normal(0, noise, len(truth)), 0, 4)
        shares = np.eye(5)[np.rint(score).astype(int)]
        split = np.array(splits)[numbers]
        known = split != "test"
        rows = pd.DataFrame(
            {
                "image_id": [f"{patient}_{view}" for patient, view in photographs],
                "patient_id": numbers.astype(str),
                "eye": ["left" if view[0] == "l" else "right" for _, view in photographs],
                "view": [int(view[1]) for _, view in photographs],
                "split": split,
                "fold": pd.array(np.where(split == "train", numbers % (folds or 1), -1), dtype="Int16"),
                "eye_grade": pd.array(truth, dtype="Int8"),
                "patient_grade": pd.array(truth, dtype="Int8"),
                **{f"prob_{grade}": shares[:, grade].astype(np.float32) for grade in range(5)},
                "score": score.astype(np.float32),
                "predicted_grade": decide("rounding", shares, score).astype(np.int8),
            }
        )[SCHEMA.names]
        rows.loc[rows["fold"] < 0, "fold"] = pd.NA
        rows.loc[~known, ["eye_grade", "patient_grade"]] = pd.NA
        rows["split"] = rows["split"].astype("string")
        meta = replace(PATIENT_META, folds=folds, model="x", provenance=options or {})
        return Predictions(rows, meta, name)

    return build


@pytest.fixture
def seeded(graded: Callable[..., Predictions]) -> Callable[..., Predictions]:
    """Build a run of seeds with the given noise."""

    def build(name: str, noises: Sequence[float], *, seed: int = 0, **options: Any) -> Predictions:
        parts = [graded(name, noise=noise, seed=seed + at, **options) for at, noise in enumerate(noises)]
        shares = np.stack([part.probabilities() for part in parts], 1)
        score = np.stack([part.rows["score"].to_numpy() for part in parts], 1)
        rows = parts[0].rows.copy()
        rows[list(PROBABILITY_COLUMNS)], rows["score"] = shares.mean(1), score.mean(1)
        rows["predicted_grade"] = decide("rounding", shares.mean(1), score.mean(1)).astype(np.int8)
        rows[SEED_SCORE], rows[SEED_PROBABILITIES] = list(score), list(shares)
        run = Predictions(rows, replace(parts[0].meta, seeds=tuple(range(len(noises)))), name)
        check_predictions(run, name)
        return run

    return build
