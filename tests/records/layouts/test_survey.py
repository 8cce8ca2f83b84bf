"""Surveys of data sets with problems."""

import pandas as pd
import pytest

from drkit.errors import InputError
from drkit.records.layouts import read_dataset
from drkit.records.layouts.survey import survey_dataset

COURSE = "patient_id,image_id,img_path,left_eye_DR_Level,right_eye_DR_Level,patient_DR_Level"
PLAIN = "image,eye,grade"


@pytest.fixture
def survey(tmp_path):
    def write(header, *lines, files=("a.jpg",)):
        (tmp_path / "train.csv").write_text("\n".join([header, *lines]))
        for name in files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return survey_dataset(tmp_path)

    return write


def test_a_sound_data_set_is_read_as_read_dataset_does(survey, tmp_path):
    surveyed = survey(COURSE, "7,7_l1,a.jpg,2,,2", "7,7_r1,b.jpg,,5,2", files=("a.jpg", "b.jpg"))
    assert surveyed.problems == ()
    pd.testing.assert_frame_equal(surveyed.rows.drop(columns="where"), read_dataset(tmp_path).rows)
    assert surveyed.rows["where"].tolist() == ["train.csv row 2", "train.csv row 3"]


@pytest.mark.parametrize(
    ("header", "line", "kind", "ids", "sentence"),
    [
        (PLAIN, "b,left,1", "missing-photograph", ("b",), "train.csv row 3: b is missing"),
        (PLAIN, "../c,left,1", "unlocatable-photograph", ("c",), "lies outside the data set"),
        (PLAIN, "a,right,2", "id-twice", ("a",), "'a' is that of train.csv row 2 and train.csv row 3"),
        (PLAIN, "a2,left,7", "grade-off-scale", ("a2",), "train.csv row 3: grade '7' is off the scale 0-4"),
        (PLAIN, "a2,left,two", "grade-off-scale", ("a2",), "grade 'two' is off the scale"),
        (PLAIN, "a2,third,1", "unknown-word", ("a2",), "eye 'third' is not left or right"),
        (PLAIN, ",left,1", "empty-id", (), "train.csv row 3: column image is empty"),
        (COURSE, "7,a2,a2.jpg,1,2,2", "two-eyes-graded", ("a2",), "the left eye is graded 1 and the right eye 2"),
    ],
)
def test_each_problem_is_noted_and_the_rest_is_read(survey, header, line, kind, ids, sentence):
    good = "a,left,1" if header == PLAIN else "7,a,a.jpg,1,,2"
    surveyed = survey(header, good, line, files=("a.jpg", "a2.jpg"))
    problems = [problem for problem in surveyed.problems if problem.kind == kind]
    assert len(problems) == 1
    assert problems[0].image_ids == ids
    assert sentence in problems[0].sentence
    assert surveyed.rows["image_id"].iloc[0] == "a"
    assert {problem.kind for problem in surveyed.problems} == {kind}


def test_all_problems_are_noted_not_only_the_first(survey):
    surveyed = survey(PLAIN, "a,left,9", "b,left,8", "c,left,1")
    assert sorted(problem.kind for problem in surveyed.problems) == ["grade-off-scale"] * 2 + ["missing-photograph"] * 2
    assert surveyed.rows["eye_grade"].isna().tolist() == [True, True, False]
    assert surveyed.rows["path"].isna().tolist() == [False, True, True]


def test_ids_that_occur_in_two_tables(tmp_path):
    for name in ("train", "val"):
        (tmp_path / f"{name}.csv").write_text(f"{PLAIN}\na,left,1")
    (tmp_path / "a.jpg").touch()
    assert [problem.kind for problem in survey_dataset(tmp_path).problems] == ["id-twice"]


def test_photographs_of_one_name_in_a_folder(tmp_path):
    (tmp_path / "x").mkdir()
    for name in ("x/1.jpg", "x/1.png"):
        (tmp_path / name).touch()
    assert [problem.sentence for problem in survey_dataset(tmp_path).problems] == [
        "image id '1' is that of x/1.jpg and x/1.png: keep one row for each photograph"
    ]


def test_an_unreadable_data_set_is_refused(tmp_path, survey):
    with pytest.raises(InputError, match="holds neither photographs nor a table"):
        survey_dataset(tmp_path)
    with pytest.raises(InputError, match="no layout has columns"):
        survey("alpha,beta", "1,2")


def test_real_data_sets_have_no_problem(shared_data):
    for name, num_rows in (("DeepDRiD", 2000), ("IDRiD", 413)):
        surveyed = survey_dataset(shared_data / name)
        assert (surveyed.problems, len(surveyed.rows)) == ((), num_rows)
