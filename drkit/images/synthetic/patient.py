"""One synthetic patient: two related eyes and the four photographs of them, from one seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from drkit.grades import MAX_GRADE, Eye
from drkit.images.files import Photograph
from drkit.images.synthetic import camera as cameras
from drkit.images.synthetic.anatomy import Anatomy, draw_anatomy, draw_constitution
from drkit.images.synthetic.camera import Camera, Exposure, Quality
from drkit.images.synthetic.canvas import Layer
from drkit.images.synthetic.lesions import Disease, LesionKind, draw_disease
from drkit.images.synthetic.retina import paint_retina
from drkit.images.synthetic.vessels import Vessel, bead_veins, grow_vessels

VIEWS = (1, 2)  # centred on the macula, centred on the optic disc
# Probability that the other eye's grade is 0, 1, 2 or 3 below that of the worse eye, as in DeepDRiD.
_DROP_CHANCES = (0.36, 0.44, 0.15, 0.05)


@dataclass(frozen=True)
class SyntheticEye:
    """One eye, before it is photographed.

    Args:
        anatomy: The healthy eye.
        vessels: Vessels, with beaded veins in severe disease.
        disease: Grade and lesions.
        exposures: Exposure of each view.
        texture: Seed of the pigment's texture.
    """

    anatomy: Anatomy
    vessels: list[Vessel]
    disease: Disease
    exposures: tuple[Exposure, ...]
    texture: int


@dataclass(frozen=True)
class SyntheticPatient:
    """Two eyes with shared traits, photographed by one camera.

    Args:
        grade: Grade of the worse eye, 0-4.
        camera: The camera of all photographs.
        eyes: Both eyes.
    """

    grade: int
    camera: Camera
    eyes: Mapping[Eye, SyntheticEye]


@dataclass(frozen=True)
class SyntheticPhotograph:
    """One photograph with its ground truth.

    Args:
        eye: Left or right.
        view: 1 is centred on the macula, 2 on the optic disc.
        eye_grade: Grade of the eye, 0-4.
        photograph: uint8 (size, size, 3) RGB.
        mask: uint8 (size, size), the `LesionKind` of each pixel; 0 for background.
        counts: Number of lesions of each kind whose centre is in the fundus disc.
        quality: Quality on DeepDRiD's scales.
    """

    eye: Eye
    view: int
    eye_grade: int
    photograph: Photograph
    mask: Layer
    counts: Mapping[LesionKind, int]
    quality: Quality


def draw_patient(seed: int, patient: int, grade: int) -> SyntheticPatient:
    """Draw a patient whose worse eye has `grade`.

    Traits, anatomy, camera and light come from streams of their own: the same (seed, patient) with
    another grade has the same retina under the same light.
    """
    look, state, *streams = np.random.SeedSequence([seed, patient]).spawn(4)
    rng = np.random.default_rng(look)
    body, camera = draw_constitution(rng), cameras.draw_camera(rng)
    grades = _draw_eye_grades(grade, np.random.default_rng(state))
    sides: tuple[Eye, ...] = get_args(Eye)
    eyes = {
        eye: _draw_eye(draw_anatomy(eye, body, np.random.default_rng(stream)), eye_grade, stream)
        for eye, eye_grade, stream in zip(sides, grades, streams, strict=True)
    }
    return SyntheticPatient(grade, camera, eyes)


def photograph_patient(patient: SyntheticPatient, size: int) -> Iterator[SyntheticPhotograph]:
    """Yield photographs of both views of both eyes, `size` pixels a side."""
    scale = cameras.FIELD_RADIUS * cameras.painted_side(size)
    for eye, subject in patient.eyes.items():
        rng = np.random.default_rng(subject.texture)
        retina = paint_retina(subject.anatomy, subject.vessels, subject.disease, scale, rng)
        for view, exposure in zip(VIEWS, subject.exposures, strict=True):
            # A view of the macula keeps part of the optic disc in the picture.
            aim = subject.anatomy.optic_disc * (0.12 if view == 1 else 0.98)
            photograph, mask = cameras.take_photograph(retina, aim, patient.camera, exposure, size)
            counts = cameras.lesions_in_view(retina, aim, patient.camera, exposure)
            quality = cameras.judge_quality(exposure)
            yield SyntheticPhotograph(eye, view, retina.disease.grade, photograph, mask, counts, quality)


def _draw_eye_grades(grade: int, rng: np.random.Generator) -> tuple[int, int]:
    """Grades of the left and the right eye, whose maximum is `grade`."""
    drop = int(rng.choice(MAX_GRADE, p=_DROP_CHANCES))
    other = max(0, grade - drop)
    return (grade, other) if rng.random() < 0.5 else (other, grade)


def _draw_eye(anatomy: Anatomy, grade: int, stream: np.random.SeedSequence) -> SyntheticEye:
    tree, lesions, light = (np.random.default_rng(child) for child in stream.spawn(3))
    disease = draw_disease(grade, anatomy, lesions)
    vessels = bead_veins(grow_vessels(anatomy, tree), disease.beading, lesions)
    exposures = tuple(cameras.draw_exposure(light) for _ in VIEWS)
    return SyntheticEye(anatomy, vessels, disease, exposures, int(light.integers(2**32)))
