"""Fundi that are drawn, and small data sets made of them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Draw = Callable[[int], np.ndarray]


def draw(seed: int, side: int = 320) -> np.ndarray:
    """uint8 (side, side, 3): an orange disc with a bright spot and random vessels, on black."""
    generator = np.random.default_rng(seed)
    eye = np.zeros((side, side, 3), np.uint8)
    cv2.circle(eye, (side // 2, side // 2), int(0.47 * side), (190, 95, 45), -1)
    coarse = generator.normal(0, 14, (9, 9)).astype(np.float32)
    patches = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    start = generator.integers(side // 4, 3 * side // 4, 2)
    for _ in range(14):
        steps = np.cumsum(generator.normal(0, 9, (24, 2)) + generator.normal(0, 9, 2), axis=0)
        cv2.polylines(eye, [np.int32(start + steps)], False, (120, 40, 30), int(generator.integers(2, 5)), cv2.LINE_AA)
    cv2.circle(eye, tuple(map(int, start)), side // 14, (240, 200, 120), -1, cv2.LINE_AA)
    inside = np.zeros((side, side, 1), np.float32)
    cv2.circle(inside, (side // 2, side // 2), int(0.47 * side), 1, -1)
    return np.clip((eye + patches[..., None]) * inside.reshape(side, side, 1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def fundus() -> Draw:
    """The fundus of a number, always the same."""
    known: dict[int, np.ndarray] = {}
    return lambda seed: known.setdefault(seed, draw(seed))


@pytest.fixture(scope="session")
def save() -> Callable[..., Path]:
    """Write a photograph as a JPEG, by default at quality 95."""

    def write(photograph: np.ndarray, path: Path, quality: int = 95) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photograph[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return path

    return write
