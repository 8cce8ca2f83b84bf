"""File types that Pillow reads: BMP, GIF, PPM and PGM, WebP, JPEG 2000, AVIF, and HEIC with its plug-in."""

import warnings
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from drkit.images.decoders.base import (
    TOO_LARGE,
    CannotDecodeError,
    Decoded,
    FileRemark,
    check_size,
    convert_picture,
    damaged,
    foreign,
)

_FORMATS = ("JPEG", "BMP", "DIB", "GIF", "PPM", "WEBP", "JPEG2000", "AVIF")
_EMBEDDED = ("JPEG", "JPEG2000", "PNG", "WEBP")  # file types that TIFF and DICOM files contain
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")

warnings.filterwarnings("ignore", module=r"PIL\.")  # about metadata, and about sizes, which are checked here


def decode_picture(content: bytes) -> Decoded:
    """Decode a file of any type that Pillow reads; of an animated file, the first frame.

    Raises:
        CannotDecodeError: the file is no photograph, is damaged or truncated, or is of a type whose plug-in is not
            installed.
    """
    is_heic = content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS
    if is_heic:
        _register_heic()
    try:
        picture = Image.open(BytesIO(content), formats=["HEIF"] if is_heic else _FORMATS)
    except UnidentifiedImageError:
        raise CannotDecodeError("is no photograph or is cut off: copy or download it again") from None
    except Image.DecompressionBombError:
        raise CannotDecodeError(TOO_LARGE) from None
    except Exception as error:  # a damaged header
        raise damaged(error) from None
    with foreign("Pillow"), picture:
        check_size(*picture.size)
        frames = getattr(picture, "n_frames", 1)
        pixels = convert_picture(picture)
    several = [FileRemark("first-of-several", f"it holds {frames} frames: the first is read")] if frames > 1 else []
    return Decoded(pixels, tuple(several))


def check_embedded(content: bytes) -> None:
    """Check the size that the header of a compressed part of a TIFF or DICOM file states.

    Args:
        content: The part; without a header of its own, nothing is checked.

    Raises:
        CannotDecodeError: as for `check_size`.
    """
    try:
        with Image.open(BytesIO(content), formats=_EMBEDDED) as picture:
            size = picture.size
    except Image.DecompressionBombError:
        raise CannotDecodeError(TOO_LARGE) from None
    except Exception:  # not an image: the decoder of the file finds out
        return
    check_size(*size)


def _register_heic() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise CannotDecodeError(
            "is a HEIC photograph: pip install 'drkit[heic]' reads it, or save it as JPEG or PNG"
        ) from None
    register_heif_opener()
