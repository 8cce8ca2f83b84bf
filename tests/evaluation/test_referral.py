"""Referable patients, and the photographs that the threshold is fitted on."""

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from drkit.decisions import referable_probability
from drkit.errors import InputError
from drkit.evaluation.referral import (
    MIN_SENSITIVITY,
    describe_rule,
    fit_referral_threshold,
    read_referral_threshold,
    refer,
)
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions
from drkit.records.runs import find_packaged_run


def with_probability(predictions: Predictions, probability: np.ndarray) -> Predictions:
    """The same predictions with other probabilities (N,) of grade 2; the rest is grade 0."""
    rows = predictions.rows.copy()
    rows[list(PROBABILITY_COLUMNS)] = 0.0
    rows["prob_0"], rows["prob_2"] = 1 - probability, probability
    return Predictions(rows, predictions.meta, predictions.name)


def test_the_threshold_finds_enough_patients_by_their_worst_photograph(graded: Callable[..., Predictions]) -> None:
    """Val has patients 0 to 9 with grades 0 to 4 twice, so six are referable, each by one photograph."""
    predictions = graded("run")
    patient = predictions.rows["patient_id"].astype(int).to_numpy()
    first = predictions.rows["view"].eq(1).to_numpy() & predictions.rows["eye"].eq("left").to_numpy()
    speaks = np.where(patient % 5 >= 2, 0.3 + patient / 50, 0.1 + patient / 50)
    found = fit_referral_threshold(with_probability(predictions, np.where(first, speaks, 0.01)))
    assert found is not None
    assert found.threshold == pytest.approx(0.3 + 2 / 50)  # of 0.34 to 0.48; all six are needed for 0.9
    assert (found.sensitivity, found.specificity, found.patients, found.fitted_on) == (1.0, 1.0, 10, "val")


def test_folds_are_fitted_on_their_own_rows(graded: Callable[..., Predictions]) -> None:
    found = fit_referral_threshold(graded("run", folds=2))
    assert found is not None
    assert (found.patients, found.fitted_on) == (10, "out of fold")
    assert found.sensitivity >= MIN_SENSITIVITY


def test_without_both_kinds_of_patients_there_is_no_threshold(graded: Callable[..., Predictions]) -> None:
    predictions = graded("run")
    assert fit_referral_threshold(predictions.where((predictions.reference() < 2).fillna(False))) is None
    assert fit_referral_threshold(predictions.of_split("test")) is None


def test_without_a_threshold_the_predicted_grade_decides(graded: Callable[..., Predictions]) -> None:
    predictions = graded("run")
    assert refer(predictions, None).tolist() == (predictions.rows["predicted_grade"] >= 2).tolist()
    found = fit_referral_threshold(predictions)
    assert found is not None
    assert (
        refer(predictions, found).tolist()
        == (referable_probability(predictions.probabilities()) >= found.threshold).tolist()
    )
    fundus = find_packaged_run("fundus").record
    record = json.loads(fundus.read_text())
    assert "specificity 0.95 on 810 photographs that fundus had not seen" in describe_rule(record, fundus)
    assert "are not known" in describe_rule({}, "a.json")


def test_the_threshold_is_read_back_from_a_record_and_a_broken_record_is_refused(
    graded: Callable[..., Predictions],
) -> None:
    found = fit_referral_threshold(graded("run"))
    assert found is not None
    assert read_referral_threshold({"referral_threshold": asdict(found)}, "a.json") == found
    assert read_referral_threshold({}, "a.json") is None
    assert describe_rule({"referral_threshold": asdict(found)}, "a.json") == str(found)
    with pytest.raises(InputError, match=r"a\.json is damaged"):
        read_referral_threshold({"referral_threshold": asdict(found) | {"threshold": "high"}}, "a.json")
    with pytest.raises(InputError, match=r"a\.json is damaged"):
        describe_rule({"referral_by_grade": {"sensitivity": 0.9}}, "a.json")
