"""Correlation of two photographs after registration."""

import cv2
import numpy as np
import pytest

from drkit.duplicates.registration import Similarity, compare, prepare
from drkit.duplicates.search import ONE_EXPOSURE, SAME, are_copies


def correlate(first, second):
    return compare(prepare(first), prepare(np.ascontiguousarray(second)))


def jpeg(photograph, quality):
    content = cv2.imencode(".jpg", photograph, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(content, cv2.IMREAD_COLOR)


def turned(photograph, degrees, shift=0.0):
    side = len(photograph)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1) + np.array([[0, 0, shift * side], [0, 0, 0]])
    return cv2.warpAffine(photograph, matrix, (side, side))


CHANGES = {
    "re-encoded": lambda photograph: jpeg(photograph, 50),
    "half as large": lambda photograph: cv2.resize(photograph, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "shifted": lambda photograph: turned(photograph, 0, 0.03),
    "turned": lambda photograph: turned(photograph, 1),
    "all at once": lambda photograph: jpeg(turned(photograph, -1, 0.03)[::2, ::2].copy(), 50),
}


def test_a_photograph_is_itself(fundus):
    itself = correlate(fundus(0), fundus(0))
    assert (itself.structure, itself.light) == (pytest.approx(1), pytest.approx(1))


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_recognised(fundus, change):
    assert all(are_copies(correlate(fundus(seed), CHANGES[change](fundus(seed)))) for seed in range(4))


def test_another_fundus_is_not(fundus):
    likenesses = [correlate(fundus(seed), fundus(seed + 1)) for seed in range(8)]
    assert not any(map(are_copies, likenesses))
    assert max(likeness.structure for likeness in likenesses) < 0.6


def test_a_new_reflection_is_seen_in_the_light_and_the_eye_is_still_the_same(fundus):
    flash = cv2.GaussianBlur(cv2.circle(np.zeros((320, 320, 1), np.float32), (200, 130), 40, 70, -1), (0, 0), 16)
    again = np.clip(fundus(4) + flash[..., None], 0, 255).astype(np.uint8)
    likeness = correlate(fundus(4), again)
    assert likeness.structure > SAME
    assert likeness.light < ONE_EXPOSURE


def test_a_shift_behind_the_cameras_frame_is_undone(fundus):
    eye = fundus(5)
    frames = [np.pad(eye[top : top + 240], ((0, 0), (40, 40), (0, 0))) for top in (36, 46)]  # cut at the top and bottom
    assert are_copies(correlate(*frames))


def test_blank_photographs_have_no_correlation():
    flat = np.stack([np.full((128, 128), 90, np.uint8), np.ones((128, 128), np.uint8)], axis=2)
    assert compare(flat, flat) == Similarity(0, 0)
