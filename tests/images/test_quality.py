"""Each quality warning is given for its own defect, and none for a good photograph."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from drkit.images.quality import measure_quality


def words(photograph: np.ndarray) -> list[str]:
    return [warning.split(":")[0] for warning in measure_quality(photograph).warnings()]


@pytest.fixture
def good(fundus: Callable[[int], np.ndarray]) -> np.ndarray:
    """A sharp, bright, whole fundus with fine detail."""
    eye = fundus(1).astype(np.int16)
    lit = eye.max(2, keepdims=True) > 40
    return np.clip(eye + lit * np.random.default_rng(0).normal(0, 8, eye.shape), 0, 255).astype(np.uint8)


def test_a_good_photograph_has_no_warning(good: np.ndarray) -> None:
    assert words(good) == []


def test_a_blurred_photograph(good: np.ndarray) -> None:
    assert words(cv2.GaussianBlur(good, (0, 0), 4)) == ["blurred"]


def test_a_dark_photograph(good: np.ndarray) -> None:
    assert "dark" in words((good * 0.28).astype(np.uint8))


def test_a_cut_disc(good: np.ndarray) -> None:
    assert words(good[: int(0.62 * len(good))]) == ["disc cut"]


def test_a_photograph_without_a_fundus() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (200, 300, 1)).repeat(3, axis=2).astype(np.uint8)
    assert words(grey) == ["probably not a fundus photograph"]
    assert words(np.zeros((100, 100, 3), np.uint8)) == ["probably not a fundus photograph"]


def test_a_small_photograph_is_not_taken_for_a_blurred_one(good: np.ndarray) -> None:
    assert words(cv2.resize(good, (160, 160), interpolation=cv2.INTER_AREA)) == []
