"""Which photographs are picked, and in which order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from drkit.errors import InputError, UsageError
from drkit.explaining.picking import Interest, pick_photographs
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions, PredictionsMeta

META = PredictionsMeta("patient", "image", "rounding", None, ("train",), 0, "last", "net", None, None)


def _predictions(scores: list[float], grades: list[int | None], split: str = "val") -> Predictions:
    rows = pd.DataFrame(
        {
            "image_id": [f"{number}_l1" for number in range(len(scores))],
            "split": split,
            "patient_grade": pd.array(grades, dtype="Int8"),
            "score": np.array(scores, dtype=np.float32),
            "predicted_grade": np.array([round(score) for score in scores], dtype=np.int8),
            **dict.fromkeys(PROBABILITY_COLUMNS, 0.05),
            "prob_2": np.linspace(0.9, 0.5, len(scores), dtype=np.float32),
        }
    )
    return Predictions(rows, META, "quick")


GRADED = _predictions([0.1, 0.2, 1.9, 2.6, 3.9, 2.4], [0, 3, 2, 2, 4, 3])


def test_worst_and_best_go_by_the_distance_of_the_score() -> None:
    assert pick_photographs(GRADED, Interest(worst=2), None).image_ids == ("1_l1", "3_l1")
    assert set(pick_photographs(GRADED, Interest(best=3), None).image_ids) == {"0_l1", "2_l1", "4_l1"}


def test_between_two_grades_those_confused_come_first() -> None:
    picked = pick_photographs(GRADED, Interest(between=(2, 3)), None)
    assert set(picked.image_ids[:2]) == {"3_l1", "5_l1"}  # 2 taken for 3, and 3 for 2
    with pytest.raises(InputError, match="between grades 0 and 1"):
        pick_photographs(_predictions([3.0], [3]), Interest(between=(0, 1)), None)


def test_per_grade_takes_the_typical_ones_of_each_grade_that_occurs() -> None:
    rows = _predictions([0.0, 3.0, 1.1, 2.0, 3.0], [1, 0, 1, 1, 4])
    assert pick_photographs(rows, Interest(per_grade=1), None).image_ids == ("1_l1", "2_l1", "4_l1")


def test_by_default_one_of_each_grade_and_the_worst_error() -> None:
    picked = pick_photographs(GRADED, Interest(), None)
    assert "1_l1" in picked.image_ids
    assert len(picked.image_ids) == len(set(picked.image_ids)) <= 6
    assert "one typical photograph of each grade" in picked.reason


def test_a_split_alone_is_all_of_it_and_an_absent_one_refused() -> None:
    assert len(pick_photographs(GRADED, Interest(), "val").image_ids) == 6
    with pytest.raises(InputError, match="no rows of split test, only of val"):
        pick_photographs(GRADED, Interest(), "test")


def test_without_reference_grades_the_least_certain_come_first_and_interests_are_refused() -> None:
    rows = _predictions([2.0] * 20, [None] * 20, "test")
    picked = pick_photographs(rows, Interest(), None)
    assert picked.image_ids == tuple(f"{number}_l1" for number in range(19, 13, -1))
    assert picked.reason == "of all photographs, the 6 whose grade is least certain"
    with pytest.raises(InputError, match="no reference grade in all photographs: pick by --ids"):
        pick_photographs(rows, Interest(worst=3), None)


def test_one_interest_at_a_time_and_grades_that_rise() -> None:
    with pytest.raises(UsageError, match="--worst and --best: one interest"):
        Interest(worst=1, best=2)
    for pair in ((3, 2), (2, 2), (4, 5)):
        with pytest.raises(UsageError, match="two rising grades"):
            Interest(between=pair)


def test_photographs_that_are_graded_together_are_picked_once() -> None:
    rows = GRADED.rows.assign(patient_id=["a", "a", "b", "b", "c", "c"], eye=["left", "right"] * 3)
    by_patient = Predictions(rows, replace(META, unit="patient"), "quick")
    assert set(pick_photographs(by_patient, Interest(worst=6), None).image_ids) == {"0_l1", "2_l1", "4_l1"}
    by_eye = Predictions(rows, replace(META, unit="eye"), "quick")
    assert len(pick_photographs(by_eye, Interest(worst=6), None).image_ids) == 6
