"""The selection of photographs and their order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from architectures import make_architecture
from predictions_meta import PATIENT_META

from drkit.errors import InputError, UsageError
from drkit.explaining.selection import (
    SelectionCriteria,
    add_graded,
    find_candidates,
    find_ungraded,
    resolve_ids,
    select_photographs,
)
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import PROBABILITY_COLUMNS, Predictions, PredictionsMeta, build_predictions

META = replace(PATIENT_META, model="net")


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
    assert select_photographs(GRADED, SelectionCriteria(worst=2), None).image_ids == ("1_l1", "3_l1")
    assert set(select_photographs(GRADED, SelectionCriteria(best=3), None).image_ids) == {"0_l1", "2_l1", "4_l1"}


def test_between_two_grades_those_confused_come_first() -> None:
    selection = select_photographs(GRADED, SelectionCriteria(between=(2, 3)), None)
    assert set(selection.image_ids[:2]) == {"3_l1", "5_l1"}  # 2 taken for 3, and 3 for 2
    with pytest.raises(InputError, match="between grades 0 and 1"):
        select_photographs(_predictions([3.0], [3]), SelectionCriteria(between=(0, 1)), None)


def test_per_grade_takes_the_typical_ones_of_each_grade_that_occurs() -> None:
    rows = _predictions([0.0, 3.0, 1.1, 2.0, 3.0], [1, 0, 1, 1, 4])
    assert select_photographs(rows, SelectionCriteria(per_grade=1), None).image_ids == ("1_l1", "2_l1", "4_l1")


def test_by_default_one_of_each_grade_and_the_worst_error() -> None:
    selection = select_photographs(GRADED, SelectionCriteria(), None)
    assert "1_l1" in selection.image_ids
    assert len(selection.image_ids) == len(set(selection.image_ids)) <= 6
    assert "one typical photograph of each grade" in selection.reason


def test_a_split_alone_is_all_of_it_and_an_absent_one_refused() -> None:
    assert len(select_photographs(GRADED, SelectionCriteria(), "val").image_ids) == 6
    with pytest.raises(InputError, match="no rows of split test, only of val"):
        select_photographs(GRADED, SelectionCriteria(), "test")


def test_without_reference_grades_the_least_certain_come_first_and_criteria_that_need_them_are_refused() -> None:
    rows = _predictions([2.0] * 20, [None] * 20, "test")
    selection = select_photographs(rows, SelectionCriteria(), None)
    assert selection.image_ids == tuple(f"{number}_l1" for number in range(19, 13, -1))
    assert selection.reason == "the 6 of all photographs with the least certain grades"
    with pytest.raises(InputError, match="no reference grade in all photographs: select by --ids"):
        select_photographs(rows, SelectionCriteria(worst=3), None)


def test_one_criterion_at_a_time_and_grades_that_rise() -> None:
    with pytest.raises(UsageError, match="--worst and --best cannot be combined"):
        SelectionCriteria(worst=1, best=2)
    for pair in ((3, 2), (2, 2), (4, 5)):
        with pytest.raises(UsageError, match="expected two different grades"):
            SelectionCriteria(between=pair)


def test_photographs_that_are_graded_together_are_picked_once() -> None:
    rows = GRADED.rows.assign(patient_id=["a", "a", "b", "b", "c", "c"], eye=["left", "right"] * 3)
    by_patient = Predictions(rows, replace(META, unit="patient"), "quick")
    assert set(select_photographs(by_patient, SelectionCriteria(worst=6), None).image_ids) == {"0_l1", "2_l1", "4_l1"}
    by_eye = Predictions(rows, replace(META, unit="eye"), "quick")
    assert len(select_photographs(by_eye, SelectionCriteria(worst=6), None).image_ids) == 6


RUN_META = replace(PATIENT_META, decision="argmax", model="net")
LABELS = Labels(
    build_rows(
        image_id=["a1", "a2", "b1", "b2", "c1"],
        path=[f"/eyes/{name}.jpg" for name in ("a1", "a2", "b1", "b2", "c1")],
        patient_id=["a", "a", "b", "b", "c"],
        split=["train", "train", "val", "val", "test"],
    ),
    Path("/eyes"),
    "folder",
    ("patient",),
)


def _graded(*image_ids: str, meta: PredictionsMeta = RUN_META, score: float = 1.0) -> Predictions:
    shares, scores = np.tile([0.1, 0.6, 0.1, 0.1, 0.1], (len(LABELS), 1)), np.full(len(LABELS), score)
    graded = build_predictions(LABELS, probabilities=shares, score=scores, meta=meta, name="quick")
    return graded.where(graded.rows["image_id"].isin(image_ids))


def _names(mask: np.ndarray) -> list[str]:
    return LABELS.rows["image_id"][mask].tolist()


def test_ids_are_taken_with_or_without_suffix_each_once() -> None:
    assert resolve_ids(("b1.jpg", "photos/a1.jpg", "b1"), LABELS, _graded()) == ("b1", "a1")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("b11", "/eyes has no photograph b11: did you mean b1"),
        ("zebra", "no photograph zebra: its ids look like a1"),
        ("d1", "no photograph d1: also give the data set that it was graded from with --data"),
    ],
)
def test_an_unknown_id_is_refused_with_advice(name: str, sentence: str) -> None:
    graded = _graded("a1")
    graded.rows.loc[0, "image_id"] = "d1"
    with pytest.raises(InputError, match=f"--ids: .*{sentence}"):
        resolve_ids((name,), LABELS, graded)


def test_by_default_photographs_graded_by_the_run_are_used_then_val_then_all() -> None:
    assert _names(find_candidates(LABELS, _graded("b1", "c1"), SelectionCriteria(), None)) == ["b1", "c1"]
    assert _names(find_candidates(LABELS, _graded(), SelectionCriteria(), None)) == ["b1", "b2"]
    train = LABELS.of_split("train")
    assert find_candidates(train, _graded(), SelectionCriteria(), None).all()


def test_a_split_is_the_one_that_the_photograph_was_graded_as() -> None:
    graded = _graded("a1")
    graded.rows["split"] = "val"
    assert _names(find_candidates(LABELS, graded, SelectionCriteria(), "val")) == ["a1", "b1", "b2"]
    with pytest.raises(InputError, match="no photographs of split test, only of train"):
        find_candidates(LABELS.of_split("train"), _graded(), SelectionCriteria(), "test")


@pytest.mark.parametrize(("unit", "names"), [("image", ["a2", "c1"]), ("patient", ["a1", "a2", "c1"])])
def test_complete_units_are_graded(unit: str, names: list[str]) -> None:
    architecture = make_architecture("net", unit=unit, num_slots=2)
    graded = _graded("a1", "b1", "b2")
    found = find_ungraded(LABELS, graded, LABELS.rows["image_id"].isin(["a2", "b1", "c1"]).to_numpy(), architecture)
    assert found.rows["image_id"].tolist() == names
    assert not len(find_ungraded(LABELS, graded, np.zeros(5, bool), architecture))


def test_new_predictions_replace_old_ones_of_the_same_data_set_and_split() -> None:
    """The run was trained on the train split of its own data set, not on that of another."""
    fresh = _graded("a2", "b1", meta=replace(RUN_META, trained_on=()))
    both = add_graded(_graded("a1", "b1", score=3.0), fresh)
    rows = both.rows.set_index("image_id")
    assert rows["score"].to_dict() == {"a1": 3.0, "a2": 1.0, "b1": 1.0}
    assert both.rows["image_id"][both.leaked_rows()].tolist() == ["a1"]
    assert add_graded(_graded(), fresh) is fresh
