"""Photographs to and from files: the one place that knows that OpenCV is BGR."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.errors import InputError

Photograph = NDArray[np.uint8]  # (H, W, 3) RGB, 0-255

JPEG_QUALITY = 95
MIN_SIDE = 16  # pixels; below it there is no fundus to see

_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def read_photograph(path: Path) -> Photograph:
    """Read a photograph upright, as uint8 (H, W, 3) RGB.

    Grey photographs become three equal channels, 16-bit ones are scaled to 8, alpha is dropped, the EXIF
    rotation is applied.

    Raises:
        InputError: missing, empty, truncated, no photograph, or smaller than 16 pixels on a side.
    """
    return decode_photograph(read_content(path), str(path))


def read_content(path: Path) -> bytes:
    """A photograph's file as it is on disk.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def decode_photograph(content: bytes, name: str, reduction: int = 1) -> Photograph:
    """Decode a file's bytes; see `read_photograph`.

    Args:
        content: The whole file.
        name: How to call it in an error.
        reduction: 1, or 2, 4, 8 for a half, a quarter, an eighth of the size, which is faster for a JPEG.

    Raises:
        InputError: as `read_photograph`.
    """
    if not content:
        raise InputError(f"{name} is empty: copy or download the photograph again")
    # COLOR without ANYDEPTH: 16 bits scaled to 8, grey to three channels, alpha dropped, EXIF rotation applied.
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), _FLAGS[reduction])
    except (cv2.error, MemoryError) as error:  # OpenCV's own limits, or the memory's
        raise InputError(f"{name} cannot be decoded ({_reason(error)}): copy or download it again") from None
    if pixels is None or _is_cut(content):
        raise InputError(f"{name} is no photograph or is cut off: copy or download it again")
    if min(pixels.shape[:2]) < MIN_SIDE:
        raise InputError(
            f"{name} has {pixels.shape[1]} x {pixels.shape[0]} pixels: at least {MIN_SIDE} a side are needed"
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def encode_photograph(photograph: Photograph, suffix: str) -> bytes:
    """Encode uint8 (H, W, 3) RGB as the file type of `suffix`; JPEG at quality 95.

    Raises:
        InputError: a suffix that OpenCV cannot write.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix.lower() in {".jpg", ".jpeg"} else []
    try:
        done, buffer = cv2.imencode(suffix, cv2.cvtColor(photograph, cv2.COLOR_RGB2BGR), quality)
    except cv2.error as error:  # no such type, or a side longer than it can be
        raise InputError(f"photographs cannot be written as {suffix} ({_reason(error)})") from None
    if not done:
        raise InputError(f"photographs cannot be written as {suffix}")
    return buffer.tobytes()


def _reason(error: Exception) -> str:
    """What OpenCV complains of, without where in its own code."""
    text = str(getattr(error, "err", "") or error)
    if "CV_IO_MAX_IMAGE" in text:
        return "its header claims more pixels than any photograph has"
    return " ".join(text.split()) or type(error).__name__


def _is_cut(content: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end, which some decoders fill with grey in silence."""
    if content.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in content[-4096:]  # cameras append padding and previews after the end mark
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-4096:]
    return False
