"""Aggregation of photographs to cases: photographs, eyes or patients."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.decisions import Grades
from drkit.errors import InputError, first_few
from drkit.grades import NUM_GRADES, Level
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions, PredictionsMeta, decide_as, patient_keys


@dataclass(frozen=True)
class Cases:
    """C cases: photographs, or photographs joined to eyes or patients.

    Args:
        reference: (C,) reference grades 0-4.
        predicted: (C,) predicted grades 0-4.
        patients: (C,) key of each case's patient.
        probabilities: (C, 5) float64, of the grades 0-4.
        score: (C,) float64, 0-4.
    """

    reference: Grades
    predicted: Grades
    patients: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    score: NDArray[np.float64]


def level_of(meta: PredictionsMeta) -> Level:
    """The level at which photographs share one prediction, because a network or an ensemble joined them.

    If the members of an ensemble differ, it is the highest level that the ensemble's target allows.
    """
    if meta.unit == "image":
        return "photograph"
    return "eye" if meta.unit == "eye" or meta.target == "eye" else "patient"


def describe_level(by: Level, joined: Level) -> str:
    """Describe a level: `by photograph`, and `(joined by patient)` if predictions are shared at a higher level."""
    order = get_args(Level).index
    return f"by {by} (joined by {joined})" if order(joined) > order(by) else f"by {by}"


def common_level(by: Level, first: PredictionsMeta, other: PredictionsMeta) -> Level:
    """The level at which two runs are compared: at least `by`, and the higher one if their levels differ."""
    joined = {level_of(first), level_of(other)}
    return by if len(joined) == 1 else max(by, *joined, key=get_args(Level).index)


def aggregate(predictions: Predictions, reference: Grades, by: Level) -> Cases:
    """Aggregate photographs to cases by their mean probabilities and mean score.

    Args:
        predictions: Predictions of N photographs.
        reference: (N,) grades 0-4; the patients' grades if `by` is patient.
        by: Level of the cases. If the run grades eyes, a patient has the prediction of the worse eye.

    Raises:
        InputError: photographs to join have an unknown eye, or different reference grades.
    """
    patients = predictions.patients()
    if by == "photograph":
        predicted = predictions.rows["predicted_grade"].to_numpy(dtype=np.int64)
        score = predictions.rows["score"].to_numpy(dtype=np.float64)
        return Cases(reference, predicted, patients, predictions.probabilities().astype(np.float64), score)
    if by == "patient" and predictions.meta.target == "patient":
        return _join(predictions, reference, patients, patients)
    eyes = _join(predictions, reference, eye_keys(predictions, "use --by photograph"), patients)
    return _worst_eye(eyes) if by == "patient" else eyes


def aggregate_by_seed(predictions: Predictions, reference: Grades, by: Level) -> tuple[Cases, ...]:
    """Aggregate the predictions of each seed's networks; one entry for a run of one seed or an ensemble.

    Args:
        predictions: Predictions of N photographs.
        reference: (N,) grades 0-4.
        by: Level of the cases.

    Raises:
        InputError: an error of `aggregate`.
    """
    single_seeds = [predictions.of_seed(seed) for seed in predictions.meta.seeds] or [predictions]
    return tuple(aggregate(each, reference, by) for each in single_seeds)


def _join(predictions: Predictions, reference: Grades, keys: NDArray[np.str_], patients: NDArray[np.str_]) -> Cases:
    """Average the probabilities and scores of the photographs with the same key, then predict grades from the means."""
    _, first, case = np.unique(keys, return_index=True, return_inverse=True)
    grades = reference[first]
    contradicting = np.flatnonzero(grades[case] != reference)
    if len(contradicting):
        raise InputError(
            f"{predictions.name}: {len(np.unique(case[contradicting]))} cases cannot be joined, their photographs have"
            f" different reference grades: {first_few(np.unique(keys[contradicting]).tolist())}"
        )
    columns = predictions.rows[[*PROBABILITY_COLUMNS, "score"]].to_numpy(dtype=np.float64)
    sums = np.stack([np.bincount(case, column) for column in columns.T], 1)
    means: NDArray[np.float64] = sums / np.bincount(case)[:, None]
    probabilities, score = means[:, :NUM_GRADES], means[:, -1]
    predicted = decide_as(predictions.meta, probabilities, score, predictions.rows["fold"].iloc[first])
    return Cases(grades, predicted.astype(np.int64), patients[first], probabilities, score)


def eye_keys(predictions: Predictions, advice: str) -> NDArray[np.str_]:
    """The key (N,) of each photograph's eye; the eye may be unknown if the patient has no other photograph.

    Args:
        predictions: Predictions of N photographs.
        advice: End of the message if an eye is unknown.

    Raises:
        InputError: a patient has several photographs, and the eye of one is unknown.
    """
    rows = predictions.rows
    is_single = ~rows["patient_id"].duplicated(keep=False) | rows["patient_id"].isna()
    unknown = rows["image_id"][~is_single & rows["eye"].isna()].tolist()
    if unknown:
        raise InputError(
            f"{predictions.name}: {len(unknown)} photographs whose eye is not known cannot be joined to eyes:"
            f" {first_few(unknown)}: {advice}"
        )
    return (pd.Series(patient_keys(rows)) + " " + rows["eye"].fillna("")).to_numpy(dtype=str)


def _worst_eye(eyes: Cases) -> Cases:
    """The eye of each patient with the higher predicted grade, or with the higher score if the grades are equal."""
    worst_first = np.lexsort((-eyes.score, -eyes.predicted, eyes.patients))
    patients, first = np.unique(eyes.patients[worst_first], return_index=True)
    worst = worst_first[first]
    return Cases(eyes.reference[worst], eyes.predicted[worst], patients, eyes.probabilities[worst], eyes.score[worst])
