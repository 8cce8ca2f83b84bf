import re

import pandas as pd
import pytest
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError
from drkit.records.truth import read_truth


def write(folder, text, name="truth.csv"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("target", ["eye", "patient"])
@pytest.mark.parametrize("text", ["ID,TARGET\n1_l1.jpg,2\n007.PNG,0\n", "image_id,grade\n1_l1,2.0\n007,0\n"])
def test_grades_without_a_target_are_used_for_either_target(tmp_path, text, target):
    truth = read_truth(write(tmp_path, text))
    assert truth.targets == ()
    assert truth.grades_for(target).to_dict() == {"1_l1": 2, "007": 0}
    assert truth.grades_for(target).dtype == "Int8"


def test_grades_with_a_target_are_used_for_that_target_only(tmp_path):
    truth = read_truth(write(tmp_path, "image_id,eye_grade\n1_l1.jpg,2\n1_l2.jpg,\n"))
    assert truth.grades_for("eye").to_dict() == {"1_l1": 2}
    with pytest.raises(InputError, match=r"truth\.csv has no patient grade \(it has eye grades\)"):
        truth.grades_for("patient")


def test_both_named_grades(tmp_path):
    truth = read_truth(write(tmp_path, "image_id,eye_grade,patient_grade\n1_l1,2,4\n"))
    assert truth.targets == ("patient", "eye")
    assert (truth.grades_for("eye")["1_l1"], truth.grades_for("patient")["1_l1"]) == (2, 4)


def test_a_layouts_csv_without_its_photographs(tmp_path):
    truth = read_truth(write(tmp_path, "image,level\n10_left,3\n", "trainLabels.csv"))
    assert truth.targets == ("eye",)
    assert truth.rows["split"].tolist() == ["train"]


def test_columns_are_the_same_for_every_source(tmp_path):
    texts = {
        "a.csv": "ID,TARGET\na,1\n",
        "b.csv": "image_id,patient_grade\na,1\n",
        "c.csv": "id_code,diagnosis\na,1\n",
    }
    dtypes = [read_truth(write(tmp_path, text, name)).rows.dtypes.to_dict() for name, text in texts.items()]
    assert dtypes[0] == dtypes[1] == dtypes[2]
    assert list(dtypes[0]) == ["image_id", "eye_grade", "patient_grade", "grade", "split"]


def test_grade_five_is_reported_as_no_grade(tmp_path):
    reported = Recorder()
    with progress.reporting_to(reported):
        truth = read_truth(write(tmp_path, "ID,TARGET\na,5\nb,1\n"))
    assert truth.grades_for("eye").to_dict() == {"b": 1}
    assert "1 photographs" in reported.warnings[-1]


def test_a_row_that_is_not_gradable_is_left_out(tmp_path):
    text = "image_id,path,split,eye_grade,patient_grade,gradable\na,a.jpg,val,1,,False\nb,b.jpg,val,2,,True\n"
    assert read_truth(write(tmp_path, text, "labels.csv")).grades_for("eye").to_dict() == {"b": 2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ID,TARGET\na,1\na.jpg,1\n", r"truth\.csv row 3: id 'a' occurs twice"),
        ("ID,TARGET\na,6\n", r"truth\.csv row 2: grade '6' is off the scale"),
        ("ID,TARGET\n,1\n", r"truth\.csv row 2: column ID is empty"),
        ("alpha,beta\n1,2\n", "no layout has columns alpha, beta"),
    ],
)
def test_mistakes_are_named(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_truth(write(tmp_path, text))


def test_a_folder_without_tables_states_nothing(tmp_path):
    with pytest.raises(InputError, match="neither a table with grades nor folders of classes"):
        read_truth(tmp_path)


def test_real_folder_equals_its_tables(shared_data):
    truth = read_truth(shared_data / "DeepDRiD")
    parts = [read_truth(shared_data / "DeepDRiD" / f"{split}.csv") for split in ("train", "val")]
    for target in ("eye", "patient"):
        together = pd.concat([part.grades_for(target) for part in parts])
        assert truth.grades_for(target).to_dict() == together.to_dict()
    assert len(together) == 1600


def test_real_test_table_has_no_grades(shared_data):
    with pytest.raises(InputError, match=r"test\.csv has no eye grade \(it has no grades at all\)"):
        read_truth(shared_data / "DeepDRiD" / "test.csv").grades_for("eye")


@pytest.mark.parametrize(
    ("name", "header"),
    [("trainLabels.csv", "image,level"), ("grades.csv", "ID,TARGET"), ("labels.csv", "image_id,grade")],
)
def test_a_header_without_rows_is_refused(tmp_path, name, header):
    (tmp_path / name).write_text(f"{header}\n")
    with pytest.raises(InputError, match=rf"{re.escape(name)} has no rows below its header"):
        read_truth(tmp_path / name)
