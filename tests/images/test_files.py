"""Photographs as users have them: read rightly, or refused in one line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from drkit.errors import InputError
from drkit.images.files import decode_photograph, encode_photograph, read_photograph


@pytest.fixture
def photograph() -> np.ndarray:
    """Smooth, with the channels told apart: red rises to the right, green downwards."""
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
    with pytest.raises(InputError, match=r"eye is no photograph or is cut off"):
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
