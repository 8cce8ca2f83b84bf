"""Calibration of the probabilities: predicted probabilities against observed frequencies."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drkit.decisions import referable_probability
from drkit.evaluation import EvaluationSet
from drkit.grades import REFERABLE_FROM
from drkit.resampling import resample_patients

FloatArray = NDArray[np.float64]
Question = Literal["referable", "grade"]

QUESTIONS: tuple[Question, ...] = ("referable", "grade")
NUM_BINS = 10
MIN_CASES = 10  # of a bin; the frequency among fewer cases is too uncertain


@dataclass(frozen=True)
class Calibration:
    """Predicted probabilities against observed frequencies, in B bins of about equally many cases.

    Args:
        run: Name of the run.
        question: The predicted event. `referable`: the reference grade is 2 or worse; `grade`: the reference grade is
            the most probable grade.
        stated: (B,) mean predicted probability of each bin, in rising order.
        observed: (B,) share of the cases of each bin for which the event is true.
        band: (2, B) 95 % interval of `observed` over resampled patients.
        counts: (B,) number of cases of each bin.
        error: Expected calibration error: the mean distance between `stated` and `observed`, weighted by `counts`.
    """

    run: str
    question: Question
    stated: FloatArray
    observed: FloatArray
    band: FloatArray
    counts: NDArray[np.int64]
    error: float


def measure_calibration(run: EvaluationSet, question: Question, num_resamples: int = 500, seed: int = 0) -> Calibration:
    """Measure the calibration for one event, in at most `NUM_BINS` bins of about `MIN_CASES` cases or more.

    Source: Naeini, Cooper and Hauskrecht 2015, AAAI, for the expected calibration error; Guo et al. 2017, ICML, for
    the most probable class.
    """
    if question == "referable":
        stated, is_true = referable_probability(run.cases.probabilities), run.cases.reference >= REFERABLE_FROM
    else:
        probabilities = run.cases.probabilities
        stated, is_true = probabilities.max(1), probabilities.argmax(1) == run.cases.reference
    bins = assign_bins(stated, min(NUM_BINS, max(1, len(stated) // MIN_CASES)))
    members = np.eye(bins.max() + 1)[bins].T  # (B, C)
    counts = members.sum(1)
    means, shares = members @ stated / counts, members @ is_true / counts
    resampled = []
    for weights in resample_patients(run.cases.patients, num_resamples, seed):
        drawn = members @ weights
        resampled.append(
            np.divide(members @ (weights * is_true), drawn, out=np.full(len(drawn), np.nan), where=drawn > 0)
        )
    band = np.nanpercentile(np.stack(resampled), (2.5, 97.5), axis=0)
    error = float(counts @ np.abs(means - shares) / counts.sum())
    return Calibration(run.name, question, means, shares, band, counts.astype(np.int64), error)


def assign_bins(stated: FloatArray, num_bins: int = NUM_BINS) -> NDArray[np.int64]:
    """(C,) index of each case's bin; bins have about equally many cases, and equal probabilities share a bin."""
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, num_bins + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, stated, side="right"), return_inverse=True)[1]
