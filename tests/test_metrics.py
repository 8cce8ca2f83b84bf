import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, recall_score

from drkit import metrics

GRADES = range(5)
quick = settings(max_examples=40)
pairs = st.integers(1, 60).flatmap(
    lambda size: st.tuples(
        hnp.arrays(np.int64, size, elements=st.integers(0, 4)),
        hnp.arrays(np.int64, size, elements=st.integers(0, 4)),
    )
)


@quick
@given(pairs)
def test_a_kappa_is_within_its_range_and_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    reference, predicted = pair
    there, back = metrics.confusion(reference, predicted), metrics.confusion(predicted, reference)
    for kappa in (metrics.plain_kappa, metrics.quadratic_weighted_kappa):
        assert -1 <= kappa(there) <= 1
        assert kappa(there) == kappa(back)


@quick
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_photographs_does_not_matter(pair: tuple[np.ndarray, np.ndarray], random) -> None:
    order = np.array(random.sample(range(len(pair[0])), len(pair[0])))
    shuffled = metrics.confusion(pair[0][order], pair[1][order])
    assert (shuffled == metrics.confusion(*pair)).all()


@quick
@given(pairs, st.integers(2, 5))
def test_every_photograph_taken_k_times_changes_no_share(pair: tuple[np.ndarray, np.ndarray], k: int) -> None:
    once, often = metrics.confusion(*pair), metrics.confusion(*pair, weights=k)
    assert (often == metrics.confusion(np.repeat(pair[0], k), np.repeat(pair[1], k))).all()
    np.testing.assert_allclose(metrics.plain_kappa(often), metrics.plain_kappa(once), atol=1e-12)
    np.testing.assert_allclose(metrics.recalls(often), metrics.recalls(once))


@quick
@given(pairs)
def test_agreeing_with_oneself_is_one_unless_nothing_could_disagree(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    table = metrics.confusion(pair[0], pair[0])
    assert metrics.is_degenerate(table) == (len(set(pair[0])) == 1)
    assert metrics.quadratic_weighted_kappa(table) == (0 if metrics.is_degenerate(table) else 1)


@quick
@given(pairs)
def test_figures_equal_scikit_learns(pair: tuple[np.ndarray, np.ndarray]) -> None:
    table = metrics.confusion(*pair)
    assert (table == confusion_matrix(*pair, labels=GRADES)).all()
    assert metrics.accuracy(table) == pytest.approx(accuracy_score(*pair))
    expected = recall_score(*pair, labels=GRADES, average=None, zero_division=np.nan)
    np.testing.assert_allclose(metrics.recalls(table), expected)
    if metrics.is_degenerate(table):
        return
    for kappa, weights in ((metrics.plain_kappa, None), (metrics.quadratic_weighted_kappa, "quadratic")):
        oracle = cohen_kappa_score(*pair, labels=GRADES, weights=weights)
        assert kappa(table) == pytest.approx(oracle, abs=1e-12)


def test_the_courses_worked_example() -> None:
    assert metrics.plain_kappa([[10, 2], [5, 20]]) == pytest.approx(0.5947, abs=5e-5)


def test_absent_grades_keep_their_place_on_the_scale() -> None:
    table = metrics.confusion([0, 4, 4, 1], [1, 0, 4, 4])
    assert metrics.quadratic_weighted_kappa(table) == pytest.approx(-0.0196, abs=5e-5)
    assert metrics.plain_kappa(table) == pytest.approx(-0.2)


@pytest.mark.parametrize(("reference", "predicted"), [([3, 3, 3], [3, 3, 3]), ([], [])])
def test_a_kappa_with_nothing_to_disagree_about_is_zero(reference: list[int], predicted: list[int]) -> None:
    table = metrics.confusion(np.array(reference, int), np.array(predicted, int))
    assert metrics.is_degenerate(table)
    assert metrics.plain_kappa(table) == metrics.quadratic_weighted_kappa(table) == 0


def test_one_constant_grade_against_several_is_a_measured_zero() -> None:
    table = metrics.confusion([0, 1, 2], [2, 2, 2])
    assert not metrics.is_degenerate(table)
    assert metrics.quadratic_weighted_kappa(table) == 0


def test_leading_axes_are_so_many_tables() -> None:
    generator = np.random.default_rng(0)
    reference, predicted = generator.integers(0, 5, 30), generator.integers(0, 5, (2, 3, 30))
    tables = metrics.confusion(reference, predicted)
    assert (tables.shape, tables.dtype) == ((2, 3, 5, 5), np.int64)
    assert metrics.recalls(tables).shape == (2, 3, 5)
    assert metrics.confusion([0], [[0], [1], [1]]).sum((1, 2)).tolist() == [1, 1, 1]
    for position in np.ndindex(2, 3):
        one = metrics.confusion(reference, predicted[position])
        assert (tables[position] == one).all()
        for metric in (
            metrics.quadratic_weighted_kappa, metrics.plain_kappa, metrics.is_degenerate, metrics.accuracy,
            metrics.recalls, metrics.referable_sensitivity, metrics.referable_specificity,
        ):  # fmt: skip
            np.testing.assert_array_equal(metric(tables)[position], metric(one))


@pytest.mark.parametrize("grades", [[0, 5], [0, 9], [-1, 4]])
def test_a_grade_off_the_scale_is_an_error(grades: list[int]) -> None:
    sentence = f"grades {grades[0]} to {grades[1]} are off the scale 0-4"
    for pair in ((grades, [0, 1]), ([0, 1], grades)):
        with pytest.raises(ValueError, match=sentence):
            metrics.confusion(*pair)


@pytest.mark.parametrize(
    ("kappa", "name"),
    [
        (-0.01, "poor"),
        (0, "slight"),
        (0.2, "slight"),
        (0.21, "fair"),
        (0.5, "moderate"),
        (0.8, "substantial"),
        (0.81, "almost perfect"),
        (1, "almost perfect"),
        (1 + 1e-9, "almost perfect"),  # rounded up
    ],
)
def test_bands_are_the_courses(kappa: float, name: str) -> None:
    assert metrics.band(kappa) == name


@pytest.mark.filterwarnings("error")
def test_referable_is_grade_two_and_worse() -> None:
    table = metrics.confusion([0, 0, 1, 1, 2, 3, 4, 4], [0, 2, 1, 0, 1, 2, 2, 4])
    assert metrics.referable_sensitivity(table) == pytest.approx(3 / 4)
    assert metrics.referable_specificity(table) == pytest.approx(3 / 4)
    assert np.isnan(metrics.referable_sensitivity(metrics.confusion([0], [0])))
