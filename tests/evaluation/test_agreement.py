"""Measures of agreement with intervals over patients."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, recall_score

from drkit.evaluation.agreement import measure_agreement, with_interval


def test_every_figure_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 5, 200)
    predicted = np.clip(reference + generator.integers(-1, 2, 200), 0, 4)
    found = measure_agreement(reference, predicted, np.arange(200) // 4)
    quadratic = cohen_kappa_score(reference, predicted, weights="quadratic", labels=range(5))
    assert found.quadratic_weighted_kappa == pytest.approx(quadratic)
    assert found.plain_kappa == pytest.approx(cohen_kappa_score(reference, predicted, labels=range(5)))
    assert found.recalls == pytest.approx(recall_score(reference, predicted, average=None))
    assert found.referable_sensitivity == pytest.approx(recall_score(reference >= 2, predicted >= 2))
    assert (found.cases, found.patients) == (200, 50)
    low, high = found.quadratic_weighted_kappa_interval
    assert low < found.quadratic_weighted_kappa < high


def test_perfect_and_hopeless_graders() -> None:
    grades = np.arange(20) % 5
    perfect = measure_agreement(grades, grades, np.arange(20))
    assert (perfect.quadratic_weighted_kappa, perfect.plain_kappa, perfect.band) == (1, 1, "almost perfect")
    one_grade = measure_agreement(np.zeros(8), np.zeros(8), np.arange(8))
    assert (one_grade.degenerate, one_grade.quadratic_weighted_kappa, one_grade.recalls[4]) == (True, 0, None)


def test_a_figure_is_printed_with_its_interval() -> None:
    assert with_interval(0.8515, (0.8, 0.9)) == "0.852 (0.800 to 0.900)"
    assert with_interval(-0.0001, (-0.2, -0.0)) == "0.000 (-0.200 to 0.000)"
