"""Patients from photographs' names, and patients with several spellings."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError
from drkit.records.layouts import read_dataset
from drkit.records.layouts.names import PhotographName, parse_name, parse_names
from drkit.records.layouts.patients import disambiguate_ids, person_key, unify_patients


def write(folder, *lines, name="labels.csv", photographs=()):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines))
    for photograph in photographs:
        path = folder / photograph
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("name", "patient", "eye", "view"),
    [
        ("P07-OD", "P07", "right", None),
        ("A12_left_2", "A12", "left", 2),
        ("OD_0031", "0031", "right", None),
        ("site1 0042 os", "site1 0042", "left", None),
        ("347_l1", "347", "left", 1),
    ],
)
def test_names_of_many_forms_are_parsed_if_the_others_agree(name, patient, eye, view):
    both = [name, "9_left", "9_right"]
    assert parse_names(both, [""] * 3)[0] == PhotographName(patient, eye, view)
    parsed_alone = parse_name(name)
    assert parse_names([name, "x", "y"], [""] * 3)[0] == parsed_alone


def test_a_photograph_called_by_its_eye_belongs_to_its_folder():
    assert parse_names(["OD", "OS"], ["P1", "P1"]) == [PhotographName("P1", "right"), PhotographName("P1", "left")]
    assert parse_names(["OD", "OS"], ["train", "train"]) == [PhotographName()] * 2


@pytest.mark.parametrize("header", ["image_id,grade", "id_code,diagnosis", "file,label", "image,level"])
def test_patients_are_read_from_ids_in_every_layout(tmp_path, header):
    names = ["347_l1", "347_r1", "10_left"]
    write(tmp_path, header, *(f"{name},1" for name in names), photographs=[f"{name}.jpg" for name in names])
    reported = Recorder()
    with progress.reporting_to(reported):
        rows = read_dataset(tmp_path).rows
    assert rows["patient_id"].tolist() == ["347", "347", "10"]
    assert rows["eye"].tolist() == ["left", "right", "left"]
    is_the_layouts_rule = header == "image,level"
    assert any("347_l1 is of patient 347" in sentence for sentence in reported.notices) != is_the_layouts_rule


def test_a_patient_column_takes_precedence_over_the_photographs_name(tmp_path):
    write(tmp_path, "image,grade,patient_id", "1_l1,0,A", "2_l1,0,", photographs=["1_l1.jpg", "2_l1.jpg"])
    assert read_dataset(tmp_path).rows["patient_id"].tolist() == ["A", "2"]


@pytest.mark.parametrize(
    "spellings",
    [("7", "007", "7.0", " 7", "\uff17"), ("p7", "P7", "P07", "p007"), ("Ann  Lee", "ann lee"), ("3.0", "3")],
)
def test_one_person_in_several_spellings_is_one(spellings):
    patients, sentence = unify_patients(pd.Series([*spellings, pd.NA, "other"], dtype="string"))
    assert patients.nunique() == 2
    assert patients.isna().sum() == 1
    assert "1 patients are spelled in several ways" in sentence


@given(st.lists(st.integers(0, 10**6), min_size=2, unique=True), st.sampled_from(["", "P", "site 2 - "]))
def test_different_numbers_are_different_people(numbers, prefix):
    names = pd.Series([f"{prefix}{number}" for number in numbers], dtype="string")
    patients, sentence = unify_patients(names)
    assert patients.tolist() == names.tolist()
    assert sentence == ""


@given(st.text())
def test_the_key_of_a_key_is_itself(name):
    assert person_key(person_key(name)) == person_key(name)


def test_a_person_is_one_across_tables(tmp_path):
    write(tmp_path, "image,grade,patient", "a,0,7", "b,0,8", name="train.csv", photographs=["a.jpg", "b.jpg"])
    write(tmp_path, "image,grade,patient", "c,0,007", "d,0,9", name="val.csv", photographs=["c.jpg", "d.jpg"])
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(tmp_path)
    assert labels.rows["patient_id"].tolist() == ["7", "8", "7", "9"]
    assert any("count as one each: 7 = 007" in sentence for sentence in reported.notices)


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["P1/OD.jpg", "P2/OD.jpg"], ["P1_OD", "P2_OD"]),
        (["P1/OD.jpg"], ["P1_OD"]),
        (["a/x/1.jpg", "b/x/1.jpg", "a/x/2.jpg"], ["a_x_1", "b_x_1", "2"]),
        (["OD.jpg"], ["OD"]),
        (["x\\1.jpg", "y\\1.jpg"], ["x_1", "y_1"]),
        (["x/1.jpg", "x/1.jpg"], ["1", "1"]),
    ],
)
def test_equal_names_in_different_folders_get_different_ids(paths, ids):
    names = [path.replace("\\", "/").split("/")[-1].removesuffix(".jpg") for path in paths]
    assert disambiguate_ids(names, paths) == ids


def test_one_name_under_several_folders_makes_one_id_each(tmp_path):
    photographs = [f"P{number}/{eye}.jpg" for number in (1, 2) for eye in ("OD", "OS")]
    write(tmp_path, "file,grade", *(f"{path},{n}" for n, path in enumerate(photographs)), photographs=photographs)
    rows = read_dataset(tmp_path).rows
    assert rows["image_id"].tolist() == ["P1_OD", "P1_OS", "P2_OD", "P2_OS"]
    assert rows["patient_id"].tolist() == ["P1", "P1", "P2", "P2"]
    assert rows["eye"].tolist() == ["right", "left"] * 2
    (tmp_path / "labels.csv").unlink()
    pd.testing.assert_frame_equal(
        read_dataset(tmp_path).rows.drop(columns=["eye_grade", "split"]), rows.drop(columns=["eye_grade", "split"])
    )


def test_equal_ids_in_two_tables_are_prefixed_with_the_photographs_folders(tmp_path):
    for split in ("train", "val"):
        write(tmp_path, "image,grade", "1.png,0", "2.png,3", name=f"{split}.csv")
        write(tmp_path / split, "", name="empty.csv", photographs=["1.png", "2.png"])
    rows = read_dataset(tmp_path).rows
    assert rows["image_id"].tolist() == ["train_1", "train_2", "val_1", "val_2"]
    assert rows["path"].is_unique


def test_two_rows_of_one_photograph_are_refused(tmp_path):
    write(tmp_path, "file,grade", "x/1.jpg,0", "./x/1.jpg,3", photographs=["x/1.jpg"])
    with pytest.raises(InputError, match=r"labels\.csv row 2 and labels\.csv row 3: .*occurs twice"):
        read_dataset(tmp_path)
