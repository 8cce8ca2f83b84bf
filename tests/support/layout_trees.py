"""A small tree of empty files for every layout."""

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
