"""Common photographs are read correctly or refused in one line."""

import struct
from contextlib import suppress
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import simplejpeg
import tifffile

from drkit.errors import InputError
from drkit.images.files import decode_photograph, encode_photograph, read_photograph
from drkit.images.reduced import decode_reduced


@pytest.fixture
def photograph() -> np.ndarray:
    """A smooth image with distinguishable channels: red increases to the right, green downwards."""
    ramp = np.linspace(0, 255, 48).astype(np.uint8)
    rows, columns = np.meshgrid(ramp[:32], ramp, indexing="ij")
    return np.stack([columns, rows, np.full_like(rows, 40)], -1)  # (32, 48, 3)


def test_a_png_is_read_as_it_was_written(tmp_path: Path, photograph: np.ndarray) -> None:
    path = tmp_path / "Auge_für_Ärzte_左眼.png"
    path.write_bytes(encode_photograph(photograph, ".png"))
    assert np.array_equal(read_photograph(path), photograph)


def test_a_jpeg_is_nearly_so(photograph: np.ndarray) -> None:
    back = decode_photograph(encode_photograph(photograph, ".jpg"), "x").astype(int)
    assert np.abs(back - photograph).mean() < 2


def test_grey_sixteen_bit_and_alpha_become_rgb(photograph: np.ndarray) -> None:
    def png(pixels: np.ndarray) -> bytes:
        return cv2.imencode(".png", pixels)[1].tobytes()

    grey = photograph[:, :, 0]
    assert np.array_equal(decode_photograph(png(grey), "grey"), np.stack([grey] * 3, -1))
    deep = photograph[:, :, ::-1].astype(np.uint16) * 257
    assert np.abs(decode_photograph(png(deep), "deep").astype(int) - photograph).max() <= 1
    alpha = np.dstack([photograph[:, :, ::-1], np.full(photograph.shape[:2], 128, np.uint8)])
    assert np.array_equal(decode_photograph(png(alpha), "alpha"), photograph)


def test_the_exif_rotation_is_applied(photograph: np.ndarray) -> None:
    plain = encode_photograph(photograph, ".jpg")
    orientation = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # tag 0x0112, short, one, 6: turn clockwise
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + orientation + b"\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    rotated = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    assert np.array_equal(decode_photograph(rotated, "x"), np.rot90(decode_photograph(plain, "x"), 3))


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_cut_file_is_refused(photograph: np.ndarray, suffix: str, share: float) -> None:
    content = encode_photograph(photograph, suffix)
    with pytest.raises(InputError, match=r"eye is damaged or cut off \(.+\): copy or download it again"):
        decode_photograph(content[: int(len(content) * share)], "eye")


def test_empty_text_and_tiny_files_are_refused(tmp_path: Path, photograph: np.ndarray) -> None:
    with pytest.raises(InputError, match="is empty"):
        decode_photograph(b"", "x")
    with pytest.raises(InputError, match="no photograph"):
        decode_photograph(b"<html>not found</html>", "x")
    with pytest.raises(InputError, match="12 x 10 pixels"):
        decode_photograph(encode_photograph(photograph[:10, :12], ".png"), "x")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_photograph(tmp_path / "missing.jpg")


def _bitmap(width: int, height: int) -> bytes:
    """A BMP whose header claims a size, and a few black pixels."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 300, 0, 0, 54) + header + bytes(300)


@pytest.mark.parametrize(
    "content",
    [_bitmap(1 << 20, 1 << 20), _bitmap(2**31 - 1, 2), b"P6 1000000 1000000 255\n" + bytes(100)],
    ids=["wide BMP", "flat BMP", "PPM"],
)
def test_a_header_that_claims_a_huge_size_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.bmp cannot be decoded \(its header claims more pixels than any"):
        decode_photograph(content, "a.bmp")
    with pytest.raises(InputError, match="claims more pixels"):
        decode_reduced(content, "a.bmp", 64)


@pytest.mark.parametrize(
    ("module", "function", "suffix"),
    [(simplejpeg, "decode_jpeg", ".jpg"), (imagecodecs, "png_decode", ".png"), (tifffile.TiffPage, "asarray", ".tif")],
)
def test_a_photograph_that_does_not_fit_into_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, photograph: np.ndarray, module: object, function: str, suffix: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(module, function, full)
    with pytest.raises(InputError, match=r"an eye needs more memory than there is: scale it down"):
        decode_photograph(encode_photograph(photograph, suffix), "an eye")


@pytest.mark.parametrize(("suffix", "width"), [(".xyz", 20), ("", 20), (".webp", 17000), (".jpg", 70000)])
def test_a_photograph_that_cannot_be_encoded_is_refused(suffix: str, width: int) -> None:
    with pytest.raises(InputError, match=rf"photographs cannot be written as {suffix}"):
        encode_photograph(np.zeros((20, width, 3), np.uint8), suffix)


def test_a_jpeg_of_an_unknown_revision_is_read_or_refused(fundus) -> None:
    content = bytearray(encode_photograph(fundus(1), ".jpg"))
    content[content.index(b"JFIF") + 5] = 70  # a revision that does not exist
    with suppress(InputError):  # it depends on the version of libjpeg-turbo whether this is an error
        assert decode_photograph(bytes(content), "eye").shape == fundus(1).shape
