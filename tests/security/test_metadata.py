"""Metadata that a camera or clinic writes into photographs is in no output."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from drkit.images.files import decode_photograph, encode_photograph
from drkit.recipes.preprocess import PreprocessConfig, run_preprocess
from drkit.recipes.synth import SynthConfig, run_synth

SECRET = "JaneRoe1961"


def marked(photograph: Image.Image, path: Path) -> None:
    """Save a photograph with a name and a place in every block of metadata that its type has."""
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x8298] = SECRET  # description, artist, copyright
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 52.0, 7.5), 3: "E", 4: (2.0, 21.0, 1.5), 29: SECRET})
    options = {"exif": exif, "comment": SECRET.encode(), "xmp": f"<x>{SECRET}</x>".encode()}
    if path.suffix == ".png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", SECRET)
        options = {"exif": exif, "pnginfo": text}
    photograph.save(path, **options)
    assert SECRET.encode() in path.read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_photograph_is_written_without_metadata(suffix: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    path = tmp_path / f"a{suffix}"
    marked(Image.fromarray(pixels), path)
    for written in (".jpg", ".png"):
        content = encode_photograph(decode_photograph(path.read_bytes(), "a"), written)
        assert SECRET.encode() not in content
        assert not Image.open(BytesIO(content)).getexif()


def test_no_output_of_preprocess_names_anybody(tmp_path: Path) -> None:
    run_synth(SynthConfig(out=tmp_path / "eyes", patients=5, size=64, seed=1))
    for path in (tmp_path / "eyes").rglob("*.jpg"):
        with Image.open(path) as photograph:
            photograph.load()
        marked(photograph, path)
    out = tmp_path / "made"
    run_preprocess(PreprocessConfig(out=out, steps="circle-crop,clahe", data=[tmp_path / "eyes"], size=64, workers=1))
    assert json.loads((out / "manifest.json").read_text())["photographs"]
    assert [path.name for path in out.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == []


def test_of_dicom_only_patient_and_eye_are_taken(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    from drkit.images.decoders.dicom import read_subject

    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.PatientName, header.PatientBirthDate, header.PatientID = SECRET, "19610101", "p7"
    header.save_as(tmp_path / "a.dcm", enforce_file_format=False, implicit_vr=False, little_endian=True)
    assert SECRET not in repr(read_subject(tmp_path / "a.dcm"))
