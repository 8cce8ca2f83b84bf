import pytest
from hypothesis import given
from hypothesis import strategies as st

from drkit.records.layouts.names import PhotographName, parse_eye, parse_name, split_folders, split_of_name


@given(st.from_regex(r"[0-9]{1,9}", fullmatch=True), st.sampled_from("lrLR"), st.integers(1, 999))
def test_deepdrid_names_give_patient_eye_and_view(patient, side, view):
    eye = "left" if side in "lL" else "right"
    assert parse_name(f"{patient}_{side}{view}") == PhotographName(patient, eye, view)


@given(st.text())
def test_any_text_gives_a_complete_name_or_none(text):
    name = parse_name(text)
    assert (name.patient_id is None) == (name.eye is None)
    assert name == PhotographName() or text.startswith(f"{name.patient_id}_")


@pytest.mark.parametrize("text", ["000c1434d8d7", "IDRiD_001", "scan_l1", "10_left.jpeg", "1_l1_copy", "1_x1", "٣_l1"])
def test_other_names_give_no_information(text):
    assert parse_name(text) == PhotographName()


def test_eyepacs_names_have_no_view():
    assert parse_name("007_right") == PhotographName("007", "right", None)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("trainLabels_cropped", "train"),
        ("train_1", "train"),
        ("TRAIN", "train"),
        ("a. Training Set", "train"),
        ("b. IDRiD_Disease Grading_Testing Labels", "test"),
        ("regular-fundus-validation", "val"),
        ("valid", "val"),
        ("labels", None),
        ("contrast", None),
        ("train_test", None),
    ],
)
def test_split_is_a_word_of_the_name(text, split):
    assert split_of_name(text) == split


def test_folders_of_a_split_are_of_that_split():
    for split in ("train", "val", "test"):
        assert {split_of_name(folder) for folder in split_folders(split)} == {split}


@pytest.mark.parametrize(("text", "eye"), [("L", "left"), (" od ", "right"), ("Left", "left"), ("both", None)])
def test_eyes_by_any_name(text, eye):
    assert parse_eye(text) == eye
