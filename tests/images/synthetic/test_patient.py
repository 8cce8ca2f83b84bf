"""One synthetic patient: similar eyes, lesions confined to their masks, and colours independent of the grade."""

import cv2
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from drkit.images.synthetic.cohort import draw_cohort
from drkit.images.synthetic.patient import SyntheticPhotograph, draw_patient, photograph_patient


def take_all(patient: int, grade: int, size: int = 96) -> list[SyntheticPhotograph]:
    return list(photograph_patient(draw_patient(0, patient, grade), size))


@pytest.mark.parametrize("size", [33, 64, 256, 512])
def test_photographs_have_the_given_size_and_types(size: int) -> None:
    takes = take_all(1, 4, size)

    assert [(take.eye, take.view) for take in takes] == [("left", 1), ("left", 2), ("right", 1), ("right", 2)]
    for take in takes:
        assert take.photograph.shape == (size, size, 3)
        assert take.mask.shape == (size, size)
        assert take.photograph.dtype == take.mask.dtype == np.uint8
        assert take.photograph[0, 0].max() < 12 < take.photograph.mean()


def test_the_same_seed_takes_the_same_photographs() -> None:
    for once, again in zip(take_all(5, 3), take_all(5, 3), strict=True):
        np.testing.assert_array_equal(once.photograph, again.photograph)
        np.testing.assert_array_equal(once.mask, again.mask)
    assert (take_all(6, 3)[0].photograph != take_all(5, 3)[0].photograph).mean() > 0.3


@pytest.mark.parametrize("patient", range(4))
def test_lesions_change_the_photograph_only_where_the_mask_names_them(patient: int) -> None:
    for well, ill in zip(take_all(patient, 0), take_all(patient, 2), strict=True):
        reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (19, 19))  # soft edges, defocus, an eighth of a radius
        near = cv2.dilate((ill.mask > 0).astype(np.uint8), reach) > 0
        changed = (well.photograph != ill.photograph).any(axis=2)
        edge = np.hypot(*(np.mgrid[:96, :96] - 47.5)) > 0.36 * 96  # lesions outside the disc blur into it
        assert not (changed & ~near & ~edge).any()
        assert changed.any() == (ill.mask > 0).any()


def test_every_lesion_pixel_lies_in_the_fundus_disc() -> None:
    for patient in range(12):
        subject = draw_patient(1, patient, 3 + patient % 2)
        for take in photograph_patient(subject, 64):
            rows, columns = np.nonzero(take.mask)
            assert len(rows) > 0
            from_middle = np.hypot(rows - 31.5, columns - 31.5)
            assert from_middle.max() <= subject.camera.radius * 64
            upright = np.abs(rows - 31.5) / (subject.camera.radius * 64)
            assert upright.max() <= 1 - subject.camera.flatness
            assert (take.photograph[take.mask > 0].max(axis=1) > 0).all()


def test_size_changes_resolution_not_the_eye() -> None:
    for small, large in zip(take_all(7, 2, 64), take_all(7, 2, 256), strict=True):
        reduced = cv2.resize(large.photograph, (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(reduced.astype(float) - small.photograph).mean() < 4
        assert small.counts == large.counts


def test_the_worse_eye_has_the_patients_grade_and_the_other_is_near() -> None:
    drops = []
    for patient in range(60):
        grade = patient % 5
        grades = [eye.disease.grade for eye in draw_patient(3, patient, grade).eyes.values()]
        assert max(grades) == grade
        drops.append(grade - min(grades))
    assert np.mean(np.array(drops) <= 1) > 0.65
    assert {0, 1} <= set(drops)


def test_eyes_of_a_patient_are_more_alike_than_eyes_of_two() -> None:
    patients = [draw_patient(0, patient, 1) for patient in range(12)]
    left = np.array([patient.eyes["left"].anatomy.body.pigment for patient in patients])
    right = np.array([patient.eyes["right"].anatomy.body.pigment for patient in patients])

    np.testing.assert_array_equal(left, right)
    assert np.linalg.norm(left - np.roll(right, 1, axis=0), axis=1).min() > 0


def test_global_colour_does_not_tell_the_grade() -> None:
    rows, grades, patients = [], [], []
    for member in draw_cohort(70, seed=1):
        for take in photograph_patient(draw_patient(1, member.patient, member.grade), 32):
            pixels = take.photograph.reshape(-1, 3).astype(float)
            rows.append([*pixels.mean(axis=0), *pixels.std(axis=0)])
            grades.append(take.eye_grade)
            patients.append(member.patient)
    ridge = make_pipeline(StandardScaler(), Ridge(1.0))
    scores = cross_val_predict(ridge, rows, grades, groups=patients, cv=GroupKFold(5))
    predicted = np.clip(np.round(scores), 0, 4).astype(int)

    assert cohen_kappa_score(grades, predicted, labels=range(5), weights="quadratic") < 0.3
