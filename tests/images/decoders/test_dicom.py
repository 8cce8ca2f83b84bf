"""Generated DICOM files of ophthalmic photography: pixels of every kind, patient and eye."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest

from drkit.errors import InputError
from drkit.images.decoders.dicom import Subject, read_subject
from drkit.images.files import decode_photograph, decode_with_remarks

pydicom = pytest.importorskip("pydicom")
from pydicom import uid  # noqa: E402
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.pixels import convert_color_space  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402


def build(values: np.ndarray, colours: str, stored: int | None = None, **elements: object) -> FileDataset:
    """A data set of ophthalmic photography, uncompressed."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    header = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID, header.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    header.Modality, header.PatientID, header.PatientName = "OP", "p7", "Doe^Jane"
    header.Rows, header.Columns = values.shape[:2]
    header.SamplesPerPixel = values.shape[2] if values.ndim == 3 else 1
    if values.ndim == 3:
        header.PlanarConfiguration = 0
    header.PhotometricInterpretation = colours
    header.BitsAllocated = values.dtype.itemsize * 8
    header.BitsStored = stored or header.BitsAllocated
    header.HighBit, header.PixelRepresentation = header.BitsStored - 1, 0
    header.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(header, name, value)
    return header


def content_of(header: FileDataset) -> bytes:
    stream = BytesIO()
    header.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def encapsulated(header: FileDataset, frame: bytes, syntax: str, colours: str | None = None) -> bytes:
    header.file_meta.TransferSyntaxUID = syntax
    header.PhotometricInterpretation = colours or header.PhotometricInterpretation
    header.PixelData = encapsulate([frame])
    header["PixelData"].VR = "OB"
    return content_of(header)


def compressed(header: FileDataset, syntax: str) -> bytes:
    header.compress(syntax, generate_instance_uid=False)
    return content_of(header)


def test_rgb_is_read_plain_by_run_lengths_and_by_jpeg_2000(photograph):
    assert np.array_equal(decode_photograph(content_of(build(photograph, "RGB")), "eye"), photograph)
    for syntax in (uid.RLELossless, uid.JPEG2000Lossless):
        content = compressed(build(photograph, "RGB"), syntax)
        assert np.array_equal(decode_photograph(content, "eye"), photograph)


def test_jpeg_baseline_is_read(photograph):
    frame = cv2.imencode(".jpg", photograph[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    content = encapsulated(build(photograph, "RGB"), frame, uid.JPEGBaseline8Bit, "YBR_FULL_422")
    assert np.abs(decode_photograph(content, "eye").astype(int) - photograph).mean() < 4


def test_luminance_and_chrominance_become_rgb(photograph):
    planes = convert_color_space(photograph, "RGB", "YBR_FULL")
    found = decode_photograph(content_of(build(planes, "YBR_FULL")), "eye")
    assert np.abs(found.astype(int) - photograph).max() <= 2
    with pytest.raises(InputError, match="colours of the kind YBR_PARTIAL_420: export it as RGB"):
        decode_photograph(content_of(build(photograph, "YBR_PARTIAL_420")), "eye")


@pytest.mark.parametrize("syntax", [None, uid.RLELossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("stored", [8, 12, 16])
def test_greys_of_any_depth_are_read_by_the_bits_in_use(photograph, syntax, stored):
    grey = photograph[..., 0]
    values = grey if stored == 8 else grey.astype(np.uint16) << (stored - 8)
    for colours, expected in (("MONOCHROME2", grey), ("MONOCHROME1", 255 - grey)):
        header = build(values, colours, stored)
        decoded = decode_with_remarks(compressed(header, syntax) if syntax else content_of(header), "eye")
        assert np.array_equal(decoded.pixels, np.stack([expected] * 3, -1))
        assert not decoded.remarks


def test_deep_rgb_is_scaled(photograph):
    content = content_of(build(photograph.astype(np.uint16) << 4, "RGB", 12))
    assert np.array_equal(decode_photograph(content, "eye"), photograph)


def test_a_window_and_a_rescaling_are_applied(photograph):
    values = photograph[..., 0].astype(np.uint16) * 2 + 100
    header = build(values, "MONOCHROME2", 12, WindowCenter=[256, 1], WindowWidth=[511, 1])
    header.RescaleSlope, header.RescaleIntercept = 1, -100
    found = decode_photograph(content_of(header), "eye")[..., 0]
    assert np.abs(found.astype(int) - photograph[..., 0]).max() <= 1


def test_a_palette_is_looked_up():
    values = np.tile(np.arange(0, 32, dtype=np.uint8), (20, 1))
    header = build(values, "PALETTE COLOR")
    for number, name in enumerate(("Red", "Green", "Blue")):
        setattr(header, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (np.arange(256, dtype=np.uint16) * (number + 1) << 8) if number < 2 else np.zeros(256, np.uint16)
        setattr(header, f"{name}PaletteColorLookupTableData", table.astype("<u2").tobytes())
    found = decode_photograph(content_of(header), "eye")
    assert np.array_equal(found[..., 0], values)
    assert np.array_equal(found[..., 1], values * 2)


def test_of_several_frames_the_first_is_read(photograph):
    header = build(photograph, "RGB", NumberOfFrames=2)
    header.PixelData = photograph.tobytes() + (255 - photograph).tobytes()
    decoded = decode_with_remarks(content_of(header), "eye")
    assert np.array_equal(decoded.pixels, photograph)
    assert [remark.kind for remark in decoded.remarks] == ["first-of-several"]


def test_damaged_and_truncated_files_and_files_without_pixels_are_refused_without_other_output(photograph, capfd):
    whole = content_of(build(photograph, "RGB"))
    packed = compressed(build(photograph, "RGB"), uid.JPEG2000Lossless)
    for content in (whole[:-500], packed[:-900], whole[:200]):
        with pytest.raises(InputError, match=r"eye is .*cut off"):
            decode_photograph(content, "eye")
    report = build(photograph, "RGB")
    del report.PixelData
    with pytest.raises(InputError, match="eye is a DICOM file without pixels"):
        decode_photograph(content_of(report), "eye")
    assert capfd.readouterr() == ("", "")


def test_without_pydicom_the_message_says_what_to_install(photograph, monkeypatch):
    content = content_of(build(photograph, "RGB"))
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(InputError, match=r"eye is a DICOM file: pip install 'drkit\[dicom\]'"):
        decode_photograph(content, "eye")


@pytest.mark.parametrize(
    ("elements", "subject"),
    [
        ({"ImageLaterality": "R"}, Subject("p7", "right")),
        ({"Laterality": "L", "PatientID": " 007 "}, Subject("007", "left")),
        ({"ImageLaterality": "B", "PatientID": ""}, Subject(None, None)),
    ],
)
def test_patient_and_eye_are_read_from_the_header(tmp_path: Path, photograph, elements, subject):
    (tmp_path / "a.dcm").write_bytes(content_of(build(photograph, "RGB", **elements)))
    assert read_subject(tmp_path / "a.dcm") == subject


def test_the_eye_may_stand_in_the_frames_anatomy(tmp_path: Path, photograph):
    anatomy, group = Dataset(), Dataset()
    anatomy.FrameLaterality = "L"
    group.FrameAnatomySequence = Sequence([anatomy])
    header = build(photograph, "RGB", SharedFunctionalGroupsSequence=Sequence([group]))
    (tmp_path / "a.dcm").write_bytes(content_of(header))
    assert read_subject(tmp_path / "a.dcm") == Subject("p7", "left")
    (tmp_path / "b.dcm").write_bytes(b"no DICOM")
    assert read_subject(tmp_path / "b.dcm") == Subject()
