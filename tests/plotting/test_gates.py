"""Channel gates by grade: hand-computed figures, and no dependence by chance."""

import numpy as np
import pytest

from drkit.errors import InputError
from drkit.plotting.gates import Gates, correlation_ratios, draw_gates, measure_gates


def _gates(effect: float, num_patients: int = 40, seed: int = 0) -> Gates:
    """Gates of 8 channels that increase by `effect` per grade, for two photographs per patient."""
    generator = np.random.default_rng(seed)
    grades = np.repeat(np.arange(num_patients) % 5, 2)
    noise = np.repeat(generator.normal(0, 0.1, (num_patients, 8)), 2, axis=0)
    factors = np.clip(1 + effect * (grades[:, None] - 2) + noise, 0, 2)
    return Gates(factors, grades, np.repeat(np.arange(num_patients), 2).astype(str))


def test_the_correlation_ratio_is_that_of_the_book() -> None:
    values, groups = np.array([[1.0], [3.0], [5.0], [7.0]]), np.array([0, 0, 1, 1])
    assert correlation_ratios(values, groups) == pytest.approx(16 / 20)
    assert correlation_ratios(np.ones((4, 2)), groups).tolist() == [0, 0]
    assert correlation_ratios(np.array([[0.0], [1.0]] * 2), groups) == pytest.approx(0)


def test_gates_that_depend_on_the_grade_are_distinguished_from_those_that_do_not() -> None:
    going, resting = measure_gates(_gates(0.1)), measure_gates(_gates(0.0))
    assert going.explained > 0.5 > 3 * going.explained_by_chance
    assert going.probability_by_chance == 0
    assert "no association" not in going.sentence()
    assert resting.explained == pytest.approx(resting.explained_by_chance, abs=0.05)
    assert resting.probability_by_chance > 0.05
    assert "no association of the gates with the grade is shown" in resting.sentence()


def test_gates_that_were_never_opened_do_nothing() -> None:
    still = _gates(0.0)
    figures = measure_gates(Gates(np.ones_like(still.factors), still.grades, still.patients))
    assert (figures.near_one, figures.explained, figures.mean_by_grade) == (1, 0, (0, 0, 0, 0, 0))
    assert "100% of 8 channels" in figures.sentence()


def test_a_single_grade_shows_no_dependence() -> None:
    gates = _gates(0.1)
    with pytest.raises(InputError, match="different reference grades"):
        measure_gates(Gates(gates.factors, np.zeros_like(gates.grades), gates.patients))


@pytest.mark.parametrize("grades", [range(5), (0, 4)])
def test_the_picture_can_be_read(grades, check_texts) -> None:
    gates = _gates(0.1)
    kept = np.isin(gates.grades, grades)
    chosen = Gates(gates.factors[kept], gates.grades[kept], gates.patients[kept])
    check_texts(draw_gates(chosen, "tf_efficientnet_lite0-patient-patient-corn-cbam-ben-graham-clahe-seed-3: val"))
