"""The camera varies the photographs of a retina and rates their quality on the course's scales."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from drkit.images.synthetic.camera import (
    Exposure,
    draw_camera,
    draw_exposure,
    judge_quality,
    lesions_in_view,
    take_photograph,
)
from drkit.images.synthetic.patient import draw_patient
from drkit.images.synthetic.retina import Retina, paint_retina

CLEAN = replace(
    draw_exposure(np.random.default_rng(0)),
    offset=np.zeros(2),
    turn=0.0,
    zoom=1.0,
    brightness=1.0,
    slope=np.zeros(2),
    vignette=0.0,
    shadow=np.array([0, 0, 1, 0.0]),
    reflex=np.array([0, 0, 1, 0.0]),
    rim=(0.0, 0.0),
    haze=0.0,
    blur=0.0,
    spots=np.zeros((0, 4)),
)
CAMERA = replace(draw_camera(np.random.default_rng(0)), flatness=0.0, notch=False, sensor=0.0)
SIZE = 128


@pytest.fixture(scope="module")
def retina() -> Retina:
    eye = draw_patient(0, 3, 3).eyes["right"]
    return paint_retina(eye.anatomy, eye.vessels, eye.disease, CAMERA.radius * 384, np.random.default_rng(0))


def photograph(retina: Retina, exposure: Exposure, x: float = 0.3) -> np.ndarray:
    return take_photograph(retina, np.array([x, 0.0]), CAMERA, exposure, SIZE)[0].astype(float)


def test_two_aims_show_the_same_retina_shifted(retina: Retina) -> None:
    shift = 10 / (CAMERA.radius * SIZE)
    here, there = photograph(retina, CLEAN), photograph(retina, CLEAN, x=0.3 + shift)

    inside = slice(40, 88)
    np.testing.assert_allclose(here[inside, inside], there[inside, 30:78], atol=3)
    assert np.abs(here[inside, inside] - there[inside, inside]).mean() > 3


def test_blur_takes_detail_and_haze_takes_contrast(retina: Retina) -> None:
    def detail(exposure: Exposure) -> float:
        return cv2.Laplacian(photograph(retina, exposure)[40:88, 40:88, 1], cv2.CV_64F).std()

    def contrast(exposure: Exposure) -> float:
        return photograph(retina, exposure)[40:88, 40:88, 1].std()

    assert detail(replace(CLEAN, blur=0.012)) < 0.6 * detail(CLEAN)
    assert contrast(replace(CLEAN, haze=0.4)) < 0.8 * contrast(CLEAN)


def test_the_mask_moves_with_the_photograph(retina: Retina) -> None:
    shift = 10 / (CAMERA.radius * SIZE)
    here = take_photograph(retina, np.array([0.3, 0.0]), CAMERA, CLEAN, SIZE)[1]
    there = take_photograph(retina, np.array([0.3 + shift, 0.0]), CAMERA, CLEAN, SIZE)[1]

    inside = slice(40, 88)
    assert (here[inside, inside] > 0).any()
    assert (here[inside, inside] != there[inside, 30:78]).mean() < 0.02


def test_counts_are_of_lesions_that_the_mask_shows(retina: Retina) -> None:
    aim = np.array([0.3, 0.0])
    counts = lesions_in_view(retina, aim, CAMERA, CLEAN)
    seen = set(np.unique(take_photograph(retina, aim, CAMERA, CLEAN, SIZE)[1])) - {0}

    assert {kind for kind, count in counts.items() if count > 0} <= seen
    assert sum(lesions_in_view(retina, np.array([9.0, 9.0]), CAMERA, CLEAN).values()) == 0


@pytest.mark.parametrize(
    ("spoilt", "field"),
    [({"blur": 0.013}, "clarity"), ({"offset": np.array([0.12, 0.05])}, "field_definition")],
)
def test_degraded_photographs_are_rated_lower(spoilt: dict, field: str) -> None:
    assert getattr(judge_quality(replace(CLEAN, **spoilt)), field) < getattr(judge_quality(CLEAN), field)


def test_overall_quality_is_0_when_blurred_or_badly_lit() -> None:
    assert judge_quality(CLEAN).overall == 1
    assert judge_quality(replace(CLEAN, blur=0.010)).overall == 0
    assert judge_quality(replace(CLEAN, brightness=0.5)).overall == 0
    assert judge_quality(replace(CLEAN, shadow=np.array([0, 0, 0.5, 0.7]))).overall == 0


def test_ratings_are_those_of_the_real_table(shared_data: Path) -> None:
    real = pd.read_csv(shared_data / "DeepDRiD" / "train.csv")
    rng = np.random.default_rng(0)
    ratings = [judge_quality(draw_exposure(rng)) for _ in range(500)]

    assert {rating.clarity for rating in ratings} <= set(real["Clarity"])
    assert {rating.field_definition for rating in ratings} <= set(real["Field definition"])
    assert {rating.artifact for rating in ratings} <= set(real["Artifact"])
    assert abs(np.mean([rating.overall for rating in ratings]) - real["Overall quality"].mean()) < 0.15
