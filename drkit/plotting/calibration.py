"""Calibration of the probabilities: of a hundred cases at 0.7, seventy should be so."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drkit.evaluation import EvaluationSet
from drkit.grades import REFERABLE_FROM
from drkit.plotting.selection import resample_patients

FloatArray = NDArray[np.float64]
Question = Literal["referable", "grade"]

QUESTIONS: tuple[Question, ...] = ("referable", "grade")
NUM_BINS = 10
MIN_CASES = 10  # of a bin: fewer say nothing about a share


@dataclass(frozen=True)
class Calibration:
    """Stated probabilities against observed shares, in bins of about equally many cases.

    Args:
        run: Its name.
        question: `referable`: is it grade 2 or worse; `grade`: is it the most probable grade.
        stated: (B,) mean probability of each bin, rising.
        observed: (B,) share of its cases that are so.
        band: (2, B) 95 % of `observed`, over resampled patients.
        counts: (B,) cases.
        error: Expected calibration error, the mean distance of stated and observed, over the cases.
    """

    run: str
    question: Question
    stated: FloatArray
    observed: FloatArray
    band: FloatArray
    counts: NDArray[np.int64]
    error: float


def measure_calibration(run: EvaluationSet, question: Question, num_resamples: int = 500, seed: int = 0) -> Calibration:
    """Measure one question's calibration, in at most `NUM_BINS` bins of about `MIN_CASES` cases or more.

    Source: Naeini, Cooper and Hauskrecht 2015, AAAI, for the expected calibration error; Guo et al. 2017, ICML, for
    the most probable class.
    """
    stated, is_so = _ask(run, question)
    places = assign_bins(stated, min(NUM_BINS, max(1, len(stated) // MIN_CASES)))
    members = np.eye(places.max() + 1)[places].T  # (B, C)
    counts = members.sum(1)
    means, shares = members @ stated / counts, members @ is_so / counts
    resampled = []
    for weights in resample_patients(run.cases.patients, num_resamples, seed):
        drawn = members @ weights
        resampled.append(
            np.divide(members @ (weights * is_so), drawn, out=np.full(len(drawn), np.nan), where=drawn > 0)
        )
    band = np.nanpercentile(np.stack(resampled), (2.5, 97.5), axis=0)
    error = float(counts @ np.abs(means - shares) / counts.sum())
    return Calibration(run.name, question, means, shares, band, counts.astype(np.int64), error)


def assign_bins(stated: FloatArray, num_bins: int = NUM_BINS) -> NDArray[np.int64]:
    """(C,) bins 0, 1, ... of about equally many cases, equal probabilities together; none is empty."""
    edges = np.unique(np.quantile(stated, np.linspace(0, 1, num_bins + 1)[1:-1]))
    return np.unique(np.searchsorted(edges, stated, side="right"), return_inverse=True)[1]


def _ask(run: EvaluationSet, question: Question) -> tuple[FloatArray, FloatArray]:
    """(C,) stated probability, (C,) 1 where it is so."""
    if question == "referable":
        return run.cases.referable_probability(), (run.cases.reference >= REFERABLE_FROM).astype(np.float64)
    probabilities = run.cases.probabilities
    return probabilities.max(1), (probabilities.argmax(1) == run.cases.reference).astype(np.float64)
