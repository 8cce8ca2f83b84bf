"""Search for photographs: by path, by name, through links, and never outside the data set."""

import shutil
from pathlib import Path

import pytest
from layout_trees import (
    COURSE,
    bare,
    plain,
    tree,
)

from drkit.errors import InputError
from drkit.records.layouts import read_dataset


def test_photographs_lie_above_a_folder_of_tables(tmp_path):
    tree(tmp_path, {"labels/mine.csv": ["image,grade", "a,0", "b/c.jpg,3"], "photos/a.jpg": None, "b/c.jpg": None})
    assert read_dataset(tmp_path / "labels/mine.csv").paths() == [tmp_path / "photos/a.jpg", tmp_path / "b/c.jpg"]


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
        with pytest.raises(InputError, match=r"m\.csv row 2: several photographs match"):
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


def test_a_relative_folder_gives_absolute_paths(tmp_path, monkeypatch):
    plain(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    assert read_dataset(Path("here")).paths()[0] == tmp_path / "here/007.png"


def test_a_lesion_mask_of_the_same_id_is_no_photograph(eyes: Path, tmp_path: Path) -> None:
    """Synthetic eyes keep masks as lesions/ID.png: a missing photograph stays missing."""
    shutil.copytree(eyes, tmp_path / "eyes")
    gone = sorted((tmp_path / "eyes" / "train").rglob("*.jpg"))[:3]
    for path in gone:
        path.unlink()
    with pytest.raises(InputError, match="3 of 48 photographs are missing"):
        read_dataset(tmp_path / "eyes")
