"""Every layout, as small trees of empty files and as the real folders."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from reporters import Recorder

from drkit import progress
from drkit.errors import InputError
from drkit.records.layouts import LAYOUTS, read_dataset, read_table
from drkit.records.layouts.tables import open_table

COURSE = (
    "patient_id,image_id,img_path,Overall quality,left_eye_DR_Level,right_eye_DR_Level,patient_DR_Level,"
    "Clarity,Field definition,Artifact"
)


def tree(root, files):
    """Files by path; None makes an empty one, lists of lines a CSV with CRLF ends."""
    for name, lines in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(f"{line}\r\n" for line in lines or []).encode())
    return root


def course(root):
    return tree(
        root,
        {
            "train.csv": [COURSE, "7,7_l1,7/7_l1.jpg,1,2.0,,3,8,10,4", "7,7_r3,7/7_r3.jpg,0,2,,3,8,8,0"],
            "val.csv": [COURSE, "8,8_r1,8\\8_r1.jpg,1,,0,0,10,8,0"],
            "test.csv": ["image_id,img_path", "347_l1,347/347_l1.jpg", "odd,347/odd.jpg"],
            "sample_submission.csv": ["ID,TARGET", "347_l1.jpg,0"],
            "train/7/7_l1.jpg": None,
            "train/7/7_r3.JPG": None,
            "val/8/8_r1.jpg": None,
            "val/8/unlisted.jpg": None,
            "test/347/347_l1.jpg": None,
            "test/347/odd.jpg": None,
        },
    )


def official(root):
    header = COURSE.replace("img_path", "image_path").replace("Artifact", "Field definition,Artifact")
    top = "regular_fundus_images"
    return tree(
        root,
        {
            f"{top}/regular-fundus-training/regular-fundus-training.csv": [
                header,
                "1,1_r1,\\regular-fundus-training\\1\\1_r1.jpg,0,,0,1,8,6,9,4",
                "1,1_l1,/regular-fundus-training/1/1_l1.jpg,0,1,,1,8,6,9,4",
            ],
            f"{top}/regular-fundus-training/regular-fundus-source-training.csv": [
                "image_id,image_path,Source",
                "1_r1,x,y",
            ],
            f"{top}/regular-fundus-training/Images/1/1_r1.jpg": None,
            f"{top}/regular-fundus-training/Images/1/1_l1.jpg": None,
            f"{top}/Online-Challenge1&2-Evaluation/Challenge1_upload.csv": ["image_id,DR_Level", "347_l1,"],
            f"{top}/Online-Challenge1&2-Evaluation/Challenge2_upload.csv": ["Clarity,image_id", ",347_l1"],
            f"{top}/Online-Challenge1&2-Evaluation/Images/347/347_l1.jpg": None,
            "ultra-widefield_images/ultra-widefield-training/ultra-widefield-training.csv": [
                "patient_id,image_id,image_path,DR_level,position",
                "1,1_r1,ultra-widefield-training\\1\\1_r1.jpg,0,right_eye",
            ],
            "ultra-widefield_images/ultra-widefield-training/Images/1/1_r1.jpg": None,
        },
    )


def eyepacs(root):
    folder = "resized_train_cropped/resized_train_cropped"
    return tree(
        root,
        {
            "trainLabels_cropped.csv": [",image,level", "0,10_left,0", "1,10_right,4"],
            f"{folder}/10_left.jpeg": None,
            f"{folder}/10_right.jpeg": None,
        },
    )


def aptos(root):
    return tree(
        root,
        {
            "train_1.csv": ["id_code,diagnosis", "000c1434d8d7,2"],
            "valid.csv": ["id_code,diagnosis", "001639a390f0,4"],
            "test.csv": ["id_code", "0005cfc8afb6"],
            "train_images/train_images/000c1434d8d7.png": None,
            "val_images/val_images/001639a390f0.png": None,
            "test_images/0005cfc8afb6.png": None,
        },
    )


def messidor_2(root):
    return tree(
        root,
        {
            "messidor_data.csv": [
                "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable",
                "20051020_43808_0100_PP.png,0,0,1",
                "20051020_43832_0100_PP.png,3,1,1",
                "IM004832.jpg,,,0",
            ],
            "messidor-2.csv": [
                "left;right",
                "20051020_43832_0100_PP.png;20051020_43808_0100_PP.png",
                "im004832.JPG;",
            ],
            "IMAGES/20051020_43808_0100_PP.jpg": None,
            "IMAGES/20051020_43832_0100_PP.png": None,
            "IMAGES/IM004832.JPG": None,
        },
    )


def idrid(root):
    header = "Image name,Retinopathy grade,Risk of macular edema ,,"
    return tree(
        root,
        {
            "2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv": [header, "IDRiD_001,3,2,,"],
            "2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv": [header, "IDRiD_901,0,0,,"],
            "1. Original Images/a. Training Set/IDRiD_001.jpg": None,
            "1. Original Images/b. Testing Set/IDRiD_901.jpg": None,
        },
    )


def brset(root):
    header = "image_id,patient_id,camera,patient_age,exam_eye,DR_SDRG,DR_ICDR,focus,diabetic_retinopathy,quality"
    return tree(
        root,
        {
            "labels_brset.csv": [
                header,
                "img00001,1,Canon CR,48,1,3,2,1,1,Adequate",
                "img00002,1,Canon CR,48,2,0,0,1,0,Inadequate",
            ],
            "fundus_photos/img00001.jpg": None,
            "fundus_photos/img00002.jpg": None,
        },
    )


def mbrset(root):
    header = "patient,age,sex,file,laterality,final_artifacts,final_quality,final_icdr,final_edema"
    return tree(
        root,
        {
            "labels_mbrset.csv": [header, "1,66,0,1.1.jpg,right,no,yes,4.0,no", "1,66,0,1.3.jpg,left,yes,no,,no"],
            "images/1.1.jpg": None,
            "images/1.3.jpg": None,
        },
    )


def plain(root):
    return tree(
        root,
        {
            "mine.csv": [
                "name,label,patient_id,eye,split",
                "007.png,2,p1,OD,train",
                "sub/8.png,,p2,,validation",
            ],
            "007.png": None,
            "sub/8.png": None,
        },
    )


def classes(root):
    return tree(
        root,
        {
            "train/No_DR/a.png": None,
            "train/Proliferate_DR/deep/b.png": None,
            "valid/Mild/c.JPEG": None,
            "test/d.jpg": None,
        },
    )


def bare(root):
    return tree(root, {"a.png": None, "b/9_l2.JPEG": None, ".hidden/c.png": None, "b/.d.png": None, "notes.txt": None})


TREES = {
    "deepdrid-course": course, "deepdrid": official, "eyepacs": eyepacs, "messidor-2": messidor_2, "aptos": aptos,
    "idrid": idrid, "brset": brset, "mbrset": mbrset, "csv": plain, "class-folders": classes, "folder": bare,
}  # fmt: skip


def column(labels, name):
    return dict(
        zip(
            labels.rows["image_id"],
            labels.rows[name].astype(object).where(labels.rows[name].notna(), None),
            strict=True,
        )
    )


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


def test_val_alone_is_a_data_set(tmp_path):
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


def test_kaggles_messidor_2_tells_no_patient_and_says_so(tmp_path):
    header = "id_code,diagnosis,adjudicated_dme,adjudicated_gradable"
    files = {"messidor_data.csv": [header, "a.png,2,0,1", "b.png,4,0,0"], "messidor-2/preprocess/A.jpg": None}
    reported = Recorder()
    with progress.reporting_to(reported):
        labels = read_dataset(tree(tmp_path, {**files, "messidor-2/preprocess/b.PNG": None}))
    assert column(labels, "eye_grade") == {"a": 2, "b": None}
    assert labels.rows["patient_id"].isna().all()
    assert (
        "Messidor-2's pairs file beside the table (messidor-2.csv, columns left and right) would tell"
        in reported.notices[-1]
    )


def test_a_photograph_in_two_pairs_is_refused(tmp_path):
    tree(messidor_2(tmp_path), {"messidor-2.csv": ["left;right", "a.png;IM004832.jpg", "IM004832.jpg;b.png"]})
    with pytest.raises(InputError, match=r"messidor-2\.csv row 3: IM004832\.jpg stands in a second pair"):
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


def test_the_collection_of_both_contests_table_by_table(tmp_path):
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
    with pytest.raises(InputError, match=r"trainLabels15\.csv \(EyePACS\).*trainLabels19\.csv \(APTOS 2019\).*name"):
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


def test_photographs_lie_above_a_folder_of_tables(tmp_path):
    tree(tmp_path, {"labels/mine.csv": ["image,grade", "a,0", "b/c.jpg,3"], "photos/a.jpg": None, "b/c.jpg": None})
    assert read_dataset(tmp_path / "labels/mine.csv").paths() == [tmp_path / "photos/a.jpg", tmp_path / "b/c.jpg"]


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


def test_a_photograph_elsewhere_is_found_by_its_name_under_its_split(tmp_path):
    tree(tmp_path, {"val.csv": [COURSE, "8,8_r1,8/8_r1.jpg,1,,0,0,10,8,0"]})
    tree(tmp_path, {"flat/valid/8_r1.JPG": None, "flat/train/8_r1.jpg": None, "masks/8_r1.png": None})
    assert read_dataset(tmp_path).paths() == [tmp_path / "flat/valid/8_r1.JPG"]


@pytest.mark.parametrize("folder", ["", "far/away/"])
@pytest.mark.parametrize(
    ("written", "there", "found"),
    [
        ("A.png", ["A.png", "a.png", "A.jpg"], "A.png"),
        ("A.png", ["a.PNG", "A.jpg"], "a.PNG"),
        ("A.png", ["A.jpg", "a.jpg"], "A.jpg"),
        ("A.png", ["a.JPG"], "a.JPG"),
        ("A", ["a.JPG"], "a.JPG"),
        ("A.png", ["A.jpg", "A.tif"], None),
        ("A.png", ["a.PNG", "a.png"], None),
    ],
)
def test_a_photograph_is_found_whatever_its_suffix_and_case(tmp_path, folder, written, there, found):
    tree(tmp_path, {"m.csv": ["image,grade", f"{written},1"], **{folder + name: None for name in there}})
    if found is None:
        with pytest.raises(InputError, match=r"m\.csv row 2: several photographs fit"):
            read_dataset(tmp_path)
    else:
        assert read_dataset(tmp_path).paths() == [tmp_path / folder / found]


def test_a_linked_data_set_keeps_its_name(tmp_path):
    tree(tmp_path, {"real/m.csv": ["path,grade", "x/a.jpg,1"], "store/a.jpg": None})
    (tmp_path / "real/x").symlink_to(tmp_path / "store")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_dataset(tmp_path / "link").paths() == [tmp_path / "link/x/a.jpg"]


def test_links_in_a_circle_end(tmp_path):
    bare(tmp_path)
    (tmp_path / "b/loop").symlink_to(tmp_path)
    assert len(read_dataset(tmp_path)) == 2


def test_an_absolute_path_inside_is_as_good(tmp_path):
    inside = tmp_path / "data"
    tree(inside, {"m.csv": ["path,grade", f"{inside}/x/a.jpg,1"], "x/a.jpg": None})
    assert read_dataset(inside).paths() == [inside / "x/a.jpg"]


@pytest.mark.parametrize(
    "written", ["../out.jpg", "x/../../out.jpg", "..\\out.jpg", "C:\\out.jpg", "{outside}/out.jpg"]
)
def test_no_path_leaves_the_data_set(tmp_path, written):
    inside = tree(
        tmp_path / "data",
        {"m.csv": ["path,grade", f"{written.format(outside=tmp_path)},1"], "x/out.jpg": None},
    )
    tree(tmp_path, {"out.jpg": None})
    with pytest.raises(InputError, match=r"m\.csv row 2: .*lies outside the data set's folder"):
        read_dataset(inside)


def test_all_missing_photographs_are_counted_and_five_named(tmp_path):
    tree(tmp_path, {"m.csv": ["image,grade", *(f"{i},1" for i in range(9))], "0.jpg": None})
    with pytest.raises(InputError, match=r"8 of 9 photographs are missing: 1 \(m\.csv row 3\).* 5 .*and 3 more"):
        read_dataset(tmp_path)


ROW = "7,7_l1,7/7_l1.jpg,1,2,,3,8,10,4"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds neither photographs nor a table"),
        ({"a.csv": ["alpha,beta", "1,2"]}, "no layout has columns alpha, beta: understood are .*IDRiD"),
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
            "train.csv row 2 and train.csv row 3: image id '7_l1' stands twice",
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
            "a.csv row 2: several photographs fit: .*1.jpg, .*1.png",
        ),
        (
            {"a.csv": ["image,label", "1,2"], "x/1.jpg": None, "y/1.jpg": None},
            "several photographs fit: .*x/1.jpg, .*y/1.jpg",
        ),
        ({"a.csv": ["image,label"]}, "lists no photographs: a row each was expected"),
        ({"trainLabels.csv": ["image,level"]}, "lists no photographs: a row each was expected"),
        ({"x/1.jpg": None, "x/1.png": None}, "photographs of the same name: x/1.jpg, x/1.png"),
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


def test_foreign_tables_are_left_aside_and_named(tmp_path):
    reported = Recorder()
    tree(course(tmp_path), {"notes.csv": ["alpha,beta", "1,2"]})
    with progress.reporting_to(reported):
        assert read_dataset(tmp_path).layout == "deepdrid-course"
    assert "notes.csv" in reported.notices[0]


def test_a_relative_folder_gives_absolute_paths(tmp_path, monkeypatch):
    plain(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    assert read_dataset(Path("here")).paths()[0] == tmp_path / "here/007.png"


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


def test_real_header_keeps_its_trailing_space(shared_data):
    (path,) = (shared_data / "IDRiD" / "2. Groundtruths").glob("*.csv")
    assert "risk of macular edema" in open_table(path).header


def test_a_lesion_mask_of_the_same_id_is_no_photograph(eyes: Path, tmp_path: Path) -> None:
    """Synthetic eyes keep masks as lesions/ID.png: a missing photograph stays missing."""
    shutil.copytree(eyes, tmp_path / "eyes")
    gone = sorted((tmp_path / "eyes" / "train").rglob("*.jpg"))[:3]
    for path in gone:
        path.unlink()
    with pytest.raises(InputError, match="3 of 48 photographs are missing"):
        read_dataset(tmp_path / "eyes")
