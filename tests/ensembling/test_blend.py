"""Votes and weighted means: oracles, ties and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import VotingClassifier

from drkit.ensembling.blend import Blend, Vote
from drkit.ensembling.combiner import Features, ReferenceGrades
from drkit.ensembling.nested_cv import DecisionRule
from drkit.ensembling.weight import Best, Weight

NO_GRADES = ReferenceGrades(np.empty(0, dtype=int), np.empty(0))


def _features(grades: list[list[int]], scores: list[list[float]] | None = None) -> Features:
    decided = np.array(grades)
    return Features(np.array(scores or grades, dtype=float), np.eye(5)[decided], decided)


def _decide(how: str, features: Features) -> list[int]:
    method = Vote(how)
    predictions = method.fit(features, NO_GRADES, 0).predict(features)
    return DecisionRule(method.decision or "rounding").decide(predictions).tolist()


class _Fixed:
    """A fitted classifier that returns the predictions of a member."""

    def __init__(self, features: Features, member: int) -> None:
        self.features, self.member = features, member

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.features.grades[rows[:, 0], self.member]

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return self.features.probabilities[rows[:, 0], self.member]


def _scikit_learns_vote(how: str, members: list[_Fixed], rows: np.ndarray) -> np.ndarray:
    voting = VotingClassifier([(str(number), None) for number in range(len(members))], voting=how)
    voting.estimators_, voting.classes_ = members, np.arange(5)
    voting.le_ = type("Same", (), {"inverse_transform": staticmethod(lambda grades: grades)})
    return voting.predict(rows)


def _mlxtends_vote(how: str, members: list[_Fixed], rows: np.ndarray) -> np.ndarray:
    classifier = pytest.importorskip("mlxtend.classifier", reason="mlxtend, of the extra oracle, is not installed")
    voting = classifier.EnsembleVoteClassifier(members, voting=how, use_clones=False, fit_base_estimators=False)
    return voting.fit(rows, np.arange(len(rows)) % 5).predict(rows)


@pytest.mark.parametrize("vote", [_scikit_learns_vote, _mlxtends_vote])
@pytest.mark.parametrize("how", ["hard", "soft"])
def test_untied_votes_agree_with_other_libraries(make_features, how: str, vote) -> None:
    features, _ = make_features(0.6, 0.9, 1.2)
    expected = vote(how, [_Fixed(features, member) for member in range(3)], np.arange(len(features))[:, None])
    predictions = Vote(how).fit(features, NO_GRADES, 0).predict(features)
    ties = np.array([len(set(row)) == 3 for row in features.grades]) if how == "hard" else np.zeros(len(features), bool)
    assert (~ties).sum() > 100
    assert np.array_equal(predictions.probabilities.argmax(1)[~ties], expected[~ties])


@pytest.mark.parametrize(
    ("grades", "scores", "expected"),
    [
        ([[0, 4, 4]], [[0.0, 4.0, 4.0]], 4),  # a majority, regardless of the mean
        ([[0, 2, 4]], [[0.0, 2.0, 4.0]], 2),  # all differ: the one nearest the mean
        ([[0, 3]], [[0.4, 3.4]], 3),  # two differ: mean 1.9 is nearer to 3
        ([[0, 3]], [[0.0, 2.6]], 0),  # mean 1.3 is nearer to 0
        ([[1, 3]], [[1.0, 3.0]], 1),  # exactly between: the lower grade
    ],
)
def test_ties_of_a_majority_go_to_the_grade_nearest_the_mean_score(grades, scores, expected: int) -> None:
    assert _decide("hard", _features(grades, scores)) == [expected]


@pytest.mark.parametrize(
    ("grades", "scores", "expected"),
    [
        ([[0, 0, 4]], [[0.0, 0.0, 4.0]], 0),
        ([[0, 2, 4]], [[0.0, 2.0, 4.0]], 2),
        ([[1, 4]], [[1.0, 4.0]], 3),  # 2.5 rounds up
        ([[1, 2, 3, 4]], [[0.6, 1.6, 2.6, 3.6]], 2),  # between 2 and 3, and the mean score is 2.1
        ([[2, 2, 3, 3]], [[2.4, 2.4, 3.4, 3.4]], 3),
    ],
)
def test_the_median_grade(grades, scores, expected: int) -> None:
    assert _decide("median", _features(grades, scores)) == [expected]


def _of_members(features: Features, members: list[int]) -> Features:
    return Features(features.scores[:, members], features.probabilities[:, members], features.grades[:, members])


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from(["hard", "soft", "median"]),
)
def test_votes_do_not_depend_on_order_or_on_doubling_all_members(grades: list[list[int]], how: str) -> None:
    features = _features(grades)
    once = _decide(how, features)
    assert _decide(how, _of_members(features, [2, 0, 1])) == once
    assert _decide(how, _of_members(features, [0, 1, 2, 0, 1, 2])) == once


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.sampled_from(["hard", "soft", "median"]))
def test_a_unanimous_grade_is_not_changed(grades: list[int], how: str) -> None:
    features = _features([[grade] * 3 for grade in grades])
    assert _decide(how, features) == grades


@pytest.mark.parametrize("method", [Vote(), Weight("greedy"), Weight("kappa"), Weight("log-loss"), Best("soft")])
def test_blending_a_model_with_itself_changes_nothing(make_features, method) -> None:
    features, truth = make_features(0.8)
    twice = _of_members(features, [0, 0])
    predictions = method.fit(twice, truth, 0).predict(twice)
    assert predictions.score == pytest.approx(features.scores[:, 0])
    assert predictions.probabilities == pytest.approx(features.probabilities[:, 0])


def test_the_best_member_is_selected(make_features) -> None:
    features, truth = make_features(1.4, 0.3, 0.9)
    assert Best().fit(features, truth, 0).weights == (0, 1, 0)


def test_a_blend_survives_json() -> None:
    blend = Blend((0.25, 0.75), "median")
    assert Blend.from_json(blend.to_json()) == blend
