"""Aggregation of photographs to the cases that kappa counts: photographs, eyes or patients."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drkit.errors import InputError, first_few
from drkit.grades import NUM_GRADES, Level
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions, PredictionsMeta, decide_as, patient_keys

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Cases:
    """What kappa counts: photographs, or photographs joined to eyes or patients.

    Args:
        reference: (C,) grades 0-4.
        predicted: (C,) grades 0-4.
        patients: (C,) a key a patient.
        answers: (C, 6) float64: the probabilities of the grades 0-4, and the score.
    """

    reference: Index
    predicted: Index
    patients: NDArray[np.str_]
    answers: NDArray[np.float64]


def level_of(meta: PredictionsMeta) -> Level:
    """Whose photographs share one answer, because a network saw them together or an ensemble joined them.

    An ensemble whose members differ in this counts as joined as far as its target allows.
    """
    if meta.unit == "image":
        return "photograph"
    return "eye" if meta.unit == "eye" or meta.target == "eye" else "patient"


def describe_level(by: Level, joined: Level) -> str:
    """`by photograph`, with what its photographs are joined by where that is more."""
    order = get_args(Level).index
    return f"by {by} (joined by {joined})" if order(joined) > order(by) else f"by {by}"


def common_level(by: Level, first: PredictionsMeta, other: PredictionsMeta) -> Level:
    """How two runs are compared: as asked for, or joined alike where the photographs of one are joined further."""
    joined = {level_of(first), level_of(other)}
    return by if len(joined) == 1 else max(by, *joined, key=get_args(Level).index)


def aggregate(predictions: Predictions, reference: Index, by: Level) -> Cases:
    """Turn photographs into cases.

    Args:
        predictions: N photographs.
        reference: (N,) grades 0-4; of the patients where `by` is patient.
        by: Each photograph for itself; or an eye's, or a patient's, joined by mean probabilities and mean score.
            A run that grades eyes grades a patient by the worse eye.

    Raises:
        InputError: photographs whose eye is not known, or that contradict each other, where they are joined.
    """
    patients = predictions.patients()
    if by == "photograph":
        predicted = predictions.rows["predicted_grade"].to_numpy(dtype=np.int64)
        return Cases(reference, predicted, patients, _answers(predictions))
    if by == "patient" and predictions.meta.target == "patient":
        return _join(predictions, reference, patients, patients)
    eyes = _join(predictions, reference, eye_keys(predictions, "use --by photograph"), patients)
    return _worst_eye(eyes) if by == "patient" else eyes


def aggregate_by_seed(predictions: Predictions, reference: Index, by: Level) -> tuple[Cases, ...]:
    """The same cases as each seed's networks alone decide them; of a run of one seed, or an ensemble, as it does.

    Args:
        predictions: N photographs.
        reference: (N,) grades 0-4.
        by: As for `aggregate`.

    Raises:
        InputError: as `aggregate`.
    """
    alone = [predictions.of_seed(seed) for seed in predictions.meta.seeds] or [predictions]
    return tuple(aggregate(each, reference, by) for each in alone)


def _join(predictions: Predictions, reference: Index, keys: NDArray[np.str_], patients: NDArray[np.str_]) -> Cases:
    """Average the probabilities and scores of the photographs with the same key, then decide."""
    _, first, case = np.unique(keys, return_index=True, return_inverse=True)
    joined = reference[first]
    odd = np.flatnonzero(joined[case] != reference)
    if len(odd):
        raise InputError(
            f"{predictions.name}: {len(np.unique(case[odd]))} cases cannot be joined, their photographs have"
            f" different reference grades: {first_few(np.unique(keys[odd]).tolist())}"
        )
    sums = np.stack([np.bincount(case, column) for column in _answers(predictions).T], 1)
    means: NDArray[np.float64] = sums / np.bincount(case)[:, None]
    predicted = decide_as(predictions.meta, means[:, :NUM_GRADES], means[:, -1], predictions.rows["fold"].iloc[first])
    return Cases(joined, predicted.astype(np.int64), patients[first], means)


def _answers(predictions: Predictions) -> NDArray[np.float64]:
    """(N, 6) probabilities and score."""
    return predictions.rows[[*PROBABILITY_COLUMNS, "score"]].to_numpy(dtype=np.float64)


def eye_keys(predictions: Predictions, advice: str) -> NDArray[np.str_]:
    """(N,) a key an eye; a patient's only photograph needs no eye.

    Args:
        predictions: N photographs.
        advice: What to do where an eye is not known.

    Raises:
        InputError: one of several photographs of a patient whose eye is not known.
    """
    rows = predictions.rows
    is_alone = ~rows["patient_id"].duplicated(keep=False) | rows["patient_id"].isna()
    unknown = rows["image_id"][~is_alone & rows["eye"].isna()].tolist()
    if unknown:
        raise InputError(
            f"{predictions.name}: {len(unknown)} photographs whose eye is not known cannot be joined to eyes:"
            f" {first_few(unknown)}: {advice}"
        )
    return (pd.Series(patient_keys(rows)) + " " + rows["eye"].fillna("")).to_numpy(dtype=str)


def _worst_eye(eyes: Cases) -> Cases:
    """A patient is as ill as the eye with the higher predicted grade, then the higher score."""
    worst_first = np.lexsort((-eyes.answers[:, -1], -eyes.predicted, eyes.patients))
    patients, places = np.unique(eyes.patients[worst_first], return_index=True)
    worst = worst_first[places]
    return Cases(eyes.reference[worst], eyes.predicted[worst], patients, eyes.answers[worst])
