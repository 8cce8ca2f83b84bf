"""The result and the errors of every decoder."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

FileRemarkKind = Literal["depth-inferred", "decoder-warning", "bytes-behind-end", "first-of-several"]

MOST_PIXELS = 2**27  # more than any camera or montage has
MOST_BYTES = 2**30  # of uncompressed pixel values

TOO_LARGE = "cannot be decoded (its header claims more pixels than any photograph has): copy or download it again"

_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
_ORIENTATION = 0x0112  # the tag of EXIF and TIFF


@dataclass(frozen=True)
class FileRemark:
    """A remark on a file that can be read.

    Args:
        kind: `depth-inferred` (from the largest value), `decoder-warning`, `bytes-behind-end`, or `first-of-several`
            (pages or frames).
        sentence: The remark, without the file's name.
    """

    kind: FileRemarkKind
    sentence: str


@dataclass(frozen=True)
class Decoded:
    """A photograph.

    Args:
        pixels: uint8 (H, W, 3) RGB, upright.
        remarks: Remarks on its file.
    """

    pixels: NDArray[np.uint8]
    remarks: tuple[FileRemark, ...] = ()


class CannotDecodeError(Exception):
    """A file that cannot be read as a photograph.

    Args:
        what: The problem and its remedy, a sentence whose subject, the file's name, is missing.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def damaged(reason: object) -> CannotDecodeError:
    """Return the error for a file whose pixels are lost; `reason` is the decoder's message."""
    return CannotDecodeError(
        f"is damaged or cut off ({' '.join(str(reason).split())}): copy or download it again, or save it anew to use"
        " it as it is"
    )


@contextmanager
def foreign(library: str) -> Iterator[None]:
    """Turn any error that a library raises on a damaged file into a `CannotDecodeError`.

    Raises:
        CannotDecodeError: instead of any other error.
    """
    try:
        yield
    except CannotDecodeError:
        raise
    except MemoryError:
        raise CannotDecodeError("needs more memory than there is: scale it down") from None
    except Exception as error:
        raise damaged(str(error) or f"{type(error).__name__} of {library}") from None


def check_size(width: int, height: int, bytes_a_pixel: int = 3) -> None:
    """Check the size that a header states before memory for the pixels is allocated.

    Raises:
        CannotDecodeError: more pixels, or more bytes, than any photograph has.
    """
    num_pixels = width * height
    if num_pixels > MOST_PIXELS or num_pixels * bytes_a_pixel > MOST_BYTES:
        raise CannotDecodeError(
            f"cannot be decoded (its header claims more pixels than any photograph has, {width} x {height} of"
            f" {bytes_a_pixel} bytes): copy or download it again"
        )


def as_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert grey (H, W), grey and alpha (H, W, 2), or RGB and alpha (H, W, 4) to (H, W, 3)."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    colours = pixels[..., :1] if pixels.shape[2] < 3 else pixels[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colours, (*pixels.shape[:2], 3)))


def read_orientation(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from a block of EXIF; 1 if it is missing or damaged."""
    record = Image.Exif()
    try:
        record.load(exif)
        orientation = record.get(_ORIENTATION, 1)
    except Exception:  # damaged metadata does not rotate the photograph
        return 1
    return orientation if orientation in _TURNS else 1


def turn_upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Rotate and mirror a photograph by its EXIF or TIFF orientation, 1 to 8."""
    quarters, is_mirrored = _TURNS.get(orientation, (0, False))
    turned = np.rot90(pixels, quarters)
    return np.ascontiguousarray(turned[:, ::-1] if is_mirrored else turned)


def convert_picture(picture: Image.Image) -> NDArray[np.uint8]:
    """Convert a Pillow image of any mode to upright RGB (H, W, 3), without alpha."""
    upright = ImageOps.exif_transpose(picture)
    return np.array(upright.convert("RGB"))
