"""Error messages for data sets that are refused."""

import pytest
from layout_trees import COURSE, course, tree
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError
from drkit.records.layouts import read_dataset

ROW = "7,7_l1,7/7_l1.jpg,1,2,,3,8,10,4"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds neither photographs nor a table"),
        ({"a.csv": ["alpha,beta", "1,2"]}, "no layout has columns alpha, beta: known layouts are .*IDRiD"),
        ({"a.csv": ["image,beta", "1,2"]}, "there is no column of grades"),
        (
            {"train.csv": [COURSE.replace("img_path", "file"), ROW]},
            "looks like the course's DeepDRiD, but column img_path is",
        ),
        ({"train.csv": [COURSE.replace("patient_DR_Level", "x"), ROW]}, "column patient_dr_level"),
        ({"train.csv": ["id_code", "a"]}, "lacks column diagnosis .*only a test table"),
        (
            {"train.csv": [COURSE, ROW.replace(",2,,3", ",2,1,3")]},
            "train.csv row 2: the left eye is graded 2 and the right",
        ),
        ({"train.csv": [COURSE, ROW.replace(",2,,3", ",7,,3")]}, "train.csv row 2: grade '7' is off the scale 0-4"),
        (
            {"train.csv": [COURSE, ROW, ROW], "7_l1.jpg": None},
            "train.csv row 2 and train.csv row 3: image id '7_l1' occurs twice",
        ),
        (
            {"train.csv": [COURSE, ROW], "val.csv": [COURSE, ROW], "7_l1.jpg": None},
            "train.csv row 2 and val.csv row 2: image id '7_l1'",
        ),
        (
            {"a.csv": ["image,label", "A,2", "a,2"], "a.jpg": None},
            "a.csv row 2 and a.csv row 3: A and a are both .*a.jpg",
        ),
        ({"train.csv": [COURSE, ROW], "val.csv": ["x,y", "1,2"]}, "val.csv: no layout has columns x, y"),
        (
            {"train.csv": [COURSE, ROW], "b.csv": ["image,label", "1,2"]},
            "several layouts: train.csv .*b.csv .a plain table",
        ),
        ({"train.csv": [COURSE, ROW], "b.csv": ["image_id,patient_DR_Level", "1,2"]}, "b.csv: looks like the course's"),
        ({"a.csv": ["image,label,split", "1,2,holdout"]}, "a.csv row 2: split 'holdout' is not train, val or test"),
        ({"a.csv": ["image,label,eye", "1,2,third"]}, "a.csv row 2: eye 'third' is not left or right"),
        (
            {"a.csv": ["image,label", "1,2"], "1.jpg": None, "1.png": None},
            "a.csv row 2: several photographs match: .*1.jpg, .*1.png",
        ),
        (
            {"a.csv": ["image,label", "1,2"], "x/1.jpg": None, "y/1.jpg": None},
            "several photographs match: .*x/1.jpg, .*y/1.jpg",
        ),
        ({"a.csv": ["image,label"]}, "lists no photographs: expected one row for each"),
        ({"trainLabels.csv": ["image,level"]}, "lists no photographs: expected one row for each"),
        ({"x/1.jpg": None, "x/1.png": None}, "photographs have the same name: x/1.jpg, x/1.png"),
    ],
)
def test_one_clear_line_for_each_mistake(tmp_path, files, sentence):
    tree(tmp_path, files)
    with pytest.raises(InputError, match=sentence) as refused:
        read_dataset(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_dataset(tmp_path / "nowhere")


def test_tables_without_labels_are_ignored_and_named(tmp_path):
    reported = Recorder()
    tree(course(tmp_path), {"notes.csv": ["alpha,beta", "1,2"]})
    with progress.reporting_to(reported):
        assert read_dataset(tmp_path).layout == "deepdrid-course"
    assert "notes.csv" in reported.notices[0]
