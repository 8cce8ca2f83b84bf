"""JPEG, with the warnings of its decoder; optionally at a fraction of its size."""

import re
from collections.abc import Iterator

import numpy as np
import simplejpeg
from PIL import Image

from drkit.images.decoders.base import (
    CannotDecodeError,
    Decoded,
    FileRemark,
    check_size,
    convert_picture,
    damaged,
    read_orientation,
    turn_upright,
)
from drkit.images.decoders.pictures import decode_picture

START = b"\xff\xd8\xff"

_END = b"\xff\xd9"
_APP1, _SCAN = 0xE1, 0xDA
_EXIF = b"Exif\x00\x00"
# Warnings that concern no pixel: metadata, and bytes between the last pixel and the end marker.
_HARMLESS = re.compile(
    r"extraneous bytes before marker 0xd9|JFIF revision|Adobe color transform|SOS parameters|progression sequence"
)


def read_jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Read height and width from a JPEG's header; None for other or damaged files."""
    header = _read_header(content) if content.startswith(START) else None
    return header[:2] if header else None


def decode_jpeg(content: bytes, reduction: int = 1) -> Decoded:
    """Decode a JPEG.

    Args:
        content: The whole file.
        reduction: Divisor of the sides, 1, 2, 4 or 8; the result is rounded up.

    Raises:
        CannotDecodeError: the pixels are damaged or truncated, or libjpeg-turbo does not support their format.
    """
    header = _read_header(content)
    if header is None:
        return decode_picture(content)  # damaged, or with unusual chroma subsampling
    height, width, is_cmyk = header
    check_size(width, height)
    pixels, complaint = _decode(content, "CMYK" if is_cmyk else "RGB", -(-height // reduction), -(-width // reduction))
    if is_cmyk:  # stored inverted, as Adobe does
        pixels = convert_picture(Image.fromarray(255 - pixels, "CMYK"))
    orientation, behind_end = _read_segments(content)
    remarks = [FileRemark("decoder-warning", complaint)] if complaint else []
    if behind_end:
        sentence = f"{behind_end} bytes follow its end (a preview, padding, or another file) and are not read"
        remarks.append(FileRemark("bytes-behind-end", sentence))
    return Decoded(turn_upright(pixels, orientation), tuple(remarks))


def _read_header(content: bytes) -> tuple[int, int, bool] | None:
    """Height, width, and whether its colours are CMYK; None if simplejpeg cannot read the header."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content, strict=False)
    except (ValueError, KeyError):
        return None
    return height, width, colours in ("CMYK", "YCCK")


def _decode(content: bytes, colours: str, height: int, width: int) -> tuple[np.ndarray, str]:
    """The pixels, and the decoder's warning, if any."""
    smallest = {"min_height": height, "min_width": width}
    try:
        return simplejpeg.decode_jpeg(content, colours, **smallest), ""
    except ValueError as error:
        complaint = str(error)
    except MemoryError:
        raise CannotDecodeError("needs more memory than there is: scale it down") from None
    if not _HARMLESS.search(complaint):
        raise damaged(complaint)
    try:
        return simplejpeg.decode_jpeg(content, colours, strict=False, **smallest), complaint
    except ValueError as error:  # a further problem
        raise damaged(error) from None


def _read_segments(content: bytes) -> tuple[int, int]:
    """The orientation, and the number of bytes after the end of the photograph."""
    orientation, scan = 1, len(content)
    for marker, start, end in _segments(content):
        if marker == _APP1 and content.startswith(_EXIF, start):
            orientation = read_orientation(content[start:end])
        if marker == _SCAN:
            scan = end
    at = content.find(_END, scan)
    return orientation, len(content) - at - len(_END) if at >= 0 else 0


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of the content of each segment, up to the header of the first scan."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        yield marker, at + 4, end
        if marker == _SCAN:
            return
        at = end
