"""Synthetic members that grade the same photographs with realistic errors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from predictions_meta import PATIENT_META

from drkit.decisions import normal_probabilities
from drkit.ensembling.combiner import Features, ReferenceGrades
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import Predictions, build_predictions

MakeMember = Callable[..., Predictions]


@pytest.fixture(scope="session")
def make_member() -> MakeMember:
    """Builds a member with four photographs of each of 24 patients: 16 graded patients in val, 8 ungraded in test."""

    def build(name: str = "a", seed: int = 0, noise: float = 0.7, patients: int = 24, **change: object) -> Predictions:
        eyes = np.random.default_rng(99).integers(0, 5, (patients, 2))
        is_val = np.arange(patients) < patients * 2 // 3
        eye_grade = np.repeat(eyes.ravel(), 2).astype(object)
        patient_grade = np.repeat(eyes.max(1), 4).astype(object)
        score = np.clip(patient_grade.astype(float) + np.random.default_rng(seed).normal(0, noise, 4 * patients), 0, 4)
        eye_grade[~np.repeat(is_val, 4)] = patient_grade[~np.repeat(is_val, 4)] = None
        rows = build_rows(
            image_id=[f"{p}_{e}{v}" for p in range(patients) for e in "lr" for v in (1, 2)],
            path=[""] * 4 * patients,
            patient_id=np.repeat(np.arange(patients).astype(str), 4),
            eye=["left", "left", "right", "right"] * patients,
            view=[1, 2] * 2 * patients,
            eye_grade=eye_grade,
            patient_grade=patient_grade,
            split=np.repeat(np.where(is_val, "val", "test"), 4),
        )
        return build_predictions(
            Labels(rows, Path("/nowhere"), "test", ("eye", "patient")),
            probabilities=normal_probabilities(score, 0.6),
            score=score,
            meta=replace(PATIENT_META, **change),
            name=name,
        )

    return build


@pytest.fixture(scope="session")
def make_features() -> Callable[..., tuple[Features, ReferenceGrades]]:
    """Builds the predictions of members with given noise for 4 photographs per patient, and the reference grades."""

    def build(*noises: float, patients: int = 40, seed: int = 0) -> tuple[Features, ReferenceGrades]:
        generator = np.random.default_rng(seed)
        grade = generator.choice(5, patients, p=(0.3, 0.2, 0.2, 0.2, 0.1))
        reference, patient = np.repeat(grade, 4), np.repeat(np.arange(patients), 4)
        errors = generator.normal(0, 1, (len(reference), len(noises))) * noises
        scores = np.clip(reference[:, None] + errors, 0, 4)
        probabilities = np.stack([normal_probabilities(column, 0.6) for column in scores.T], 1)
        grades = np.clip(np.floor(scores + 0.5), 0, 4).astype(np.int64)
        return Features(scores, probabilities, grades), ReferenceGrades(reference, patient)

    return build
