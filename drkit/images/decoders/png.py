"""PNG of 8 and 16 bits."""

import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np

from drkit.images.decoders.base import Decoded, FileRemark, as_rgb, check_size, foreign, read_orientation, turn_upright
from drkit.images.decoders.depth import as_bytes

START = b"\x89PNG\r\n\x1a\n"


def decode_png(content: bytes) -> Decoded:
    """Decode a PNG, or the first frame of an animated one.

    Raises:
        CannotDecodeError: the file is damaged or truncated.
    """
    header = dict(_chunks_before_pixels(content))
    width, height, bits = struct.unpack(">IIB", header.get(b"IHDR", b"")[:9].ljust(9, b"\0"))
    check_size(width, height, bytes_a_pixel=8 if bits == 16 else 4)  # alpha included
    with foreign("libpng"):
        values = np.asarray(imagecodecs.png_decode(content))
    stated = max(header.get(b"sBIT", b""), default=None)
    pixels, remarks = as_bytes(_without_alpha(values), values.dtype.itemsize * 8, stated)
    if b"acTL" in header and int.from_bytes(header[b"acTL"][:4], "big") > 1:
        remarks.append(FileRemark("first-of-several", "it is animated: the first frame is read"))
    orientation = read_orientation(header.get(b"eXIf", b""))
    return Decoded(turn_upright(as_rgb(pixels), orientation), tuple(remarks))


def _without_alpha(values: np.ndarray) -> np.ndarray:
    """Drop alpha, to (H, W) or (H, W, 3); the maximum values of opaque alpha would suggest a wrong bit depth."""
    return values[..., : values.shape[2] // 2 * 2 - 1] if values.ndim == 3 and values.shape[2] in (2, 4) else values


def _chunks_before_pixels(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk before the first chunk of pixels."""
    at = len(START)
    while at + 8 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        name = content[at + 4 : at + 8]
        if name == b"IDAT":
            return
        yield name, content[at + 8 : end]
        at = end + 4  # behind the checksum
