"""Correlation after one photograph is laid upon the other."""

import cv2
import numpy as np
import pytest

from drkit.auditing.duplicates import SAME, SURELY_SAME
from drkit.auditing.registration import prepare, registered_correlation


def correlate(first, second):
    return registered_correlation(prepare(first), prepare(np.ascontiguousarray(second)), 2.0)


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
    assert correlate(fundus(0), fundus(0)) == pytest.approx(1)


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_recognised(fundus, change):
    assert min(correlate(fundus(seed), CHANGES[change](fundus(seed))) for seed in range(4)) > SAME


def test_another_fundus_is_not(fundus):
    assert max(correlate(fundus(seed), fundus(seed + 1)) for seed in range(8)) < 0.6


def test_a_new_lesion_lowers_the_correlation_below_that_of_a_copy(fundus):
    later = cv2.circle(fundus(4).copy(), (190, 130), 14, (80, 20, 20), -1)
    assert correlate(fundus(4), later) < SURELY_SAME


def test_nothing_to_see_correlates_with_nothing():
    flat = np.full((128, 128), 90, np.uint8)
    assert registered_correlation(flat, flat, 2.0) == 0
