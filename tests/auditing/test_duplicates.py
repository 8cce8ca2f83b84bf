"""Groups of duplicate photographs, planted and real."""

import cv2
import numpy as np
import pandas as pd
import pytest

from drkit.auditing.contact_sheet import draw_contact_sheet
from drkit.auditing.duplicates import find_copies, find_copy_findings
from drkit.auditing.rows import concat_surveys
from drkit.duplicates.stats import measure_photographs
from drkit.images.files import decode_photograph
from drkit.records.layouts.survey import survey_dataset


def roll(*folders):
    return concat_surveys([(folder, survey_dataset(folder)) for folder in folders])


def copies_of(rows):
    return find_copies(rows, measure_photographs(rows["path"].tolist()))


def kinds_of(rows):
    return {(finding.kind, finding.ids) for finding in find_copy_findings(copies_of(rows))}


def table(folder, *lines):
    (folder / "labels.csv").write_text("\n".join(["image,patient_id,eye,grade,split", *lines]))


@pytest.fixture
def folder(tmp_path, fundus, save):
    """a is a fundus, b an identical copy, c a copy encoded at half the size, and d another fundus."""
    path = save(fundus(0), tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(path.read_bytes())
    save(cv2.resize(fundus(0), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), tmp_path / "c.jpg", 50)
    save(fundus(1), tmp_path / "d.jpg")
    return tmp_path


def test_identical_files_are_one_group_and_one_side_of_a_near_pair(folder):
    assert kinds_of(roll(folder)) == {("identical-photographs", ("a", "b")), ("near-duplicates", ("a", "b", "c"))}


def test_contradicting_grades_are_named_with_all_ids(folder):
    table(folder, "a,1,left,0,train", "b,2,left,2,train", "c,3,left,0,train", "d,4,left,1,train")
    assert ("contradicting-grades", ("a", "b")) in kinds_of(roll(folder))
    assert ("contradicting-grades", ("a", "b", "c")) in kinds_of(roll(folder))


def test_across_splits(folder):
    table(folder, "a,1,left,0,train", "b,2,left,0,test", "c,3,left,0,train", "d,4,left,1,train")
    kinds = {kind for kind, _ in kinds_of(roll(folder))}
    assert kinds == {"identical-across-splits", "near-duplicate-across-splits"}


def test_views_of_one_eye_are_only_noted(folder):
    table(folder, "a,1,left,0,train", "b,1,left,0,train", "c,9,left,0,train", "d,4,left,1,train")
    (folder / "c.jpg").unlink()
    table(folder, "a,1,left,0,train", "b,1,left,0,train", "d,4,left,1,train")
    assert kinds_of(roll(folder)) == {("views-saved-twice", ("a", "b"))}


def test_data_sets_are_compared_with_each_other(tmp_path, fundus, save):
    save(fundus(0), tmp_path / "one" / "a.jpg")
    save(fundus(0), tmp_path / "two" / "b.jpg")
    save(fundus(0), tmp_path / "two" / "c.jpg", 60)
    kinds = {kind for kind, _ in kinds_of(roll(tmp_path / "one", tmp_path / "two"))}
    assert kinds == {"identical-across-data-sets", "near-duplicate-across-data-sets"}


def test_a_data_set_given_twice_is_no_duplicate_of_itself(folder):
    table(folder, "a,1,left,0,train", "d,4,left,1,train")
    assert copies_of(roll(folder, folder / "labels.csv")) == []


def test_planted_copies_are_found_and_nothing_else(tmp_path, fundus, save):
    for seed in range(12):
        save(fundus(seed), tmp_path / f"{seed}_original.jpg")
        matrix = cv2.getRotationMatrix2D((160, 160), 1 - 2 * (seed % 2), 1) + np.array([[0, 0, 9], [0, 0, -4]])
        save(cv2.warpAffine(fundus(seed), matrix, (320, 320)), tmp_path / f"{seed}_copy.jpg", 50)
    found = {tuple(sorted(pair.rows["image_id"])) for pair in copies_of(roll(tmp_path))}
    assert found == {(f"{seed}_copy", f"{seed}_original") for seed in range(12)}


def test_blank_photographs_are_no_copies_of_each_other(tmp_path, save):
    save(np.zeros((300, 300, 3), np.uint8), tmp_path / "a.jpg")
    save(np.full((300, 300, 3), 3, np.uint8), tmp_path / "b.jpg")
    assert copies_of(roll(tmp_path)) == []


def test_the_contact_sheet_shows_three_pairs_a_row(folder):
    sheet = draw_contact_sheet(copies_of(roll(folder)))
    assert decode_photograph(sheet, "sheet").shape == (240 + 64 + 12, 3 * (480 + 12), 3)
    assert decode_photograph(draw_contact_sheet([]), "sheet").std() > 0


def test_real_deepdrid(shared_data):
    """Patients with duplicates, with views taken within seconds, and twenty others."""
    rows = roll(shared_data / "DeepDRiD")
    chosen = ["410", "420", "27", "34", "252", "98", "233", "74", "84", "477", *map(str, range(1, 15))]
    found = copies_of(rows[rows["patient_id"].isin(chosen)].reset_index(drop=True))
    kinds = {(pair.kind, *pair.rows["image_id"]) for pair in found}
    saved_twice = ["27_l", "27_r", "34_l", "34_r", "252_l", "252_r"]
    assert kinds == {
        ("near-duplicate-across-splits", "410_l1", "420_l2"),
        *(("views-saved-twice", f"{eye}1", f"{eye}2") for eye in saved_twice),
        ("views-alike", "98_r1", "98_r2"),
    }


def test_real_idrid(shared_data):
    rows = roll(shared_data / "IDRiD")
    pairs = ["021", "391", "028", "327", "045", "333", "013", "397"]
    part = rows[rows["image_id"].str.removeprefix("IDRiD_").isin([*pairs, *(f"{n:03d}" for n in range(100, 130))])]
    found = list(find_copy_findings(copies_of(part.reset_index(drop=True))))
    contradicting = {finding.ids for finding in found if finding.kind == "contradicting-grades"}
    expected = {("021", "391"), ("028", "327"), ("013", "397")}
    assert contradicting == {tuple(f"IDRiD_{number}" for number in pair) for pair in expected}
    assert pd.Series([finding.kind for finding in found]).value_counts()["identical-photographs"] == 3
