"""Cut points are optimal, and are never fitted on the photographs that they decide."""

from collections.abc import Callable
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.cut_points import (
    ROUNDING,
    fit_cut_points,
    fit_steady_cut_points,
    fit_without_each,
    shrink_to_rounding,
)
from drkit.decisions import decide, decide_by_fold
from drkit.metrics import confusion, quadratic_weighted_kappa
from drkit.resampling import draw_bags

quick = settings(max_examples=60)

Case = tuple[np.ndarray, np.ndarray]


@st.composite
def graded_scores(draw: st.DrawFn) -> Case:
    """Up to nine photographs with scores that often tie."""
    size = draw(st.integers(1, 9))
    score = st.one_of(st.sampled_from([0.0, 0.5, 1.2, 2.5, 4.0]), st.floats(0, 4, width=32))
    scores = draw(st.lists(score, min_size=size, max_size=size))
    return np.array(scores), np.array(draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))


def _grade(score: np.ndarray, cut_points: tuple[float, ...]) -> np.ndarray:
    return decide("cut_points", np.empty((0, 5)), score, cut_points)


def _kappa(score: np.ndarray, reference: np.ndarray, cut_points: tuple[float, ...]) -> float:
    return float(quadratic_weighted_kappa(confusion(reference, _grade(score, cut_points))))


def _draw(seed: int, size: int, noise: float = 0.8) -> Case:
    generator = np.random.default_rng(seed)
    reference = generator.choice(5, size, p=(0.4, 0.2, 0.2, 0.1, 0.1))
    return np.clip(0.7 * reference + generator.normal(0.4, noise, size), 0, 4), reference


@quick
@given(graded_scores())
def test_no_other_thresholds_give_a_higher_kappa(case: Case) -> None:
    score, reference = case
    places = [*np.unique(score), np.inf]
    best = max(_kappa(score, reference, np.nan_to_num(cuts)) for cuts in combinations_with_replacement(places, 4))
    found = fit_cut_points(score, reference)
    if best > 1e-12:
        assert _kappa(score, reference, found) == pytest.approx(best)
    else:
        assert found == ROUNDING


@quick
@given(graded_scores())
def test_cut_points_are_never_worse_than_rounding_and_always_rise(case: Case) -> None:
    found = fit_cut_points(*case)
    assert _kappa(*case, found) >= _kappa(*case, ROUNDING) - 1e-12
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_single_threshold_can_be_moved_for_the_better(seed: int) -> None:
    score, reference = _draw(seed, 400)
    found = fit_cut_points(score, reference)
    best = _kappa(score, reference, found)
    assert best > _kappa(score, reference, ROUNDING)
    for place in range(4):
        for moved in np.linspace(0, 4, 81):
            other = np.sort([*found[:place], moved, *found[place + 1 :]])
            assert _kappa(score, reference, other) <= best + 1e-12


@pytest.mark.parametrize("stretch", [np.exp, np.cbrt, lambda score: 3 * score - 7, lambda score: score / 1e6])
def test_only_the_order_of_the_scores_decides(stretch: Callable[[np.ndarray], np.ndarray]) -> None:
    score, reference = _draw(7, 300)
    plain = _grade(score, fit_cut_points(score, reference))
    stretched = stretch(score)
    assert (_grade(stretched, fit_cut_points(stretched, reference)) == plain).all()


def test_the_order_of_the_photographs_does_not_matter() -> None:
    score, reference = _draw(3, 200)
    order = np.random.default_rng(0).permutation(200)
    assert fit_cut_points(score[order], reference[order]) == fit_cut_points(score, reference)


def test_a_million_photographs_have_the_cut_points_of_a_part_of_them() -> None:
    """The sums of a million photographs do not fit into 64-bit integers."""
    score, reference = _draw(0, 1_000_000)
    score = np.round(4 * score) / 4
    assert fit_cut_points(score, reference) == fit_cut_points(score[:200_000], reference[:200_000])


def test_thresholds_lie_midway_between_neighbours() -> None:
    assert fit_cut_points([0, 0.4, 1, 2, 2.2, 3.6], [0, 0, 1, 2, 3, 4]) == pytest.approx((0.7, 1.5, 2.1, 2.9))


@pytest.mark.parametrize(
    ("score", "reference"),
    [
        ([], []),
        ([2.0, 2.0, 2.0], [0, 1, 4]),  # one score
        ([0.0, 1.0, 2.0], [3, 3, 3]),  # one grade
        ([0.0, 2.0, 4.0], [4, 2, 0]),  # upside down
        ([1.0], [4]),
    ],
)
def test_rounding_where_nothing_can_be_learned(score: list[float], reference: list[int]) -> None:
    assert fit_cut_points(score, reference) == ROUNDING


def test_a_grade_that_no_photograph_has_leaves_its_cut_point_near_rounding() -> None:
    assert fit_cut_points([0.0, 1.0, 2.0], [0, 1, 2]) == (0.5, 1.5, 2.5, 3.5)
    first, second, third, fourth = fit_cut_points([0.8, 1.0, 3.7], [1, 1, 3])
    assert (first, second) == (0.5, 0.5 * (1.0 + 3.7))
    assert third == second
    assert 3.7 < fourth < 3.7001  # no photograph has grade 4, so no observed score may be graded 4


def test_neighbouring_floats_are_separated() -> None:
    score = np.array([1.0, np.nextafter(1.0, 2)])
    assert _grade(score, fit_cut_points(score, [0, 4])).tolist() == [0, 4]


def test_steady_cut_points_rise_and_depend_only_on_the_seed() -> None:
    generator = np.random.default_rng(0)
    reference, patients = np.repeat(generator.integers(0, 5, 30), 2), np.repeat(np.arange(30), 2)
    score = reference * 0.7 + generator.normal(0, 0.4, 60)
    found = [fit_steady_cut_points(score, reference, patients, seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert list(found[0]) == sorted(found[0])
    assert found[0] == pytest.approx([0.35, 1.05, 1.75, 2.45], abs=0.4)


@pytest.mark.parametrize(("enough", "num_bags"), [(10**6, 20), (150, 3), (149, 2), (100, 2)])
def test_steady_cut_points_are_the_mean_over_as_many_samples_as_have_enough_photographs(
    enough: int, num_bags: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drkit.cut_points.ENOUGH_PHOTOGRAPHS", enough)
    (score, reference), patients = _draw(1, 50), np.arange(50) // 2
    fits = [fit_cut_points(score[rows], reference[rows]) for rows in draw_bags(patients, num_bags, 7)]
    assert fit_steady_cut_points(score, reference, patients, 7) == pytest.approx(np.mean(fits, axis=0))


@pytest.mark.parametrize("enough", [99, 50, 49])
def test_photographs_that_are_enough_at_once_are_not_sampled(enough: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drkit.cut_points.ENOUGH_PHOTOGRAPHS", enough)
    score, reference = _draw(1, 50)
    assert fit_steady_cut_points(score, reference, np.arange(50) // 2, 7) == fit_cut_points(score, reference)


def test_steady_cut_points_without_photographs_are_those_of_rounding() -> None:
    assert fit_steady_cut_points([], [], np.array([]), 0) == ROUNDING


def test_shrinking_goes_to_rounding_by_the_weight() -> None:
    fitted = (0.0, 2.0, 2.0, 4.0)
    assert shrink_to_rounding(fitted, 0) == fitted
    assert shrink_to_rounding(fitted, 0.25) == (0.125, 1.875, 2.125, 3.875)
    assert shrink_to_rounding(fitted, 1) == ROUNDING


def test_each_fold_is_decided_by_the_others() -> None:
    score, reference = _draw(5, 120)
    fold = np.arange(120) % 3
    decided = _cross_fit(score, reference, fold)
    for held_out in (fold == number for number in range(3)):
        assert (
            decided[held_out] == _grade(score[held_out], fit_cut_points(score[~held_out], reference[~held_out]))
        ).all()
    assert decided.dtype == np.int8


def test_a_folds_own_reference_never_reaches_its_grades() -> None:
    score, reference = _draw(5, 120)
    fold = np.arange(120) % 3
    altered = np.where(fold == 1, 4 - reference, reference)
    assert (_cross_fit(score, altered, fold) == _cross_fit(score, reference, fold))[fold == 1].all()


def test_scores_of_a_single_fold_are_rounded() -> None:
    score, reference = _draw(5, 30)
    assert (_cross_fit(score, reference, np.zeros(30)) == decide("rounding", [], score)).all()


@pytest.mark.parametrize(
    ("score", "reference", "sentence"),
    [
        ([0.0, np.nan, 1.0], [0, 1, 2], "1 of 3 scores are not finite"),
        ([0.0, 1.0], [0, 5], "grades 0 to 5 are off the scale"),
        ([0.0, 1.0], [-1, 0], "grades -1 to 0 are off the scale"),
        ([0.0, 1.0], [0], "expected the same number of each"),
        ([0.0], [0, 1], "expected the same number of each"),
        (0.0, 0, "expected the same number of each"),
        ([[0.0]], [[0]], "expected the same number of each"),
    ],
)
def test_input_that_cannot_be_fitted_is_refused(score: list[float], reference: list[int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fit_cut_points(score, reference)


def _cross_fit(score: np.ndarray, reference: np.ndarray, fold: np.ndarray) -> np.ndarray:
    return decide_by_fold(
        score, fold, ROUNDING, fit_without_each(fold, lambda rows: fit_cut_points(score[rows], reference[rows]))
    )
