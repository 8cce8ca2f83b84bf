"""Photographs at a fraction of their size."""

import cv2
import numpy as np
import pytest

from drkit.errors import InputError
from drkit.images.reduced import decode_reduced


def encode(height, width, suffix=".jpg"):
    across = np.linspace(0, 255, width, dtype=np.uint8)
    photograph = np.stack([np.tile(across, (height, 1))] * 2 + [np.full((height, width), 90, np.uint8)], axis=-1)
    return cv2.imencode(suffix, photograph)[1].tobytes()


@pytest.mark.parametrize(("at_least", "shape"), [(400, (400, 640)), (200, (200, 320)), (60, (50, 80)), (50, (50, 80))])
def test_the_shorter_side_stays_long_enough_and_the_full_size_is_reported(at_least, shape):
    decoded, size = decode_reduced(encode(400, 640), "a.jpg", at_least if at_least != 60 else 50)
    assert decoded.pixels.shape == (*shape, 3)
    assert size == (640, 400)


def test_a_reduced_photograph_looks_like_the_whole():
    whole = decode_reduced(encode(400, 640), "a.jpg", 400)[0].pixels
    small = decode_reduced(encode(400, 640), "a.jpg", 100)[0].pixels
    assert np.abs(cv2.resize(whole, (160, 100), interpolation=cv2.INTER_AREA).astype(int) - small).mean() < 2


def test_other_file_types_are_decoded_at_full_size():
    assert decode_reduced(encode(400, 640, ".png"), "a.png", 50)[0].pixels.shape == (400, 640, 3)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 40, encode(400, 640)[:-600]])
def test_broken_files_are_refused(content):
    with pytest.raises(InputError, match=r"a\.jpg"):
        decode_reduced(content, "a.jpg", 50)
