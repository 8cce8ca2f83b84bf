"""Referral of patients by a threshold on the probability of grade 2 or worse, fitted on held-out patients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from drkit.decisions import referable_probability
from drkit.evaluation.pairs import evaluated_rows
from drkit.evaluation.selection import scorable_rows
from drkit.grades import REFERABLE_FROM
from drkit.records.decoding import decode
from drkit.records.predictions import Predictions

MIN_SENSITIVITY = 0.90
RECORD_KEY = "referral_threshold"  # in a run's JSON
BY_GRADE_KEY = "referral_by_grade"  # in the JSON of a run without a threshold: a measurement of referral by grade
RESTORE = "train again, or restore the file"
BY_GRADE = f"predicted grade {REFERABLE_FROM} or worse in any photograph of the patient"


@dataclass(frozen=True)
class ReferralByGrade:
    """Sensitivity and specificity of referral by predicted grade, for a run without a threshold.

    Args:
        sensitivity: Share of the referable photographs whose predicted grade is referable.
        specificity: Share of the others whose predicted grade is not.
        measured_on: Description of the photographs.
    """

    sensitivity: float
    specificity: float
    measured_on: str

    def __str__(self) -> str:
        return f"sensitivity {self.sensitivity:.2f}, specificity {self.specificity:.2f} on {self.measured_on}"


@dataclass(frozen=True)
class ReferralThreshold:
    """A patient is referable if any photograph's probability of grade 2 or worse reaches a threshold.

    Args:
        threshold: The highest probability that refers `MIN_SENSITIVITY` of the referable patients.
        sensitivity: Share of the referable patients that are referred, on the patients it was fitted on.
        specificity: Share of the other patients that are not referred, on the same patients.
        patients: Number of patients it was fitted on.
        fitted_on: `val`, or `out of fold`.
    """

    threshold: float
    sensitivity: float
    specificity: float
    patients: int
    fitted_on: str

    def __str__(self) -> str:
        return (
            f"probability of grade {REFERABLE_FROM} or worse of at least {self.threshold:.3f} in any photograph of the"
            f" patient: sensitivity {self.sensitivity:.2f}, specificity {self.specificity:.2f} on the {self.patients}"
            f" patients that it was fitted on ({self.fitted_on})"
        )


def fit_referral_threshold(predictions: Predictions) -> ReferralThreshold | None:
    """Fit the threshold on the patients that a training held out: those of its folds, or those of val without folds.

    Args:
        predictions: The predictions of a training.

    Returns:
        The threshold, or None if all of these patients are referable or none is.
    """
    evaluated = evaluated_rows(predictions)
    used = evaluated.where(scorable_rows(evaluated))
    patients = used.patients()
    probability = _worst(referable_probability(used.probabilities()), patients)
    referable = _worst(used.reference().to_numpy(dtype=np.int64), patients) >= REFERABLE_FROM
    if not referable.any() or referable.all():
        return None
    descending = np.sort(probability[referable])[::-1]
    threshold = float(descending[int(np.ceil(MIN_SENSITIVITY * len(descending))) - 1])
    referred = probability >= threshold
    return ReferralThreshold(
        threshold=threshold,
        sensitivity=float(referred[referable].mean()),
        specificity=float(1 - referred[~referable].mean()),
        patients=len(referable),
        fitted_on="out of fold" if predictions.meta.folds else "val",
    )


def read_referral_threshold(record: Mapping[str, Any], source: object) -> ReferralThreshold | None:
    """Read the threshold in a run's JSON; None for runs of older versions, and if no threshold could be fitted.

    Args:
        record: Content of the JSON.
        source: Path of the JSON, for the message.

    Raises:
        InputError: the threshold cannot be read.
    """
    entry = record.get(RECORD_KEY)
    return None if entry is None else decode(entry, ReferralThreshold, source, RESTORE)


def describe_rule(record: Mapping[str, Any], source: object) -> str:
    """Describe the rule of referral, with its sensitivity and specificity if they are known.

    Args:
        record: Content of the run's JSON; empty for an ensemble.
        source: Path of the JSON, for the message.

    Raises:
        InputError: the threshold or the measurement cannot be read.
    """
    if threshold := read_referral_threshold(record, source):
        return str(threshold)
    measured = record.get(BY_GRADE_KEY)
    if measured is None:
        return f"{BY_GRADE}; sensitivity and specificity are not known, because the run holds no threshold"
    return f"{BY_GRADE}; {decode(measured, ReferralByGrade, source, RESTORE)}"


def refer(predictions: Predictions, threshold: ReferralThreshold | None) -> NDArray[np.bool_]:
    """Decide whether each photograph (N,) makes its patient referable, by the threshold or else by predicted grade."""
    if threshold is None:
        return (predictions.rows["predicted_grade"] >= REFERABLE_FROM).to_numpy(dtype=bool)
    return referable_probability(predictions.probabilities()) >= threshold.threshold


def _worst(values: ArrayLike, patients: NDArray[np.str_]) -> NDArray[Any]:
    """The highest value of each patient, in the order of the keys."""
    return pd.Series(np.asarray(values)).groupby(patients).max().to_numpy()
