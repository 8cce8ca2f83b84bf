"""Tables that contradict themselves."""

import pytest

from drkit.auditing.contradictions import find_contradictions
from drkit.auditing.rows import concat_surveys
from drkit.records.layouts.survey import survey_dataset

HEADER = "image_id,path,patient_id,eye,view,eye_grade,patient_grade,gradable,split"
GOOD = ["7_l1,a.jpg,7,left,1,2,2,True,train", "7_r1,b.jpg,7,right,1,0,2,True,train"]


@pytest.fixture
def found(tmp_path):
    def audit(*lines):
        for name in "abc":
            (tmp_path / f"{name}.jpg").touch()
        (tmp_path / "labels.csv").write_text("\n".join([HEADER, *lines]))
        rows = concat_surveys([(tmp_path, survey_dataset(tmp_path))])
        return [(finding.severity, finding.kind, finding.ids) for finding in find_contradictions(rows)]

    return audit


def test_a_sound_table_has_none(found):
    assert found(*GOOD) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("7_l2,c.jpg,7,right,2,0,2,True,train", ("warning", "side-conflict", ("7_l2",))),
        ("7_l2,c.jpg,7,left,2,2,2,True,test", ("error", "patient-across-splits", ("7_l1", "7_r1", "7_l2"))),
        ("7_l2,c.jpg,7,left,2,1,2,True,train", ("error", "contradicting-eye-grade", ("7_l1", "7_l2"))),
        ("7_l2,c.jpg,7,left,2,2,3,True,train", ("error", "contradicting-patient-grade", ("7_l1", "7_r1", "7_l2"))),
        ("9_l2,c.jpg,9,left,2,5,,True,train", ("note", "ungradable", ("9_l2",))),
    ],
)
def test_one_contradiction(found, line, expected):
    assert found(*GOOD, line) == [expected]


def test_the_patient_is_as_ill_as_the_worse_eye(found):
    raised = [line.replace(",2,True", ",3,True") for line in GOOD]
    assert found(*raised) == [("warning", "patient-grade-against-eyes", ("7_l1", "7_r1"))]


def test_an_eye_that_is_not_there_may_be_the_worse(found):
    assert found(GOOD[1]) == []


def test_patients_of_other_data_sets_are_other_patients(tmp_path):
    surveys = []
    for name, split in (("one", "train"), ("two", "test")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.jpg").touch()
        (folder / "labels.csv").write_text(f"{HEADER}\n7_l1,a.jpg,7,left,1,2,2,True,{split}")
        surveys.append((folder, survey_dataset(folder)))
    assert list(find_contradictions(concat_surveys(surveys))) == []


def test_real_side_conflicts(shared_data):
    path = shared_data / "DeepDRiD"
    found = list(find_contradictions(concat_surveys([(path, survey_dataset(path))])))
    assert {finding.kind for finding in found} == {"side-conflict"}
    assert sorted(finding.ids[0] for finding in found) == [
        "167_l3", "167_r3", "56_l3", "56_r3", "77_l3", "77_l4", "77_r3", "77_r4",
    ]  # fmt: skip
