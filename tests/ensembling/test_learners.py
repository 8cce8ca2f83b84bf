"""Meta-learners: oracles, what strong regularisation leaves, and what is saved."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.ensemble import StackingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from drkit.data.folds import assign_folds
from drkit.ensembling import ordinal
from drkit.ensembling.bag import Bag
from drkit.ensembling.blend import Vote
from drkit.ensembling.boost import Boost, weigh_by_adaboost
from drkit.ensembling.combiner import Features, ReferenceGrades, hold_out
from drkit.ensembling.design import Scaling, build_columns
from drkit.ensembling.ordinal import fit_ordinal
from drkit.ensembling.ridge import fit_linear, fit_ridge
from drkit.ensembling.serialization import restore_combiner
from drkit.ensembling.stack import Stack
from drkit.ensembling.weight import Weight

METHODS = [
    Vote("hard"), Vote("soft"), Vote("median"), Weight("greedy"), Weight("kappa"), Weight("log-loss"),
    Stack("ridge", 1.0), Stack("ordinal", 1.0), Boost(rounds=10), Boost("adaboost"), Bag(Stack("ridge", 1.0), 3),
]  # fmt: skip


def test_ridge_is_scikit_learns_on_the_same_folds(make_features) -> None:
    """The first column goes free there by being made large: what is large is hardly held."""
    features, truth = make_features(0.6, 0.9, 1.2)
    folds = assign_folds(truth.reference, truth.patients, 4, 0)
    columns, ours, theirs = build_columns(features), np.empty(len(truth)), np.empty(len(truth))
    for number in range(4):
        seen, held = folds != number, folds == number
        scaling = Scaling.of(columns[seen])
        large = np.ones(columns.shape[1])
        large[0] = 1e5
        model = SklearnRidge(alpha=0.3 * seen.sum()).fit(scaling.apply(columns[seen]) * large, truth.reference[seen])
        theirs[held] = np.clip(model.predict(scaling.apply(columns[held]) * large), 0, 4)
        ours[held] = fit_ridge(features.take(seen), truth.take(seen), 0.3).predict(features.take(held)).score
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert hold_out(Stack("ridge", 0.3), features, truth, folds, 0).score == pytest.approx(theirs, abs=1e-6)


def _scikit_learns_stack(members: list, meta, splits: list):
    return StackingRegressor([(str(number), member) for number, member in enumerate(members)], meta, cv=splits)


def _mlxtends_stack(members: list, meta, splits: list):
    regressor = pytest.importorskip("mlxtend.regressor", reason="mlxtend, of the extra oracle, is not installed")
    return regressor.StackingCVRegressor(members, meta, cv=splits)


def _mean_and_departures(scores: np.ndarray) -> np.ndarray:
    mean = scores.mean(1, keepdims=True)
    return np.hstack([mean, scores - mean])


def _without_probabilities(scores: np.ndarray) -> Features:
    return Features(scores, np.zeros((*scores.shape, 5)), np.zeros(scores.shape, dtype=int))


@pytest.mark.parametrize("stack", [_scikit_learns_stack, _mlxtends_stack])
def test_a_whole_stack_is_that_of_the_libraries_on_the_same_folds(stack) -> None:
    """From training two regressors on each fold's others to answers for photographs that nobody has seen."""
    generator, patients = np.random.default_rng(0), np.repeat(np.arange(50), 4)
    seen, unseen = generator.normal(size=(200, 6)), generator.normal(size=(40, 6))
    reference = np.clip(np.rint(2 + seen @ (1, 0.7, 0.5, 0, 0, 0) + generator.normal(0, 0.5, 200)), 0, 4).astype(int)
    folds = assign_folds(reference, patients, 4, 0)
    splits = [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in range(4)]
    members = [SklearnRidge(5.0), DecisionTreeRegressor(max_depth=3, random_state=0)]
    meta = make_pipeline(
        FunctionTransformer(_mean_and_departures),
        StandardScaler(),
        FunctionTransformer(lambda columns: columns * (1e5, 1, 1)),  # what is large is hardly held
        SklearnRidge(0.3 * len(seen)),
    )
    theirs = stack(members, meta, splits).fit(seen, reference).predict(unseen)
    held_out = np.stack([cross_val_predict(member, seen, reference, cv=splits) for member in members], 1)
    refitted = np.stack([member.fit(seen, reference).predict(unseen) for member in members], 1)
    ours = fit_ridge(_without_probabilities(held_out), ReferenceGrades(reference, patients), 0.3)
    answers = ours.predict(_without_probabilities(refitted))
    assert np.ptp(theirs) > 2
    assert answers.score == pytest.approx(np.clip(theirs, 0, 4), abs=1e-6)


def test_ordinal_regression_of_two_grades_is_logistic_regression(make_features) -> None:
    features, truth = make_features(0.8, 1.0)
    two = ReferenceGrades((truth.reference >= 2).astype(int), truth.patients)
    found = fit_ordinal(features, two, 0.05)
    columns = build_columns(features)
    scaled = Scaling.of(columns).apply(columns)
    wide = np.ones(scaled.shape[1])
    wide[0] = 1e2
    model = LogisticRegression(C=1 / (0.05 * len(two)), tol=1e-8, max_iter=5000).fit(scaled * wide, two.reference)
    theirs = model.predict_proba(scaled * wide)[:, 1]
    ours = found.predict(features).probabilities
    assert ours[:, 1:].sum(1) == pytest.approx(theirs, abs=5e-3)
    assert ours[:, 2:].sum(1).max() < 0.05


def test_the_gradient_of_ordinal_regression_is_right() -> None:
    generator = np.random.default_rng(0)
    scaled, reference, penalty = generator.normal(size=(30, 3)), generator.integers(0, 5, 30), np.array([0.0, 1, 2])
    arguments = scaled, reference, penalty
    for _ in range(5):
        point = generator.normal(size=7)
        error = check_grad(
            lambda x: ordinal._objective(x, *arguments)[0], lambda x: ordinal._objective(x, *arguments)[1], point
        )
        assert error < 2e-4  # of forward differences


@pytest.mark.parametrize("learner", ["ridge", "ordinal"])
def test_held_to_nothing_a_stack_orders_photographs_as_the_plain_mean_does(make_features, learner: str) -> None:
    features, truth = make_features(0.5, 1.0, 1.5)
    score = Stack(learner, 1e6).fit(features, truth, 0).predict(features).score
    inside = (score > 0) & (score < 4)
    order = np.argsort(features.scores.mean(1)[inside])
    assert (np.diff(score[inside][order]) > -1e-6).all()


def test_no_trees_are_the_plain_mean(make_features) -> None:
    features, truth = make_features(0.5, 1.0)
    fitted = Boost(rounds=0).fit(features, truth, 0)
    assert fitted.model == ""
    assert fitted.predict(features).score == pytest.approx(features.scores.mean(1))


def test_tuning_prefers_caution_where_there_is_nothing_to_learn(make_features) -> None:
    """Members that differ by noise alone: the plain mean is all there is."""
    features, truth = make_features(0.7, 0.7, 0.7, patients=60)
    folds = assign_folds(truth.reference, truth.patients, 5, 0)
    tuned = Stack().tune(features, truth, folds, 0)
    assert tuned.strength >= 0.3
    assert 0.2 < tuned.sigma < 0.7


def test_stacking_learns_to_trust_the_better_member(make_features) -> None:
    features, truth = make_features(0.25, 2.0, patients=100)
    folds = assign_folds(truth.reference, truth.patients, 5, 0)
    for method in (Stack(), Boost()):
        tuned = method.tune(features, truth, folds, 0)
        error = np.mean((hold_out(tuned, features, truth, folds, 0).score - truth.reference) ** 2)
        assert error < 0.5 * np.mean((features.scores.mean(1) - truth.reference) ** 2)


def test_one_fold_leaves_the_cautious_settings(make_features) -> None:
    features, truth = make_features(0.7, 0.7, patients=3)
    folds = np.zeros(len(truth), dtype=int)
    assert Stack().tune(features, truth, folds, 0).strength == 10
    assert Boost().tune(features, truth, folds, 0).rounds == 20


def test_trees_use_embeddings_where_they_help(make_features) -> None:
    features, truth = make_features(1.5, 1.5, patients=80)
    generator = np.random.default_rng(0)
    telling = generator.normal(0, 0.1, (len(truth), 40)).astype(np.float32)
    telling[:, :3] += truth.reference[:, None]
    seeing = replace(features, embeddings=(telling, telling))
    folds = assign_folds(truth.reference, truth.patients, 4, 0)
    errors = {
        uses: np.mean((hold_out(Boost("lightgbm", 80, uses), seeing, truth, folds, 0).score - truth.reference) ** 2)
        for uses in (True, False)
    }
    assert errors[True] < 0.7 * errors[False]


def test_adaboost_by_hand() -> None:
    """Three patients of one photograph; the first member errs on one, the second on the other two.

    Round 1: errors 1/3 and 2/3, so the first gains log(2) + log(4) = log(8); its wrong patient then weighs 8 of 10.
    Round 2: errors 0.8 and 0.2: chance is 0.8, the second gains log(4) + log(4) = log(16).
    """
    truth = ReferenceGrades(np.array([0, 1, 2]), np.arange(3))
    grades = np.array([[0, 4], [1, 4], [4, 2]])
    weights = weigh_by_adaboost(grades, truth, rounds=2)
    assert weights == pytest.approx(np.array([np.log(8), np.log(16)]) / np.log(128))


def test_adaboost_counts_nobody_where_nobody_beats_chance() -> None:
    truth = ReferenceGrades(np.zeros(4, dtype=int), np.arange(4))
    assert weigh_by_adaboost(np.full((4, 2), 3), truth, rounds=5) == (0.5, 0.5)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_what_is_saved_answers_the_same(make_features, method) -> None:
    features, truth = make_features(0.6, 0.9, 1.2, patients=20)
    fitted = method.fit(features, truth, 3)
    again = restore_combiner(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    ours, theirs = fitted.predict(features), again.predict(features)
    assert theirs.score == pytest.approx(ours.score, abs=1e-12)
    assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_answers_are_probabilities_and_scores_on_the_scale(make_features, method) -> None:
    features, truth = make_features(0.6, 2.5, patients=20)
    answers = method.fit(features, truth, 0).predict(features)
    assert answers.probabilities.sum(1) == pytest.approx(np.ones(len(truth)))
    assert answers.probabilities.min() >= 0
    assert answers.score.min() >= 0
    assert answers.score.max() <= 4


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_grade_that_never_occurs_breaks_nothing(make_features, method) -> None:
    features, truth = make_features(0.6, 0.9, patients=20)
    capped = ReferenceGrades(np.minimum(truth.reference, 2), truth.patients)
    answers = method.fit(features, capped, 0).predict(features)
    assert np.isfinite(answers.probabilities).all()


def test_the_same_seed_is_the_same_bag(make_features) -> None:
    features, truth = make_features(0.6, 0.9, patients=20)
    scores = [Bag(Stack("ridge", 0.1), 4).fit(features, truth, seed).predict(features).score for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_a_linear_fit_of_the_truth_itself_is_the_truth() -> None:
    reference = np.tile(np.arange(5), 6)
    linear = fit_linear(np.stack([reference * 0.5, np.zeros(30)], 1), reference, 1.0)
    assert linear.predict(np.array([[1.0, 0.0]])).score == pytest.approx([2.0], abs=1e-6)


def test_features_of_a_subset_are_those_of_the_subset(make_features) -> None:
    features: Features = make_features(0.6, 0.9)[0]
    assert np.array_equal(features.take(np.array([3, 3, 1])).scores, features.scores[[3, 3, 1]])
