"""TIFF: integers of any depth, floats, bilevel images, palettes and CMYK."""

import logging
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC

from drkit.images.decoders.base import (
    CannotDecodeError,
    Decoded,
    FileRemark,
    as_rgb,
    check_size,
    convert_picture,
    damaged,
    foreign,
    turn_upright,
)
from drkit.images.decoders.depth import as_bytes
from drkit.images.decoders.pictures import check_embedded

STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")

_LARGEST = ("MaxSampleValue", "SMaxSampleValue")  # tags that state the largest value
_WITHOUT_SIZE = (  # compressed data without a header of its own
    COMPRESSION.NONE, COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.PACKBITS,
    COMPRESSION.LZMA, COMPRESSION.ZSTD,
)  # fmt: skip
_GREY_OR_RGB = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it also raises what it logs about damage
logging.getLogger("tifffile").propagate = False


def decode_tiff(content: bytes) -> Decoded:
    """Decode the first page of a TIFF that is not a thumbnail.

    Raises:
        CannotDecodeError: the file is damaged or truncated, is no photograph, or has values of unknown range.
    """
    with foreign("tifffile"), tifffile.TiffFile(BytesIO(content)) as file:
        pages = [page for page in map(_whole_page, file.pages) if page and not page.is_reduced]
        if not pages:
            raise damaged("no page of pixels")
        page = pages[0]
        _check_size(page, content)
        values = page.asarray()
        pixels, remarks = _as_rgb(page, values)
        orientation = int(page.tags.valueof("Orientation", 1))
    if len(pages) > 1:
        remarks.append(FileRemark("first-of-several", f"it has {len(pages)} pages: the first is read"))
    return Decoded(turn_upright(pixels, orientation), tuple(remarks))


def _check_size(page: tifffile.TiffPage, content: bytes) -> None:
    """Check the size of the page, and of images that are its strips or tiles, before they are decoded."""
    num_pixels = page.imagewidth * page.imagelength
    check_size(page.imagewidth, page.imagelength, -(-page.nbytes // num_pixels))
    if page.compression not in _WITHOUT_SIZE:
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
            check_embedded(content[offset : offset + length])


def _whole_page(page: tifffile.TiffPage | tifffile.TiffFrame) -> tifffile.TiffPage | None:
    whole = page.aspage()
    return whole if whole.imagewidth and whole.imagelength else None


def _as_rgb(page: tifffile.TiffPage, values: np.ndarray) -> tuple[np.ndarray, list[FileRemark]]:
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    elif page.axes not in ("YX", "YXS"):
        raise CannotDecodeError(f"is a TIFF with axes {page.axes}, not a photograph: save one of its planes")
    if values.shape[:2] != (page.imagelength, page.imagewidth):
        raise damaged("pixels are missing")
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return np.moveaxis(page.colormap >> 8, 0, -1)[values].astype(np.uint8), []
    if page.photometric == PHOTOMETRIC.SEPARATED:
        return convert_picture(Image.fromarray(as_bytes(values[..., :4], 8)[0], "CMYK")), []
    is_jpeg = page.jpegtables is not None or page.compression in (COMPRESSION.JPEG, COMPRESSION.OJPEG)
    if page.photometric not in _GREY_OR_RGB or (page.photometric == PHOTOMETRIC.YCBCR and not is_jpeg):
        raise CannotDecodeError(f"has colours of the kind {PHOTOMETRIC(page.photometric).name}: save it as RGB")
    if values.ndim == 3:  # alpha and other extra samples are left out
        values = values[..., : 3 if values.shape[2] >= 3 else 1]
    # Bits in use, where the file states them: packed samples, or the largest sample value.
    largest = [np.max(page.tags[name].value) for name in _LARGEST if name in page.tags]
    stated = [int(value).bit_length() for value in largest if value > 0]
    pixels, remarks = as_bytes(values, values.dtype.itemsize * 8, min([page.bitspersample, *stated]))
    return as_rgb(255 - pixels if page.photometric == PHOTOMETRIC.MINISWHITE else pixels), remarks
