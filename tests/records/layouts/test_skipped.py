"""Photographs of every kind are found, and files that are not read are named with a remedy."""

from pathlib import Path

import numpy as np
import pytest
from reporters import Recorder

from drkit.errors import InputError
from drkit.images.files import encode_photograph
from drkit.progress import reporting_to
from drkit.records.labels import image_stem
from drkit.records.layouts import read_dataset
from drkit.records.layouts.survey import survey_dataset

PHOTOGRAPH = encode_photograph(np.full((20, 20, 3), 90, np.uint8), ".png")
DICOM = bytes(128) + b"DICM" + bytes(200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photographs with many suffixes, unreadable files, and other files of data sets."""
    for suffix in (".jpg", ".JFIF", ".jpe", ".ppm", ".webp", ".tif", ".gif", ".jp2", ".heic", ".avif", ".bmp", ".dcm"):
        (tmp_path / f"eye{suffix.lower()[1:]}{suffix}").write_bytes(PHOTOGRAPH)
    for name in ("one.cr2", "two.cr2", "film.mp4", "odd.xyz"):
        (tmp_path / name).write_bytes(b"other")
    (tmp_path / "IM0001").write_bytes(DICOM)
    (tmp_path / "saved.png_large").write_bytes(PHOTOGRAPH)
    (tmp_path / "LICENSE").write_text("text")
    for name in ("readme.txt", "LICENSE.md", "codes.json", ".hidden.cr2"):
        (tmp_path / name).write_text("text")
    return tmp_path


def test_photographs_of_every_suffix_are_listed_and_the_others_named_once(folder: Path) -> None:
    recorder = Recorder()
    with reporting_to(recorder):
        labels = read_dataset(folder)
        read_dataset(folder)
    assert len(labels) == 12
    (warning,) = recorder.warnings
    assert "files that are not read: " in warning
    for message in (
        "2 .cr2 (one.cr2): develop them to TIFF or PNG",
        "1 .mp4 (film.mp4): save the frame",
        "1 .xyz (odd.xyz)",
        "1 DICOM without a suffix (IM0001): rename them to .dcm",
        "1 PNG .png_large (saved.png_large): rename them to .png",
    ):
        assert message in warning
    assert "readme" not in warning
    assert "hidden" not in warning


def test_an_audit_finds_what_is_skipped(folder: Path) -> None:
    assert [remark.kind for remark in survey_dataset(folder).remarks if "cr2" in remark.sentence] == ["files-skipped"]


def test_a_folder_of_unreadable_files_only_is_refused_with_their_types(tmp_path: Path) -> None:
    (tmp_path / "a.nef").write_bytes(b"raw")
    with pytest.raises(InputError, match=r"neither photographs .*1 \.nef \(a\.nef\): develop them to TIFF or PNG"):
        read_dataset(tmp_path)


def test_other_files_in_a_table_are_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,grade\na.jfif,0\nb.cr2,1\nc,2\nd.jpg,3\n")
    (tmp_path / "a.jfif").write_bytes(PHOTOGRAPH)
    for name in ("b.cr2", "c.psd"):
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(InputError) as refused:
        read_dataset(tmp_path)
    message = str(refused.value)
    assert "3 of 4 photographs are missing: b.cr2 exists, but such files (.cr2) are not read: develop them" in message
    assert "c.psd exists, but such files (.psd) are not read" in message
    assert "d.jpg (labels.csv row 5)" in message
    sentences = {problem.image_ids[0]: problem.sentence for problem in survey_dataset(tmp_path).problems}
    assert "b.cr2 exists, but such files (.cr2) are not read" in sentences["b.cr2"]
    assert sentences["d"].endswith("d.jpg is missing")


@pytest.mark.parametrize("name", ["a.jfif", "a.JPE", "a.dcm", "a.heic", "a.ppm"])
def test_ids_lose_every_photographic_suffix(name: str) -> None:
    assert image_stem(name) == "a"


def test_masks_beside_photographs_are_no_photographs(tmp_path: Path) -> None:
    for name in ("Original Images/a.png", "All Groundtruths/EX/a_EX.png", "labelled/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PHOTOGRAPH)
    recorder = Recorder()
    with reporting_to(recorder):
        labels = read_dataset(tmp_path)
    assert labels.rows["image_id"].tolist() == ["a", "b"]
    (warning,) = [warning for warning in recorder.warnings if "masks" in warning]
    assert "images in folders of masks are not read as photographs (1 in EX)" in warning
    assert "files-skipped" in [remark.kind for remark in survey_dataset(tmp_path).remarks]
    assert read_dataset(tmp_path / "All Groundtruths" / "EX").rows["image_id"].tolist() == ["a_EX"]
