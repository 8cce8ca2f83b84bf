"""Lesions depend on the ICDR grade, and their positions do not."""

from functools import cache

import numpy as np
import pytest
from scipy.stats import ks_2samp

from drkit.images.synthetic.anatomy import Anatomy, draw_anatomy, draw_constitution
from drkit.images.synthetic.lesions import Disease, LesionKind, draw_disease

EYES = range(60)


def draw_eye(seed: int) -> Anatomy:
    rng = np.random.default_rng(seed)
    return draw_anatomy("left" if seed % 2 else "right", draw_constitution(rng), rng)


@cache
def draw_many(grade: int) -> list[tuple[Anatomy, Disease]]:
    eyes = [draw_eye(seed) for seed in EYES]
    return [(eye, draw_disease(grade, eye, np.random.default_rng([grade, k]))) for k, eye in enumerate(eyes)]


def kinds(disease: Disease) -> set[LesionKind]:
    return {lesion.kind for lesion in disease.lesions}


def test_grade_0_has_no_lesions_and_grade_1_microaneurysms_only() -> None:
    assert all(not disease.lesions for _, disease in draw_many(0))
    assert all(kinds(disease) == {LesionKind.MICROANEURYSM} for _, disease in draw_many(1))


def test_grade_2_has_more_than_microaneurysms_and_neither_new_vessels_nor_beading() -> None:
    for _, disease in draw_many(2):
        assert {LesionKind.MICROANEURYSM, LesionKind.HAEMORRHAGE} <= kinds(disease)
        assert LesionKind.NEW_VESSELS not in kinds(disease)
        assert disease.beading == 0


def test_grade_3_bleeds_in_four_quadrants() -> None:
    for eye, disease in draw_many(3):
        bleedings = [lesion.centre for lesion in disease.lesions if lesion.kind == LesionKind.HAEMORRHAGE]
        quadrants = [(x > 0.30 * eye.side, y > 0) for x, y in bleedings]
        assert min(quadrants.count((right, low)) for right in (True, False) for low in (True, False)) >= 3
        assert LesionKind.NEW_VESSELS not in kinds(disease)
    assert np.mean([disease.beading > 0 for _, disease in draw_many(3)]) > 0.5


def test_grade_4_and_only_grade_4_has_new_vessels() -> None:
    assert all(LesionKind.NEW_VESSELS in kinds(disease) for _, disease in draw_many(4))


@pytest.mark.parametrize("grade", [1, 2, 3])
def test_counts_of_neighbouring_grades_overlap(grade: int) -> None:
    fewer = [len(disease.lesions) for _, disease in draw_many(grade)]
    more = [len(disease.lesions) for _, disease in draw_many(grade + 1)]

    assert np.percentile(fewer, 90) > np.percentile(more, 10)


@pytest.mark.parametrize("kind", [LesionKind.MICROANEURYSM, LesionKind.HARD_EXUDATE])
def test_places_and_sizes_do_not_depend_on_the_grade(kind: LesionKind) -> None:
    def measures(grade: int) -> np.ndarray:
        chosen = [(e, x) for e, disease in draw_many(grade) for x in disease.lesions if x.kind == kind]
        return np.array([(x.centre[0] * e.side, x.centre[1], np.ptp(x.outlines[0][:, 0])) for e, x in chosen])

    for moderate, proliferative in zip(measures(2).T, measures(4).T, strict=True):
        assert ks_2samp(moderate, proliferative).pvalue > 0.01


def test_microaneurysms_are_no_wider_than_a_vein_and_smaller_than_haemorrhages() -> None:
    widths: dict[LesionKind, list[float]] = {LesionKind.MICROANEURYSM: [], LesionKind.HAEMORRHAGE: []}
    for eye, disease in draw_many(2):
        for lesion in disease.lesions:
            if lesion.kind in widths:
                widths[lesion.kind].append(np.ptp(np.concatenate(lesion.outlines)[:, 0]) / eye.body.disc_radius)
    assert max(widths[LesionKind.MICROANEURYSM]) < 0.35  # of the optic disc's radius
    assert min(widths[LesionKind.HAEMORRHAGE]) > np.mean(widths[LesionKind.MICROANEURYSM])
