import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drkit.errors import InputError, OutputExistsError
from drkit.records.labels import (
    PHOTOGRAPH_SUFFIXES,
    Labels,
    build_rows,
    check_rows,
    image_stem,
    withhold_ungradable,
    write_labels,
)
from drkit.records.layouts import read_dataset

IDS = st.text(st.characters(categories=["L", "N"], include_characters="_-."), min_size=1).filter(
    lambda text: not text.lower().endswith(PHOTOGRAPH_SUFFIXES)
)


def make_labels(folder):
    (folder / "images").mkdir()
    for name in ("007.png", "view2.jpg"):
        (folder / "images" / name).touch()
    rows = build_rows(
        image_id=["007", "view2"],
        path=[str(folder / "images" / "007.png"), str(folder / "images" / "view2.jpg")],
        patient_id=["07", None],
        eye=["left", None],
        view=[1, None],
        eye_grade=[3, None],
        patient_grade=[4, None],
        gradable=[True, False],
        split=["train", "val"],
        overall_quality=[1, None],
        field_definition=[8, 10],
    )
    return Labels(rows, folder, "drkit", ("patient", "eye"))


@given(st.text())
def test_taking_the_stem_of_a_stem_changes_nothing(text):
    assert image_stem(image_stem(text)) == image_stem(text)


@given(IDS, st.sampled_from(PHOTOGRAPH_SUFFIXES), st.sampled_from(["", "train/", "a\\b\\", "/x/"]), st.booleans())
def test_stem_forgets_folder_and_suffix_only(image_id, suffix, folder, is_upper):
    assert image_stem(image_id) == image_id
    assert image_stem(folder + image_id + (suffix.upper() if is_upper else suffix)) == image_id


def test_a_dot_elsewhere_is_part_of_the_id():
    assert image_stem("eye.2024.JPEG") == "eye.2024"
    assert image_stem("scan.v2") == "scan.v2"
    assert image_stem(".jpg") == ".jpg"


def test_write_then_read_is_identity(tmp_path):
    labels = make_labels(tmp_path)
    write_labels(labels, tmp_path / "labels.csv")
    again = read_dataset(tmp_path)
    pd.testing.assert_frame_equal(again.rows, labels.rows)
    assert (again.layout, again.targets, again.sha256) == ("drkit", labels.targets, labels.sha256)


def test_paths_are_written_relative_so_that_the_folder_can_move(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    write_labels(make_labels(old), old / "labels.csv")
    old.rename(new)
    assert read_dataset(new).paths()[0] == new / "images" / "007.png"


def test_photographs_elsewhere_cannot_be_listed(tmp_path):
    (tmp_path / "a").mkdir()
    labels = make_labels(tmp_path / "a")
    with pytest.raises(InputError, match=r"007\.png: photographs must lie in its folder"):
        write_labels(labels, tmp_path / "b" / "labels.csv")


def test_existing_labels_are_kept(tmp_path):
    labels = make_labels(tmp_path)
    write_labels(labels, tmp_path / "labels.csv")
    with pytest.raises(OutputExistsError):
        write_labels(labels, tmp_path / "labels.csv")


def test_sha256_depends_on_grades_but_not_on_place_or_order(tmp_path):
    labels = make_labels(tmp_path)
    moved = Labels(labels.rows.assign(path="elsewhere").iloc[::-1], tmp_path / "x", "csv", ())
    regraded = Labels(labels.rows.assign(eye_grade=pd.array([2, None], "Int8")), tmp_path, "drkit", ())
    assert moved.sha256 == labels.sha256 != regraded.sha256


def test_selections(tmp_path):
    labels = make_labels(tmp_path)
    assert labels.of_split("val").rows["image_id"].tolist() == ["view2"]
    assert labels.graded("eye").rows["image_id"].tolist() == ["007"]
    assert labels.grade_counts("patient") == (0, 0, 0, 0, 1)
    assert labels.num_patients == 2


def test_grade_five_becomes_no_grade():
    rows = withhold_ungradable(build_rows(image_id=["a", "b"], eye_grade=[5, 1], patient_grade=[5, 5]))
    assert rows["gradable"].tolist() == [False, False]
    assert rows["eye_grade"].tolist() == [pd.NA, 1]
    assert rows["patient_grade"].isna().all()


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"image_id": []}, "no photographs"),
        ({"image_id": ["a", "a"]}, "occur twice: a"),
        ({"image_id": ["a"], "eye": ["middle"]}, "eye 'middle' is not one of left, right"),
        ({"image_id": ["a"], "split": ["dev"]}, "split 'dev' is not one of train, val, test"),
    ],
)
def test_contradicting_rows_are_refused(columns, sentence):
    with pytest.raises(InputError, match=sentence):
        check_rows(build_rows(**columns), "x.csv")
