"""Read and encode photographs."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.images.decoders import CannotDecodeError, Decoded, decode

Photograph = NDArray[np.uint8]  # (H, W, 3) RGB, 0-255

JPEG_QUALITY = 95
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")  # of drawn pictures
MIN_SIDE = 16  # pixels


def read_photograph(path: Path) -> Photograph:
    """Read a photograph upright, as uint8 (H, W, 3) RGB.

    Grey photographs become three equal channels, values of more than 8 bits are scaled to 8, alpha is dropped, and the
    EXIF orientation is applied. Of several pages or frames the first is read.

    Raises:
        InputError: the file is missing, empty, damaged, no photograph, or has fewer than 16 pixels on a side.
    """
    return decode_photograph(read_content(path), str(path))


def read_content(path: Path) -> bytes:
    """Read the bytes of a photograph's file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def decode_photograph(content: bytes, name: str, reduction: int = 1) -> Photograph:
    """Decode a file's bytes; see `read_photograph`.

    Args:
        content: The whole file.
        name: Name of the photograph in error messages.
        reduction: Divisor of a JPEG's sides, 1, 2, 4 or 8; smaller sides are decoded faster.

    Raises:
        InputError: as for `read_photograph`.
    """
    return decode_with_remarks(content, name, reduction).pixels


def decode_with_remarks(content: bytes, name: str, reduction: int = 1) -> Decoded:
    """Decode a file's bytes as `decode_photograph` does, with remarks on the file."""
    if not content:
        raise InputError(f"{name} is empty: copy or download the photograph again")
    try:
        decoded = decode(content, reduction)
    except CannotDecodeError as error:
        raise InputError(f"{name} {error.what}") from None
    height, width = decoded.pixels.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise InputError(f"{name} has {width} x {height} pixels: at least {MIN_SIDE} a side are needed")
    return decoded


def encode_photograph(photograph: Photograph, suffix: str) -> bytes:
    """Encode uint8 (H, W, 3) RGB as the file type of `suffix`; JPEG at quality 95.

    Raises:
        InputError: OpenCV cannot write this file type.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix.lower() in {".jpg", ".jpeg"} else []
    try:
        done, buffer = cv2.imencode(suffix, cv2.cvtColor(photograph, cv2.COLOR_RGB2BGR), quality)
    except cv2.error as error:  # an unknown type, or a side that is too long for it
        reason = " ".join(str(getattr(error, "err", "") or error).split())
        raise InputError(f"photographs cannot be written as {suffix} ({reason})") from None
    if not done:
        raise InputError(f"photographs cannot be written as {suffix}")
    return buffer.tobytes()
