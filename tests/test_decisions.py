from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drkit.decisions import DECISIONS, decide, expected_grade, normal_probabilities
from drkit.errors import UsageError

ROUNDING = (0.5, 1.5, 2.5, 3.5)
quick = settings(max_examples=40)
scores = hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(0, 4, width=32))


@quick
@given(scores)
def test_rounding_is_cut_points_at_the_halves(score: np.ndarray) -> None:
    nothing = np.zeros((len(score), 5))
    by_rounding = decide("rounding", nothing, score)
    assert (by_rounding == decide("cut_points", nothing, score, ROUNDING)).all()
    assert by_rounding.dtype == np.int8


@quick
@given(scores, st.sampled_from([d for d in DECISIONS if d != "cut_points"]))
def test_all_decisions_agree_on_a_normal_well_inside_a_grade(score: np.ndarray, decision: str) -> None:
    inside = np.round(score) + np.clip(score - np.round(score), -0.4, 0.4)
    assert (decide(decision, normal_probabilities(inside, 0.2), inside) == np.round(score)).all()


@quick
@given(scores)
def test_a_one_hot_grade_is_every_decisions_grade(score: np.ndarray) -> None:
    grades = np.round(score).astype(int)
    for decision in DECISIONS:
        assert (decide(decision, np.eye(5)[grades], grades, ROUNDING) == grades).all()


@pytest.mark.parametrize(
    ("decision", "shares", "grade"),
    [
        ("argmax", [0.1, 0.4, 0.4, 0.1, 0], 1),
        ("median", [0.2, 0.3, 0.2, 0.2, 0.1], 1),
        ("median", [0.4, 0, 0, 0.3, 0.3], 3),
        ("median", [0.1, 0.1, 0.1, 0.1, 0.6], 4),
    ],
)
def test_ties_go_to_the_lower_grade(decision: str, shares: list[float], grade: int) -> None:
    assert decide(decision, np.array([shares], np.float32), [0]).tolist() == [grade]


def test_scores_round_half_up_and_stay_on_the_scale() -> None:
    score = [-0.7, 0.49, 0.5, 1.5, 2.4999, 4.6]
    assert decide("rounding", np.zeros((6, 5)), score).tolist() == [0, 0, 1, 2, 2, 4]


def test_a_score_on_a_cut_point_has_reached_it() -> None:
    assert decide("cut_points", np.zeros((3, 5)), [0.7, 0.71, 3.9], (0.71, 1, 2, 4)).tolist() == [0, 1, 3]


@quick
@given(scores, st.floats(0.1, 2))
def test_normal_probabilities_are_the_normals_mass(score: np.ndarray, sigma: float) -> None:
    found = normal_probabilities(score, sigma)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    normal = NormalDist(float(score[0]), sigma)
    edges = [0, *(normal.cdf(edge) for edge in ROUNDING), 1]
    np.testing.assert_allclose(found[0], np.diff(edges), atol=1e-12)


def test_normal_probabilities_are_never_one_hot() -> None:
    assert (normal_probabilities([2.0], 0) < 1).all()
    with pytest.raises(ValueError, match="expected a standard deviation"):
        normal_probabilities([2.0], float("nan"))


def test_expected_grade_is_the_mean() -> None:
    assert expected_grade([[0.5, 0, 0, 0, 0.5], [0, 1, 0, 0, 0]]).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("decision", "cut_points", "sentence"),
    [
        ("arg-max", None, "unknown decision 'arg-max': did you mean argmax"),
        ("cut_points", None, "needs 4 cut points, got none"),
        ("cut_points", (1, 2), "needs 4 cut points, got 2"),
        ("cut_points", (1, 3, 2, 4), "cut points 1, 3, 2, 4: expected ascending numbers"),
    ],
)
def test_an_impossible_decision_is_refused(decision: str, cut_points, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        decide(decision, np.eye(5), np.arange(5), cut_points)
