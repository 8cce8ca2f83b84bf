"""Folders of photographs without a table: classes, patients, or neither."""

from pathlib import Path

import pytest
from reporters import Recorder

from drkit import progress
from drkit.records.layouts import read_dataset
from drkit.records.truth import read_truth


def read(folder: Path, *paths: str):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(folder)
    grades = labels.rows["eye_grade"].astype(object).where(labels.rows["eye_grade"].notna(), None)
    return (
        labels,
        dict(zip(labels.rows["image_id"], zip(labels.rows["split"], grades, strict=True), strict=True)),
        reported,
    )


@pytest.mark.parametrize(
    "names",
    [
        ["0", "1", "2", "3", "4"],
        ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"],
        ["anoDR", "bmildDR", "cmoderateDR", "dsevereDR", "eproDR"],
        ["0 - No DR", "1 - Mild", "2 - Moderate", "3 - Severe", "4 - Proliferative DR"],
        ["grade_0", "grade_1", "grade_2", "grade_3", "grade_4"],
    ],
)
@pytest.mark.parametrize("above", ["", "train/", "images/", "images/images/train/"])
def test_folders_of_classes_give_grades(tmp_path, names, above):
    labels, grades_by_id, reported = read(
        tmp_path, *(f"{above}{name}/p{grade}.jpg" for grade, name in enumerate(names))
    )
    assert labels.layout == "class-folders"
    assert labels.targets == ("eye",)
    assert grades_by_id == {f"p{grade}": ("train", grade) for grade in range(5)}
    assert any("grades are read from the names of folders" in sentence for sentence in reported.notices)


def test_splits_above_classes_and_a_flat_test(tmp_path):
    paths = ["train/0/a.png", "train/2/deep/b.png", "valid/4/c.png", "test/d.png"]
    _, grades_by_id, _ = read(tmp_path, *paths)
    assert grades_by_id == {"a": ("train", 0), "b": ("train", 2), "c": ("val", 4), "d": ("test", None)}


def test_a_class_of_ungradable_photographs(tmp_path):
    labels, _, reported = read(tmp_path, "0/a.png", "3/b.png", "5/c.png")
    assert labels.rows["gradable"].tolist() == [True, True, False]
    assert "1 photographs cannot be graded" in reported.warnings[0]


def test_classes_0_and_1_only_are_reported_as_doubtful(tmp_path):
    labels, _, reported = read(tmp_path, *(f"{name % 2}/p{name}.png" for name in range(6)))
    assert labels.layout == "class-folders"
    assert any("eye_grade holds only 0 and 1" in sentence for sentence in reported.warnings)
    _, _, reported = read(tmp_path, "4/p7.png")
    assert reported.warnings == []


def test_messidors_pairs_give_patients_without_grades(tmp_path):
    (tmp_path / "messidor-2.csv").write_text(
        "left;right\n20051020_43832_0100_PP.png;20051020_43808_0100_PP.png\nIM1.JPG;\n"
    )
    labels, _, _ = read(
        tmp_path, "IMAGES/20051020_43832_0100_PP.png", "IMAGES/20051020_43808_0100_PP.png", "IMAGES/IM1.JPG"
    )
    rows = labels.rows.set_index("image_id")
    assert labels.layout == "folder"
    assert rows["patient_id"].tolist() == ["20051020_43832_0100_PP"] * 2 + ["IM1"]
    assert rows["eye"].tolist() == ["right", "left", "left"]


def test_reference_grades_may_come_from_class_folders(tmp_path):
    read(tmp_path, "No_DR/a.png", "Severe/b.png")
    assert read_truth(tmp_path).grades_for("eye").to_dict() == {"a": 0, "b": 3}


def test_folders_of_patients_are_no_classes(tmp_path):
    labels, grades_by_id, reported = read(tmp_path, "1/1_l1.jpg", "1/1_r1.jpg", "2/2_l1.jpg")
    assert labels.layout == "folder"
    assert set(grades_by_id.values()) == {("test", None)}
    assert labels.rows["patient_id"].tolist() == ["1", "1", "2"]
    assert "do not include 0" in reported.warnings[0]


@pytest.mark.parametrize(
    "names",
    [
        ["1. No DR signs", "2. Mild (or early) NPDR", "3. Moderate NPDR", "7. Advanced PDR"],
        ["DR", "No_DR"],
        ["0.0.Normal", "0.3.DR1", "1.0.DR2"],
        ["No_DR", "Mild", "Cataract"],
    ],
)
def test_classes_of_another_scale_are_warned_of_and_not_taken(tmp_path, names):
    labels, _, reported = read(tmp_path, *(f"train/{name}/p{number}.jpg" for number, name in enumerate(names)))
    assert labels.layout == "folder"
    assert labels.targets == ()
    assert "no grades are read from them" in reported.warnings[0]


def test_other_folders_are_a_plain_list_without_warnings(tmp_path):
    labels, _, reported = read(tmp_path, "camera A/a.jpg", "camera B/b.jpg")
    assert labels.layout == "folder"
    assert reported.warnings == reported.notices == []
