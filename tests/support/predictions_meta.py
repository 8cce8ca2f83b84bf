"""Metadata of predictions in tests."""

from dataclasses import replace

from drkit.records.predictions import PredictionsMeta

EYE_META = PredictionsMeta(
    target="eye",
    unit="image",
    decision="rounding",
    cut_points=None,
    trained_on=("train",),
    folds=0,
    chosen_on="inner",
    model="resnet18",
    checkpoint_sha256=None,
    labels_sha256=None,
)
PATIENT_META = replace(
    EYE_META, target="patient", chosen_on="last", checkpoint_sha256="ab" * 32, labels_sha256="cd" * 32
)
