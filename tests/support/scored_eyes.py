"""Simulated runs on 30 patients with given noise, and their scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from predictions_meta import EYE_META
from sklearn.metrics import cohen_kappa_score

from drkit.config.score import ScoreConfig
from drkit.evaluation.scores import RunScore
from drkit.recipes.score import run_score
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import (
    Predictions,
    build_predictions,
    write_predictions,
)

QUICK = ScoreConfig(resamples=200)
NUM_PATIENTS = 30


def predict_eyes(seed: int = 0, noise: float = 0.7, **change: object) -> Predictions:
    """Four photographs each of 30 patients, the first 10 in train, 10 in val, 10 in test."""
    generator = np.random.default_rng(99)
    eyes = generator.integers(0, 5, (NUM_PATIENTS, 2))
    eye_grade = np.repeat(eyes.ravel(), 2)
    rows = build_rows(
        image_id=[f"{p}_{e}{v}" for p in range(NUM_PATIENTS) for e in "lr" for v in (1, 2)],
        path=[""] * 4 * NUM_PATIENTS,
        patient_id=np.repeat(np.arange(NUM_PATIENTS).astype(str), 4),
        eye=["left", "left", "right", "right"] * NUM_PATIENTS,
        view=[1, 2] * 2 * NUM_PATIENTS,
        eye_grade=eye_grade,
        patient_grade=np.repeat(eyes.max(1), 4),
        split=np.repeat(["train", "val", "test"], 40),
    )
    meta = replace(EYE_META, **change)
    score = np.clip(eye_grade + np.random.default_rng(seed).normal(0, noise, len(rows)), 0, 4)
    probabilities = np.eye(5)[np.rint(score).astype(int)]
    labels = Labels(rows, Path("/nowhere"), "test", ("eye", "patient"))
    return build_predictions(labels, probabilities=probabilities, score=score, meta=meta, name="run")


def write_run(folder: Path, predictions: Predictions, name: str = "run") -> Path:
    write_predictions(predictions, folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


def score_one(path: Path, **change: object) -> RunScore:
    return run_score([path], replace(QUICK, **change)).scores[0]


def kappa(reference: object, predicted: object) -> float:
    return cohen_kappa_score(reference, predicted, labels=range(5), weights="quadratic")
