"""Every layout, as a small tree of empty files and as the real folder."""

import pandas as pd
import pytest
from layout_trees import (
    COURSE,
    TREES,
    aptos,
    bare,
    brset,
    column,
    course,
    eyepacs,
    idrid,
    mbrset,
    messidor_2,
    official,
    plain,
    tree,
)
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError
from drkit.records.layouts import LAYOUTS, read_dataset, read_table
from drkit.records.layouts.tables import open_table


@pytest.mark.parametrize("layout", TREES)
def test_every_layout_is_recognised_and_its_photographs_exist(tmp_path, layout):
    labels = read_dataset(TREES[layout](tmp_path))
    assert labels.layout == layout
    assert labels.root == tmp_path
    assert all(path.is_file() and path.is_absolute() for path in labels.paths())
    assert [path.stem for path in labels.paths()] == labels.rows["image_id"].tolist()


@pytest.mark.parametrize("layout", [name for name in TREES if "folder" not in name])
def test_each_csv_alone_is_its_part_of_the_whole(tmp_path, layout):
    whole = read_dataset(TREES[layout](tmp_path))
    parts = []
    for path in sorted(tmp_path.rglob("*.csv")):
        if not any(word in path.name for word in ("sample", "source", "Challenge2", "ultra", "messidor-2")):
            parts.append(read_dataset(path).rows)
            assert read_table(path)["image_id"].tolist() == parts[-1]["image_id"].tolist()
    together = pd.concat(parts).set_index("image_id").loc[whole.rows["image_id"]].reset_index()
    pd.testing.assert_frame_equal(together[whole.rows.columns], whole.rows)


def test_every_layout_has_a_tree_and_a_summary():
    assert set(LAYOUTS) == {*TREES, "drkit"}
    assert all(layout.summary and "\n" not in layout.summary for layout in LAYOUTS.values())


def test_course(tmp_path):
    labels = read_dataset(course(tmp_path))
    assert labels.targets == ("patient", "eye")
    assert column(labels, "split") == {
        "7_l1": "train",
        "7_r3": "train",
        "8_r1": "val",
        "347_l1": "test",
        "odd": "test",
    }
    assert column(labels, "eye") == {
        "7_l1": "left",
        "7_r3": "left",
        "8_r1": "right",
        "347_l1": "left",
        "odd": None,
    }
    assert column(labels, "view") == {"7_l1": 1, "7_r3": 3, "8_r1": 1, "347_l1": 1, "odd": None}
    assert column(labels, "eye_grade") == {"7_l1": 2, "7_r3": 2, "8_r1": 0, "347_l1": None, "odd": None}
    assert column(labels, "patient_grade") == {"7_l1": 3, "7_r3": 3, "8_r1": 0, "347_l1": None, "odd": None}
    assert column(labels, "patient_id") == {
        "7_l1": "7",
        "7_r3": "7",
        "8_r1": "8",
        "347_l1": "347",
        "odd": None,
    }
    assert column(labels, "field_definition")["7_l1"] == 10
    assert labels.rows["clarity"].dtype == "Int16"


def test_a_data_set_may_have_only_val(tmp_path):
    tree(tmp_path, {"val.csv": [COURSE, "8,8_r1,8/8_r1.jpg,1,,0,0,10,8,0"], "val/8/8_r1.jpg": None})
    assert read_dataset(tmp_path).rows["split"].tolist() == ["val"]


def test_official(tmp_path):
    labels = read_dataset(official(tmp_path))
    assert column(labels, "eye_grade") == {"1_r1": 0, "1_l1": 1, "347_l1": None}
    assert column(labels, "field_definition") == {"1_r1": 6, "1_l1": 6, "347_l1": None}
    assert column(labels, "split") == {"1_r1": "train", "1_l1": "train", "347_l1": "test"}
    assert all("regular_fundus_images" in str(path) for path in labels.paths())


def test_official_challenge_grades_replace_the_empty_sheet(tmp_path):
    official(tmp_path)
    sheet = "regular_fundus_images/Online-Challenge1&2-Evaluation/Challenge1_labels.csv"
    labels = read_dataset(tree(tmp_path, {sheet: ["image_id,DR_Levels", "347_l1,3"]}))
    assert column(labels, "eye_grade")["347_l1"] == 3
    assert column(labels, "patient_grade")["347_l1"] is None


def test_eyepacs(tmp_path):
    labels = read_dataset(eyepacs(tmp_path))
    assert labels.targets == ("eye",)
    assert labels.rows["patient_id"].tolist() == ["10", "10"]
    assert labels.rows["eye"].tolist() == ["left", "right"]
    assert labels.rows["patient_grade"].isna().all()


def test_eyepacs_solution_is_its_test_split(tmp_path):
    eyepacs(tmp_path)
    tree(
        tmp_path,
        {"retinopathy_solution.csv": ["image,level,Usage", "1_left,0,Private"], "test/1_left.jpeg": None},
    )
    assert column(read_dataset(tmp_path), "split") == {
        "10_left": "train",
        "10_right": "train",
        "1_left": "test",
    }


@pytest.mark.parametrize("has_cropped", [True, False])
def test_eyepacs_in_both_versions_is_read_once(tmp_path, has_cropped):
    tree(tmp_path, {f"trainLabels{end}.csv": ["image,level", "10_left,0"] for end in ("", "_cropped")})
    tree(tmp_path, {"resized_train/resized_train/10_left.jpeg": None})
    if has_cropped:
        tree(tmp_path, {"resized_train_cropped/resized_train_cropped/10_left.jpeg": None})
    (path,) = read_dataset(tmp_path).paths()
    assert path.parent.name == ("resized_train_cropped" if has_cropped else "resized_train")


def test_aptos(tmp_path):
    labels = read_dataset(aptos(tmp_path))
    assert labels.rows["split"].tolist() == ["train", "val", "test"]
    assert labels.grades("eye").tolist() == [2, 4, pd.NA]
    assert labels.rows["patient_id"].isna().all()
    assert labels.targets == ("eye",)


def test_kaggles_own_aptos(tmp_path):
    tree(tmp_path, {"train.csv": ["id_code,diagnosis", "ab,2"], "train_images/ab.png": None})
    tree(tmp_path, {"sample_submission.csv": ["id_code,diagnosis", "cd,0"]})
    assert read_dataset(tmp_path).rows["split"].tolist() == ["train"]


def test_messidor_2(tmp_path):
    labels = read_dataset(messidor_2(tmp_path))
    left, right, ungradable = "20051020_43832_0100_PP", "20051020_43808_0100_PP", "IM004832"
    assert column(labels, "eye_grade") == {right: 0, left: 3, ungradable: None}
    assert column(labels, "patient_id") == {right: left, left: left, ungradable: "im004832"}
    assert column(labels, "eye") == {right: "right", left: "left", ungradable: "left"}
    assert column(labels, "gradable") == {right: True, left: True, ungradable: False}


def test_kaggles_messidor_2_has_no_patients_which_is_reported(tmp_path):
    header = "id_code,diagnosis,adjudicated_dme,adjudicated_gradable"
    files = {"messidor_data.csv": [header, "a.png,2,0,1", "b.png,4,0,0"], "messidor-2/preprocess/A.jpg": None}
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(tree(tmp_path, {**files, "messidor-2/preprocess/b.PNG": None}))
    assert column(labels, "eye_grade") == {"a": 2, "b": None}
    assert labels.rows["patient_id"].isna().all()
    assert (
        "add Messidor-2's pairs file beside the table (messidor-2.csv, columns left and right)" in reported.notices[-1]
    )


def test_a_photograph_in_two_pairs_is_refused(tmp_path):
    tree(messidor_2(tmp_path), {"messidor-2.csv": ["left;right", "a.png;IM004832.jpg", "IM004832.jpg;b.png"]})
    with pytest.raises(InputError, match=r"messidor-2\.csv row 3: IM004832\.jpg occurs in a second pair"):
        read_dataset(tmp_path)


def test_idrid(tmp_path):
    labels = read_dataset(idrid(tmp_path))
    assert labels.rows["split"].tolist() == ["train", "test"]
    assert labels.grades("eye").tolist() == [3, 0]


def test_brset_takes_the_icdr_grade_and_leaves_the_scottish_one(tmp_path):
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(brset(tmp_path))
    assert column(labels, "eye_grade") == {"img00001": 2, "img00002": 0}
    assert column(labels, "eye") == {"img00001": "right", "img00002": "left"}
    assert labels.num_patients == 1
    assert "not read: camera, patient_age, DR_SDRG, focus" in reported.notices[0]


def test_mbrset(tmp_path):
    labels = read_dataset(mbrset(tmp_path))
    assert column(labels, "eye_grade") == {"1.1": 4, "1.3": None}
    assert column(labels, "eye") == {"1.1": "right", "1.3": "left"}
    assert column(labels, "patient_id") == {"1.1": "1", "1.3": "1"}


def test_the_collection_of_both_competitions_table_by_table(tmp_path):
    tree(
        tmp_path,
        {
            "labels/trainLabels15.csv": ["image,level", "10_left,0", "10_right,4"],
            "labels/testLabels15.csv": ["image,level,Usage", "1_left,2,Private"],
            "labels/trainLabels19.csv": ["id_code,diagnosis", "000c1434d8d7,2"],
            "resized train 15/10_left.jpg": None,
            "resized train 15/10_right.jpg": None,
            "resized test 15/1_left.jpg": None,
            "resized train 19/000c1434d8d7.jpg": None,
        },
    )
    found = {name: read_dataset(tmp_path / f"labels/{name}.csv") for name in ("trainLabels15", "trainLabels19")}
    assert [labels.layout for labels in found.values()] == ["eyepacs", "aptos"]
    assert [path.parent.name for labels in found.values() for path in labels.paths()] == [
        *["resized train 15"] * 2,
        "resized train 19",
    ]
    test = read_dataset(tmp_path / "labels/testLabels15.csv")
    assert (test.rows["split"].tolist(), test.paths()) == (["test"], [tmp_path / "resized test 15/1_left.jpg"])
    expected = r"trainLabels15\.csv \(EyePACS\).*trainLabels19\.csv \(APTOS 2019\).*give the tables"
    with pytest.raises(InputError, match=expected):
        read_dataset(tmp_path)


def test_ddr(tmp_path):
    tree(
        tmp_path,
        {
            "DR_grading/train.txt": ["007-0004-000.jpg 0", "007-0005-000.jpg 5"],
            "DR_grading/valid.txt": ["007-0006-000.jpg 4"],
            "DR_grading/train/007-0004-000.jpg": None,
            "DR_grading/train/007-0005-000.jpg": None,
            "DR_grading/valid/007-0006-000.jpg": None,
            "lesion_segmentation/train/label/EX/007-0004-000.tif": None,
            "readme.txt": ["graded by others"],
        },
    )
    labels = read_dataset(tmp_path)
    assert column(labels, "split") == {"007-0004-000": "train", "007-0005-000": "train", "007-0006-000": "val"}
    assert column(labels, "eye_grade") == {"007-0004-000": 0, "007-0005-000": None, "007-0006-000": 4}


def test_fgadr_has_no_header(tmp_path):
    tree(
        tmp_path,
        {
            "DR_Seg_Grading_Label.csv": ["0000_0.png,0", "0001_1.png,3"],
            "Original_Images/0000_0.png": None,
            "Original_Images/0001_1.png": None,
            "HardExudate_Masks/0001_1.png": None,
        },
    )
    labels = read_dataset(tmp_path)
    assert column(labels, "eye_grade") == {"0000_0": 0, "0001_1": 3}
    assert {path.parent.name for path in labels.paths()} == {"Original_Images"}


def test_plain_table(tmp_path):
    labels = read_dataset(plain(tmp_path))
    assert column(labels, "eye") == {"007": "right", "8": None}
    assert column(labels, "eye_grade") == {"007": 2, "8": None}
    assert column(labels, "patient_id") == {"007": "p1", "8": "p2"}
    assert column(labels, "split") == {"007": "train", "8": "val"}


def test_bare_folder(tmp_path):
    labels = read_dataset(bare(tmp_path))
    assert labels.targets == ()
    assert column(labels, "patient_id") == {"a": None, "9_l2": "9"}
    assert set(labels.rows["split"]) == {"test"}


def test_grade_five_is_counted_and_withheld(tmp_path):
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(tree(tmp_path, {"m.csv": ["image,grade", "a,5", "b,0"], "a.jpg": None, "b.jpg": None}))
    assert "1 photographs cannot be graded" in reported.warnings[0]
    assert column(labels, "eye_grade") == {"a": None, "b": 0}
    assert labels.graded("eye").rows["image_id"].tolist() == ["b"]


def test_real_deepdrid(shared_data):
    labels = read_dataset(shared_data / "DeepDRiD")
    train, val, test = (labels.of_split(split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (1200, 400, 400)
    assert (train.num_patients, val.num_patients, test.num_patients) == (300, 100, 100)
    assert train.grade_counts("eye") == (540, 140, 234, 214, 72)
    assert train.grade_counts("patient") == (360, 240, 240, 240, 120)
    assert val.grade_counts("eye") == (174, 46, 92, 68, 20)
    assert val.grade_counts("patient") == (120, 80, 80, 80, 40)
    assert labels.targets == ("patient", "eye")
    assert labels.rows["gradable"].all()


def test_real_deepdrid_has_two_views_of_each_eye(shared_data):
    rows = read_dataset(shared_data / "DeepDRiD").rows
    assert (rows.groupby(["patient_id", "eye"]).size() == 2).all()
    assert not rows.duplicated(["patient_id", "eye", "view"]).any()
    odd = rows[rows["image_id"].isin(["56_r3", "77_r4", "77_r3", "167_r3"])]
    assert set(odd["eye"]) == {"left"}
    assert rows.set_index("image_id").loc[["56_l3", "77_l3", "77_l4", "167_l3"], "eye"].eq("right").all()


def test_real_deepdrid_one_split(shared_data):
    labels = read_dataset(shared_data / "DeepDRiD" / "val.csv")
    assert len(labels) == 400
    assert set(labels.rows["split"]) == {"val"}


def test_real_idrid(shared_data):
    labels = read_dataset(shared_data / "IDRiD")
    assert (labels.layout, labels.targets, len(labels)) == ("idrid", ("eye",), 413)
    assert labels.rows["patient_id"].isna().all()
    assert sum(labels.grade_counts("eye")) == 413


def test_real_messidor_2(shared_data):
    labels = read_dataset(shared_data / "Messidor-2")
    assert (labels.layout, labels.targets, len(labels)) == ("messidor-2", ("eye",), 1744)
    assert labels.grade_counts("eye") == (1017, 270, 347, 75, 35)
    assert labels.rows["path"].is_unique


def test_the_trailing_space_of_a_real_header_is_kept(shared_data):
    (path,) = (shared_data / "IDRiD" / "2. Groundtruths").glob("*.csv")
    assert "risk of macular edema" in open_table(path).header
