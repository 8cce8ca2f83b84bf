"""DICOM: the pixels of ophthalmic photographs, and the patient and eye that the header names."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drkit.grades import Eye
from drkit.images.decoders.base import (
    CannotDecodeError,
    Decoded,
    FileRemark,
    as_rgb,
    check_size,
    foreign,
)
from drkit.images.decoders.depth import as_bytes
from drkit.images.decoders.pictures import check_embedded

if TYPE_CHECKING:
    from pydicom import Dataset

MARK = b"DICM"  # after a preamble of 128 bytes

_NEEDED = "is a DICOM file: pip install 'drkit[dicom]' reads it, or export it as PNG or TIFF"

_EYES: dict[str, Eye] = {"L": "left", "R": "right"}
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # what pydicom converts to RGB
_SIDES = ("ImageLaterality", "Laterality", "FrameLaterality")

warnings.filterwarnings("ignore", module=r"pydicom\.")  # about headers that break a rule but can be read


@dataclass(frozen=True)
class Subject:
    """The patient and the eye that a DICOM header names.

    Args:
        patient_id: The PatientID; None if it is missing.
        eye: The first of ImageLaterality, Laterality and FrameLaterality; None if all are missing.
    """

    patient_id: str | None = None
    eye: Eye | None = None


def read_subject(path: Path) -> Subject:
    """Read patient and eye from a file's header; both are None if it is no DICOM file or pydicom is not installed."""
    try:
        import pydicom

        tags = ["PatientID", *_SIDES[:2], "SharedFunctionalGroupsSequence"]
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
    except Exception:  # reading its pixels raises the error
        return Subject()
    sides = [str(_find(header, name)).strip().upper() for name in _SIDES]
    patient = str(header.get("PatientID") or "").strip()
    return Subject(patient or None, next((_EYES[side] for side in sides if side in _EYES), None))


def decode_dicom(content: bytes) -> Decoded:
    """Decode the first frame of a DICOM file.

    Grey values are converted by the modality's rescaling and the header's first window; without a window, by the number
    of bits in use.

    Raises:
        CannotDecodeError: the file is damaged, has no pixels, has unsupported colours or values, or needs pydicom or a
            plug-in that is not installed.
    """
    try:
        import pydicom
        from pydicom.pixels import pixel_array
    except ImportError:
        raise CannotDecodeError(_NEEDED) from None
    with foreign("pydicom"):
        header = pydicom.dcmread(BytesIO(content))
        if "PixelData" not in header:
            raise CannotDecodeError(
                "is a DICOM file without pixels (a report, a directory, or cut off): leave it out, or export it again"
            )
        frames = int(header.get("NumberOfFrames") or 1)
        _check_size(header, frames)
        colours = str(header.PhotometricInterpretation)
        values = pixel_array(header, index=0)
        pixels, remarks = _as_rgb(header, colours, values)
    if frames > 1:
        remarks.append(FileRemark("first-of-several", f"it holds {frames} frames: the first is read"))
    return Decoded(pixels, tuple(remarks))


def _check_size(header: "Dataset", frames: int) -> None:
    """Check the size of a frame that the header states and, if the frame is compressed, its own header."""
    from pydicom.encaps import get_frame

    bytes_a_pixel = int(header.get("SamplesPerPixel") or 1) * -(-int(header.BitsAllocated) // 8)
    check_size(int(header.Columns), int(header.Rows), bytes_a_pixel)
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        check_embedded(get_frame(header.PixelData, 0, number_of_frames=frames))


def _find(header: "Dataset", name: str) -> Any:
    """Value of an element of the header, or of the frame anatomy in its functional groups."""
    if name in header:
        return header[name].value or ""
    groups = header.get("SharedFunctionalGroupsSequence") or []
    anatomy = [frame for group in groups for frame in group.get("FrameAnatomySequence") or []]
    return next((frame[name].value for frame in anatomy if name in frame), "")


def _as_rgb(header: "Dataset", colours: str, values: np.ndarray) -> tuple[np.ndarray, list[FileRemark]]:
    from pydicom.pixels import apply_color_lut

    if colours in ("MONOCHROME1", "MONOCHROME2"):
        pixels, remarks = _as_grey(header, values)
        return as_rgb(255 - pixels if colours == "MONOCHROME1" else pixels), remarks
    if colours == "PALETTE COLOR":
        bits = int(header.RedPaletteColorLookupTableDescriptor[2])
        palette = apply_color_lut(values, header)
        return as_rgb(as_bytes(palette, palette.dtype.itemsize * 8, bits)[0]), []
    if colours not in _COLOURS:
        raise CannotDecodeError(f"has colours of the kind {colours}: export it as RGB")
    pixels, remarks = as_bytes(values, int(header.BitsAllocated), int(header.BitsStored))
    return as_rgb(pixels), remarks


def _as_grey(header: "Dataset", values: np.ndarray) -> tuple[np.ndarray, list[FileRemark]]:
    from pydicom.pixels import apply_modality_lut, apply_voi

    shown = apply_modality_lut(values, header)
    if "VOILUTSequence" in header:
        bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = apply_voi(shown, header)
        return as_bytes(looked_up, looked_up.dtype.itemsize * 8, bits)
    if "WindowWidth" in header and "WindowCenter" in header:
        return _through_window(shown, _first(header.WindowCenter), _first(header.WindowWidth)), []
    if np.issubdtype(shown.dtype, np.floating) and (shown == np.rint(shown)).all():
        shown = shown.astype(np.int64)
    return as_bytes(shown, int(header.BitsAllocated), int(header.BitsStored))


def _through_window(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Map values to 0-255 by a linear window.

    Source: DICOM PS3.3, C.11.2.1.2.1.
    """
    share = (values.astype(np.float64) - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _first(value: Any) -> float:
    """The number, or the first number, of a header element."""
    return float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
