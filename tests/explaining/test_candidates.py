"""Which photographs may be picked, and which of them the run has yet to grade."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drkit.errors import InputError
from drkit.explaining.candidates import add_graded, find_candidates, find_ungraded, resolve_ids
from drkit.explaining.picking import Interest
from drkit.records.checkpoint import Architecture
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import Predictions, PredictionsMeta, build_predictions

META = PredictionsMeta("patient", "image", "argmax", None, ("train",), 0, "last", "net", None, None)
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


def _graded(*image_ids: str, meta: PredictionsMeta = META, score: float = 1.0) -> Predictions:
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
        ("zebra", "no photograph zebra: its ids are such as a1"),
        ("d1", "no photograph d1: name the data set it was graded from with --data, too"),
    ],
)
def test_an_id_that_is_not_there_is_refused_with_what_helps(name: str, sentence: str) -> None:
    graded = _graded("a1")
    graded.rows.loc[0, "image_id"] = "d1"
    with pytest.raises(InputError, match=f"--ids: .*{sentence}"):
        resolve_ids((name,), LABELS, graded)


def test_what_the_run_has_graded_comes_first_then_val_then_all() -> None:
    assert _names(find_candidates(LABELS, _graded("b1", "c1"), Interest(), None)) == ["b1", "c1"]
    assert _names(find_candidates(LABELS, _graded(), Interest(), None)) == ["b1", "b2"]
    train = LABELS.of_split("train")
    assert find_candidates(train, _graded(), Interest(), None).all()


def test_a_split_is_the_one_that_the_photograph_was_graded_as() -> None:
    graded = _graded("a1")
    graded.rows["split"] = "val"
    assert _names(find_candidates(LABELS, graded, Interest(), "val")) == ["a1", "b1", "b2"]
    with pytest.raises(InputError, match="no photographs of split test, only of train"):
        find_candidates(LABELS.of_split("train"), _graded(), Interest(), "test")


@pytest.mark.parametrize(("unit", "names"), [("image", ["a2", "c1"]), ("patient", ["a1", "a2", "c1"])])
def test_whole_units_are_graded(unit: str, names: list[str]) -> None:
    architecture = Architecture("net", 64, unit, 2, "mean-max", False, "", "regression", False, 0.0)
    graded = _graded("a1", "b1", "b2")
    found = find_ungraded(LABELS, graded, LABELS.rows["image_id"].isin(["a2", "b1", "c1"]).to_numpy(), architecture)
    assert found.rows["image_id"].tolist() == names
    assert not len(find_ungraded(LABELS, graded, np.zeros(5, bool), architecture))


def test_what_is_graded_now_takes_the_place_of_what_was_and_splits_are_not_mixed_up() -> None:
    """The run was trained on the train split of its own data set, not on that of another."""
    fresh = _graded("a2", "b1", meta=replace(META, trained_on=()))
    both = add_graded(_graded("a1", "b1", score=3.0), fresh)
    rows = both.rows.set_index("image_id")
    assert rows["score"].to_dict() == {"a1": 3.0, "a2": 1.0, "b1": 1.0}
    assert both.rows["image_id"][both.leaked_rows()].tolist() == ["a1"]
    assert add_graded(_graded(), fresh) is fresh
