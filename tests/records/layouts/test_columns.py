"""Recognition of columns, and the remarks about it."""

import pytest
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError
from drkit.records.layouts import read_dataset
from drkit.records.layouts.columns import find_roles
from drkit.records.layouts.survey import survey_dataset
from drkit.records.layouts.tables import open_table


@pytest.fixture
def own(tmp_path):
    def write(header, *lines, name="labels.csv"):
        (tmp_path / name).write_text("\n".join([header, *lines]))
        return tmp_path

    for number in range(9):
        (tmp_path / f"p{number}.jpg").touch()
    return write


def read(folder):
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(folder)
    return labels, reported


@pytest.mark.parametrize(
    "patient", ["patient_id", "Patient ID", "PatientID", "patient", "PATIENT-ID", "subject", "Subject_ID", "pid", "MRN"]
)
@pytest.mark.parametrize("eye", ["eye", "laterality", "Side", "Exam_Eye"])
@pytest.mark.parametrize("split", ["split", "set", "partition", "Fold", "phase"])
def test_common_names_are_read_and_named(own, patient, eye, split):
    folder = own(f"image,grade,{patient},{eye},{split}", "p1,0,a,OD,train", "p2,1,a,L,Train", "p3,2,b,right,testing")
    labels, reported = read(folder)
    assert labels.rows["patient_id"].tolist() == ["a", "a", "b"]
    assert labels.rows["eye"].tolist() == ["right", "left", "right"]
    assert labels.rows["split"].tolist() == ["train", "train", "test"]
    (sentence,) = reported.notices
    assert (
        f"read image_id from image, eye_grade from grade{', patient_id from ' * (patient != 'patient_id')}" in sentence
    )


def test_columns_that_are_not_read_are_named_once(own):
    header = "image,grade,patient_id,age,sex,fold,side," + ",".join(f"x{n}" for n in range(9))
    folder = own(header, *(f"p{n},{n % 5},{n},50,f,{n % 3},nasal" + ",1" * 9 for n in range(1, 6)))
    _, reported = read(folder)
    unread = [sentence for sentence in reported.notices if "not read" in sentence]
    assert unread == [f"{folder}: columns that are not read: age, sex, fold, side, x0, x1, x2, x3 and 5 more"]
    (remark,) = (remark for remark in survey_dataset(folder).remarks if remark.kind == "columns-unread")
    assert remark.sentence in unread[0]


def test_a_remark_is_printed_once_per_command(own):
    folder, reported = own("image,grade,age", "p1,0,1"), Recorder()
    with progress.reporting_to(reported):
        read_dataset(folder)
        read_dataset(folder)
    assert len(reported.notices) == len(set(reported.notices)) > 0


def test_the_columns_of_drkit_itself_are_no_guess(own):
    _, reported = read(own("image_id,eye_grade,patient_id,eye,split", "p1,0,a,left,train"))
    assert reported.notices == []


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("name,filename,grade", "Ann,p1.jpg,2"),
        ("Name,Scan,grade", "Ann,p1.jpg,2"),
        ("id,name,photo,grade", "17,Ann,p1.jpg,2"),
        ("ID,grade", "p1,2"),
        ("name,grade", "p1.jpg,2"),
        ("code,grade", "p1,2"),
    ],
)
def test_file_names_go_before_a_column_that_may_be_a_persons(own, header, line):
    labels, _ = read(own(header, line))
    assert labels.rows["image_id"].tolist() == ["p1"]


def test_fastais_column_of_held_out_rows(own):
    labels, reported = read(own("image,grade,is_valid", "p1,0,False", "p2,1,True", "p3,2,False"))
    assert labels.rows["split"].tolist() == ["train", "val", "train"]
    assert "split from is_valid" in reported.notices[0]


def test_a_column_that_is_true_for_most_rows_is_not_a_split(own):
    labels, reported = read(own("image,grade,is_valid", "p1,0,1", "p2,1,1", "p3,2,1"))
    assert set(labels.rows["split"]) == {"train"}
    assert any("not read: is_valid" in sentence for sentence in reported.notices)


@pytest.mark.parametrize(
    ("header", "lines", "grade"),
    [
        ("image,label,level", ["p1,0,0", "p2,1,3", "p3,1,2"], "level"),
        ("image,diagnosis,level", ["p1,cataract,0", "p2,none,3"], "level"),
        ("image,level,grade", ["p1,2,2", "p2,3,3"], "level"),
        ("image,label,DR_ICDR", ["p1,4,0", "p2,3,3"], "dr_icdr"),
        ("image,DR_grade(AAO),DR_grade(International_Clinical_DR_Severity_Scale)", ["p1,4,0", "p2,3,3"],
         "dr_grade(international_clinical_dr_severity_scale)"),
        ("Fundus_images,DR_SDRG,DR_ICDR", ["p1,4,0", "p2,3,3"], "dr_icdr"),
        ("image,class", ["p1,No DR", "p2,Severe"], "class"),
        ("image,severity", ["p1,0", "p2,4"], "severity"),
        ("image,level", ["p1,7", "p2,9"], "level"),
        ("image,DR grade,age", ["p1,0,3", "p2,4,2"], "dr grade"),
    ],
)  # fmt: skip
def test_the_column_of_grades(own, header, lines, grade):
    assert find_roles(open_table(own(header, *lines) / "labels.csv")).grade == grade


@pytest.mark.parametrize(
    ("header", "lines", "sentence"),
    [
        ("image,grade,level", ["p1,0,3", "p2,2,2"], "columns grade and level could each be the grade: rename the"),
        ("image,icdr_grader1,dr_icdr", ["p1,0,3", "p2,2,2"], "columns icdr_grader1 and dr_icdr could each"),
        ("image,DR_SDRG", ["p1,0", "p2,3"], "column DR_SDRG is on the Scottish scale"),
        ("image,DR_grade(AAO)", ["p1,0", "p2,3"], "column .* is on the scale of the American Academy"),
        ("image,ETDRS_level", ["p1,0", "p2,3"], "no column of grades|ETDRS scale"),
        ("ID,Disease_Risk,DR,ARMD", ["p1,1,1,0"], "is RFMiD, which states whether a disease is present"),
        ("ID,DR,NORMAL,MH,ODC", ["p1,1,0,0,0", "p2,0,1,0,0"], r"whether diseases are present \(DR, MH, ODC, NORMAL: 0"),
        ("Image name,Ophthalmologic department,Retinopathy grade,Risk of macular edema", ["p1,CHU,3,0"],
         "is Messidor .the first one., which states its own retinopathy grade 0-3"),
        ("ID,Left-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords,D", ["1,p1.jpg,normal fundus,x,0"],
         "is ODIR-5K"),
    ],
)  # fmt: skip
def test_another_scale_or_two_columns_are_refused_by_name(own, header, lines, sentence):
    folder = own(header, *lines)
    for path in (folder, folder / "labels.csv"):
        with pytest.raises(InputError, match=sentence):
            read_dataset(path)


def test_messidors_tables_are_recognised_without_the_department_column(own):
    header = "Image name,Retinopathy grade,Risk of macular edema"
    with pytest.raises(InputError, match="Messidor"):
        read_dataset(own(header, "p1,3,0", name="Annotation_Base11.csv"))


@pytest.mark.parametrize(
    ("grades", "sentence"),
    [
        ([0, 1, 0, 1, 1], "only 0 and 1: do they state whether retinopathy is present"),
        ([0, 1, 2, 3, 0] * 200, "no grade above 3 in 1000 photographs"),
        ([1, 2, 3, 4, 5], "no 0: is this a scale from 1 to 5"),
        ([0, 1, 2, 3] * 200, None),
        ([0, 1, 2, 3, 4] * 200, None),
        ([0, 1], None),
        ([0, 1, 2, 5, 0], None),
    ],
)
def test_grades_that_look_like_another_scales_are_warned_of(tmp_path, grades, sentence):
    lines = [f"{number},{grade}" for number, grade in enumerate(grades)]
    (tmp_path / "m.csv").write_text("\n".join(["image,grade", *lines]))
    for number in range(len(grades)):
        (tmp_path / f"{number}.jpg").touch()
    _, reported = read(tmp_path)
    doubts = [sentence for sentence in reported.warnings if "eye_grade holds" in sentence]
    assert len(doubts) == (sentence is not None)
    assert sentence is None or sentence in doubts[0]


@pytest.mark.parametrize(
    ("header", "names", "layout"),
    [
        ("id_code,diagnosis,Patient ID,side,set", ("p1", "p2", "p3"), "aptos"),
        ("image,level,PatientID,laterality,partition", ("1_left", "2_right", "3_left"), "eyepacs"),
        ("Image name,Retinopathy grade,subject,eye,split", ("p1", "p2", "p3"), "idrid"),
    ],
)
def test_people_are_read_from_columns_in_every_layout(own, header, names, layout):
    said = ("0,a,L,train", "3,a,R,train", "1,b,L,test")
    folder = own(header, *(f"{name},{cells}" for name, cells in zip(names, said, strict=True)))
    for name in names:
        (folder / f"{name}.jpg").touch()
    labels, reported = read(folder)
    assert labels.layout == layout
    assert labels.rows["patient_id"].tolist() == ["a", "a", "b"]
    assert labels.rows["eye"].tolist() == ["left", "right", "left"]
    assert labels.rows["split"].tolist() == ["train", "train", "test"]
    assert any("patient_id from" in sentence for sentence in reported.notices)
    assert not any("not read" in sentence for sentence in reported.notices)
