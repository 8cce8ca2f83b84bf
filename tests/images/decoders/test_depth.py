"""Values of more than 8 bits are scaled by the stated depth, or by their maximum with a remark."""

import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile

from drkit.errors import InputError
from drkit.images.files import decode_photograph, decode_with_remarks


def tiff(values: np.ndarray, **options: object) -> bytes:
    stream = BytesIO()
    tifffile.imwrite(stream, values, **{"photometric": "rgb" if values.ndim == 3 else "minisblack", **options})
    return stream.getvalue()


def png(values: np.ndarray) -> bytes:
    return imagecodecs.png_encode(values)


def with_chunk(content: bytes, name: bytes, data: bytes) -> bytes:
    """A PNG with a chunk after its header."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return content[:33] + chunk + content[33:]


@pytest.mark.parametrize("encode", [tiff, png])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_photograph_of_fewer_bits_kept_in_sixteen_is_read_right_and_remarked_on(photograph, encode, bits):
    decoded = decode_with_remarks(encode(photograph.astype(np.uint16) << (bits - 8)), "eye")
    assert np.array_equal(decoded.pixels, photograph)
    (remark,) = decoded.remarks
    assert remark.kind == "depth-inferred"
    assert f"{bits}-bit values stored in 16 bits" in remark.sentence


@pytest.mark.parametrize("encode", [tiff, png])
@pytest.mark.parametrize("factor", [256, 257])
def test_a_dark_photograph_of_sixteen_bits_stays_dark_where_its_values_were_widened(photograph, encode, factor):
    dark = photograph // 8
    decoded = decode_with_remarks(encode(dark.astype(np.uint16) * factor), "eye")
    assert np.array_equal(decoded.pixels, dark)
    assert not decoded.remarks


def test_a_dark_photograph_that_had_to_be_guessed_is_remarked_on(photograph):
    decoded = decode_with_remarks(tiff(photograph.astype(np.uint16) * 257 // 8), "eye")
    assert decoded.pixels.max() == 127  # four times as bright as it was
    assert "read as 14-bit values stored in 16 bits, because the largest is 8191" in decoded.remarks[0].sentence


def test_opaque_alpha_does_not_hide_the_depth(photograph):
    deep = photograph.astype(np.uint16) << 4
    alpha = np.full(photograph.shape[:2], 65535, np.uint16)
    for content in (
        png(np.dstack([deep, alpha])),
        tiff(np.dstack([deep, alpha]), extrasamples=["unassalpha"]),
    ):
        assert np.array_equal(decode_photograph(content, "eye"), photograph)
    grey = np.dstack([deep[..., 0], alpha])
    assert np.array_equal(decode_photograph(png(grey), "eye")[..., 1], photograph[..., 0])


def test_the_stated_depth_is_used_if_the_values_fit(photograph):
    dark = photograph.astype(np.uint16) // 8 << 4  # 9 bits are in use, 12 are stated
    for content in (
        with_chunk(png(dark), b"sBIT", bytes([12, 12, 12])),
        tiff(dark, extratags=[(281, "H", 3, (4095, 4095, 4095), True)]),
    ):
        decoded = decode_with_remarks(content, "eye")
        assert np.array_equal(decoded.pixels, photograph // 8)
        assert not decoded.remarks
    widened = with_chunk(png(photograph.astype(np.uint16) * 257), b"sBIT", bytes([12, 12, 12]))
    assert np.array_equal(decode_photograph(widened, "eye"), photograph)


def test_packed_twelve_bits_are_stated(photograph):
    grey = photograph[..., 0].astype(np.uint16) // 8 << 4
    bits = np.unpackbits(grey.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 4:]
    content = _bare_tiff(np.packbits(bits).tobytes(), width=48, height=32, bits=12)
    decoded = decode_with_remarks(content, "eye")
    assert np.array_equal(decoded.pixels[..., 0], photograph[..., 0] // 8)
    assert not decoded.remarks


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("top", [1, 255, 4095])
def test_fractions_are_read_by_their_range(photograph, dtype, top):
    decoded = decode_with_remarks(tiff((photograph / 255 * top).astype(dtype)), "eye")
    assert np.abs(decoded.pixels.astype(int) - photograph).max() <= 1
    assert decoded.remarks[0].sentence.startswith(f"fractions, read as from 0 to {top} because")


@pytest.mark.parametrize("values", [(-3.0, 1.0), (0.0, 1e9), (0.0, np.nan), (0.0, np.inf)])
def test_fractions_without_a_range_are_refused_as_what_they_are(photograph, values):
    content = tiff(np.where(photograph > 100, *values[::-1]).astype(np.float32))
    with pytest.raises(InputError, match=r"eye holds fractions from .+ to .+: expected 0 to 1, or 0 to 255"):
        decode_photograph(content, "eye")


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.int16])
def test_wider_and_signed_integers_are_read_likewise(photograph, dtype):
    decoded = decode_with_remarks(tiff(photograph.astype(dtype) << 4), "eye")
    assert np.array_equal(decoded.pixels, photograph)
    assert "12-bit" in decoded.remarks[0].sentence
    with pytest.raises(InputError, match="eye holds negative values"):
        decode_photograph(tiff(photograph.astype(np.int32) - 5), "eye")


def test_black_stays_black():
    decoded = decode_with_remarks(tiff(np.zeros((20, 20, 3), np.uint16)), "eye")
    assert not decoded.pixels.any()
    assert not decoded.remarks


def _bare_tiff(pixels: bytes, *, width: int, height: int, bits: int) -> bytes:
    """A grey TIFF of one strip, little-endian, of any number of bits a sample."""
    values = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(pixels)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + struct.pack("<H", len(values)) + entries + bytes(4)
