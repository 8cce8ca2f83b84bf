"""Small files that claim or unpack to too many pixels are refused before memory is allocated."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image
from tifffile import COMPRESSION

from drkit.errors import InputError
from drkit.images.files import decode_photograph

SIDE = 12_000  # of bombs: 144 million pixels
ROOM = 2**27  # bytes of Python's memory that a refusal may take, a quarter of the smallest bomb


def refused(content: bytes) -> str:
    """The error message for a bomb; checks that no memory was allocated for it."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as refusal:
            decode_photograph(content, "bomb")
        assert tracemalloc.get_traced_memory()[1] < len(content) + ROOM
    finally:
        tracemalloc.stop()
    sentence = str(refusal.value)
    assert sentence.startswith("bomb ")
    assert "\n" not in sentence
    return sentence


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, bits: int = 8) -> bytes:
    """A grey PNG with all its rows."""
    packer = zlib.compressobj(1)
    row = bytes(1 + width * bits // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    stream = BytesIO()
    Image.new("L", (64, 64)).save(stream, "JPEG")
    content = bytearray(stream.getvalue())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def tiff(compression: int, strip: bytes) -> bytes:
    """A TIFF of 32 x 32 grey pixels whose only strip holds other content."""
    stream = BytesIO()
    tifffile.imwrite(stream, np.zeros((32, 32), np.uint8), photometric="minisblack", compression="zlib")
    content = bytearray(stream.getvalue())
    with tifffile.TiffFile(BytesIO(bytes(content))) as file:
        tags = file.pages[0].tags
        lengths = tags["StripByteCounts"]
        struct.pack_into("<I", content, tags["StripOffsets"].valueoffset, len(content))
        struct.pack_into("<H", content, lengths.offset + 2, 4)  # the type of a long
        struct.pack_into("<I", content, lengths.valueoffset, len(strip))
        struct.pack_into("<H", content, tags["Compression"].valueoffset, compression)
    return bytes(content) + strip


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM"])
def test_a_header_that_claims_too_many_pixels(kind):
    small = BytesIO()
    if kind in ("BMP", "GIF"):
        Image.new("L", (64, 64)).save(small, kind)
    content = {
        "PNG": lambda: png(SIDE, SIDE),
        "JPEG": lambda: jpeg(SIDE, SIDE),
        "TIFF": lambda: _tiff_of(SIDE, SIDE, 1),
        "BMP": lambda: _replaced(small.getvalue(), 18, struct.pack("<ii", SIDE, SIDE)),
        "GIF": lambda: _replaced(small.getvalue(), 6, struct.pack("<HH", SIDE * 4, SIDE * 4)),
        "PPM": lambda: b"P5 %d %d 255\n" % (SIDE, SIDE),
    }[kind]()
    assert "claims more pixels than any photograph has" in refused(content)


def test_pixels_of_too_many_values():
    """300 million values with few pixels."""
    assert "1000 x 1000 of 3000 bytes" in refused(_tiff_of(1000, 1000, 3000))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "JPEG2000", "WEBP"])
def test_a_picture_in_a_tiff_that_is_larger_than_the_tiff(kind):
    bombs = {
        "JPEG": (COMPRESSION.JPEG, lambda: jpeg(SIDE, SIDE)),
        "PNG": (COMPRESSION.PNG, lambda: png(SIDE, SIDE)),
        "JPEG2000": (COMPRESSION.JPEG2000, lambda: _jpeg_2000(SIDE, SIDE)),
        "WEBP": (COMPRESSION.WEBP, lambda: _webp(16_000, 16_000)),
    }
    compression, make = bombs[kind]
    assert "claims more pixels than any photograph has" in refused(tiff(compression, make()))


@pytest.mark.parametrize(
    ("compression", "pack"),
    [(COMPRESSION.ADOBE_DEFLATE, lambda: zlib.compress(bytes(2**28), 1)),
     (COMPRESSION.PACKBITS, lambda: b"\x81\0" * 2**21)],
)  # fmt: skip
def test_a_strip_that_unpacks_to_more_than_the_page(compression, pack):
    assert "is damaged or cut off" in refused(tiff(compression, pack()))


def test_a_png_whose_text_unpacks_to_much_is_read_without_it():
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28), 1))
    content = png(32, 32)
    at = content.index(b"IDAT") - 4
    assert decode_photograph(content[:at] + text + content[at:], "eye").shape == (32, 32, 3)


def test_a_compressed_frame_of_dicom_that_is_larger_than_its_header():
    pydicom = pytest.importorskip("pydicom")
    from pydicom.encaps import encapsulate

    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.1"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3.4"
    header.Rows, header.Columns, header.SamplesPerPixel = 32, 32, 1
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 8, 8, 7, 0
    header.PhotometricInterpretation = "MONOCHROME2"
    header.PixelData = encapsulate([_jpeg_2000(SIDE, SIDE)])
    stream = BytesIO()
    header.save_as(stream, enforce_file_format=True)
    assert "claims more pixels than any photograph has" in refused(stream.getvalue())


def _replaced(content: bytes, at: int, part: bytes) -> bytes:
    return content[:at] + part + content[at + len(part) :]


def _tiff_of(width: int, height: int, samples: int) -> bytes:
    """A TIFF whose pixels are missing."""
    stream = BytesIO()
    tifffile.imwrite(
        stream, np.zeros((32, 32, samples), np.uint8).squeeze(), photometric="minisblack", compression="zlib",
        **({"planarconfig": "contig"} if samples > 1 else {}),
    )  # fmt: skip
    content = bytearray(stream.getvalue())
    with tifffile.TiffFile(BytesIO(bytes(content))) as file:
        for name, value in (("ImageWidth", width), ("ImageLength", height), ("RowsPerStrip", height)):
            tag = file.pages[0].tags[name]
            struct.pack_into("<H" if tag.dtype == 3 else "<I", content, tag.valueoffset, value)
    return bytes(content)


def _jpeg_2000(width: int, height: int) -> bytes:
    """A JPEG 2000 codestream of 64 x 64 pixels whose header claims another size."""
    stream = BytesIO()
    Image.new("L", (64, 64)).save(stream, "JPEG2000", no_jp2=True)
    content = bytearray(stream.getvalue())
    at = content.index(b"\xff\x51")
    struct.pack_into(">II", content, at + 6, width, height)
    return bytes(content)


def _webp(width: int, height: int) -> bytes:
    """A lossy WebP of 64 x 64 pixels whose header claims another size."""
    stream = BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "WEBP")
    content = bytearray(stream.getvalue())
    at = content.index(b"\x9d\x01\x2a")
    struct.pack_into("<HH", content, at + 3, width, height)
    return bytes(content)
