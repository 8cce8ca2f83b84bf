"""Patients and eyes from the headers of DICOM files."""

from pathlib import Path

import numpy as np
import pytest

from drkit.records.layouts import read_dataset

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two eyes of patient 7 and an eye of an unknown patient."""
    for name, patient, side in (("a", "7", "R"), ("b", "7", "L"), ("c", "", "R")):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        header.PatientID, header.PatientName, header.ImageLaterality = patient, "Doe^Jane", side
        header.Rows = header.Columns = 20
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated = header.BitsStored = 8
        header.HighBit, header.PixelRepresentation = 7, 0
        header.PixelData = np.arange(400, dtype=np.uint8).tobytes()
        header.save_as(tmp_path / f"{name}.dcm", enforce_file_format=False)
    return tmp_path


def subjects(path: Path) -> list[list[str]]:
    return read_dataset(path).rows[["image_id", "patient_id", "eye"]].fillna("").to_numpy().tolist()


def test_a_folder_of_dicom_files_gives_patients_and_eyes(folder: Path) -> None:
    assert subjects(folder) == [["a", "7", "right"], ["b", "7", "left"], ["c", "", "right"]]


def test_a_table_takes_precedence_over_the_header(folder: Path) -> None:
    (folder / "labels.csv").write_text("image,grade,patient_id\na,0,\nb.dcm,1,9\nc,2,8\n")
    assert subjects(folder) == [["a", "7", "right"], ["b", "9", "left"], ["c", "8", "right"]]


def test_nothing_else_of_the_header_is_kept(folder: Path) -> None:
    assert "Doe" not in read_dataset(folder).rows.to_csv()
