"""The photographs that represent a grade."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from drkit.plotting.gallery import QUALITY, show_examples
from drkit.records.labels import Labels

COUNT = 8  # photographs
POOR = {0, 1, 2, 3, 4}


@pytest.fixture
def graded(tmp_path: Path, fundus, save) -> pd.DataFrame:
    """Eight photographs of grade 0, one per patient; the first five are dark and blurred."""
    for number in range(COUNT):
        photograph = fundus(number)
        if number in POOR:
            photograph = (cv2.GaussianBlur(photograph, None, 12) * 0.15).astype(np.uint8)
        save(photograph, tmp_path / f"{number}_l1.jpg")
    names = [f"{number}_l1" for number in range(COUNT)]
    return pd.DataFrame(
        {
            "image_id": names,
            "path": [str(tmp_path / f"{name}.jpg") for name in names],
            "patient_id": [str(number) for number in range(COUNT)],
            "eye": "left",
            "view": 1,
            "split": "train",
            "eye_grade": 0,
            "gradable": True,
            "patient_grade": 0,
        }
    )


def _shown(rows: pd.DataFrame, num: int, seed: int) -> list[int]:
    examples = show_examples(Labels(rows, Path("/nowhere"), "test", ("eye", "patient")), num, seed, side=32)
    assert [len(of_grade) for of_grade in examples[1:]] == [0] * 4
    return [int(item.image_id.partition("_")[0]) for item in examples[0]]


@pytest.mark.parametrize("seed", range(3))
def test_photographs_that_the_data_set_calls_good_come_first(graded, seed: int) -> None:
    judged = graded.assign(**{QUALITY: [float(number not in POOR) for number in range(COUNT)]})
    shown = _shown(judged, 5, seed)
    assert set(shown[:3]) == {5, 6, 7}
    assert set(shown[3:]) < POOR


def test_the_data_sets_judgement_counts_more_than_the_measured_quality(graded) -> None:
    judged = graded.assign(**{QUALITY: [float(number in POOR) for number in range(COUNT)]})
    assert set(_shown(judged, 5, 0)) == POOR


@pytest.mark.parametrize("seed", range(3))
def test_without_a_judgement_photographs_with_quality_warnings_come_last(graded, seed: int) -> None:
    shown = _shown(graded, 3, seed)
    assert set(shown) == {5, 6, 7}
    assert _shown(graded, 2, seed)[0] not in POOR


def test_different_patients_come_before_a_second_photograph_of_one(graded) -> None:
    of_two = graded.assign(patient_id=["a", "a", "a", "a", "b", "a", "a", "b"], **{QUALITY: 1.0})
    first, second = _shown(of_two, 2, 0)
    assert {of_two["patient_id"][first], of_two["patient_id"][second]} == {"a", "b"}
