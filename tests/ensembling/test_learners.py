"""Meta-learners: oracles, the limit of strong regularisation, and restoring from JSON."""

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
from drkit.ensembling.combiner import Features, ReferenceGrades, predict_out_of_fold
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


def test_ridge_agrees_with_scikit_learn_on_the_same_folds(make_features) -> None:
    """In scikit-learn, the first column is scaled up so that its penalty is negligible."""
    features, truth = make_features(0.6, 0.9, 1.2)
    folds = assign_folds(truth.reference, truth.patients, 4, 0)
    columns, score, expected = build_columns(features), np.empty(len(truth)), np.empty(len(truth))
    for number in range(4):
        others, held_out = folds != number, folds == number
        scaling = Scaling.of(columns[others])
        scale = np.ones(columns.shape[1])
        scale[0] = 1e5
        model = SklearnRidge(alpha=0.3 * others.sum()).fit(
            scaling.apply(columns[others]) * scale, truth.reference[others]
        )
        expected[held_out] = np.clip(model.predict(scaling.apply(columns[held_out]) * scale), 0, 4)
        fitted = fit_ridge(features.take(others), truth.take(others), 0.3)
        score[held_out] = fitted.predict(features.take(held_out)).score
    assert score == pytest.approx(expected, abs=1e-6)
    assert predict_out_of_fold(Stack("ridge", 0.3), features, truth, folds, 0).score == pytest.approx(
        expected, abs=1e-6
    )


def _scikit_learns_stack(members: list, meta, splits: list):
    return StackingRegressor([(str(number), member) for number, member in enumerate(members)], meta, cv=splits)


def _mlxtends_stack(members: list, meta, splits: list):
    regressor = pytest.importorskip("mlxtend.regressor", reason="mlxtend, of the extra oracle, is not installed")
    return regressor.StackingCVRegressor(members, meta, cv=splits)


def _mean_and_deviations(scores: np.ndarray) -> np.ndarray:
    mean = scores.mean(1, keepdims=True)
    return np.hstack([mean, scores - mean])


def _without_probabilities(scores: np.ndarray) -> Features:
    return Features(scores, np.zeros((*scores.shape, 5)), np.zeros(scores.shape, dtype=int))


@pytest.mark.parametrize("stack", [_scikit_learns_stack, _mlxtends_stack])
def test_a_complete_stack_agrees_with_other_libraries_on_the_same_folds(stack) -> None:
    """From training two regressors in each fold to the predictions for new photographs."""
    generator, patients = np.random.default_rng(0), np.repeat(np.arange(50), 4)
    seen, unseen = generator.normal(size=(200, 6)), generator.normal(size=(40, 6))
    reference = np.clip(np.rint(2 + seen @ (1, 0.7, 0.5, 0, 0, 0) + generator.normal(0, 0.5, 200)), 0, 4).astype(int)
    folds = assign_folds(reference, patients, 4, 0)
    splits = [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in range(4)]
    members = [SklearnRidge(5.0), DecisionTreeRegressor(max_depth=3, random_state=0)]
    meta = make_pipeline(
        FunctionTransformer(_mean_and_deviations),
        StandardScaler(),
        FunctionTransformer(lambda columns: columns * (1e5, 1, 1)),  # makes the penalty of the first column negligible
        SklearnRidge(0.3 * len(seen)),
    )
    expected = stack(members, meta, splits).fit(seen, reference).predict(unseen)
    held_out = np.stack([cross_val_predict(member, seen, reference, cv=splits) for member in members], 1)
    refitted = np.stack([member.fit(seen, reference).predict(unseen) for member in members], 1)
    fitted = fit_ridge(_without_probabilities(held_out), ReferenceGrades(reference, patients), 0.3)
    predictions = fitted.predict(_without_probabilities(refitted))
    assert np.ptp(expected) > 2
    assert predictions.score == pytest.approx(np.clip(expected, 0, 4), abs=1e-6)


def test_ordinal_regression_of_two_grades_is_logistic_regression(make_features) -> None:
    features, truth = make_features(0.8, 1.0)
    two = ReferenceGrades((truth.reference >= 2).astype(int), truth.patients)
    fitted = fit_ordinal(features, two, 0.05)
    columns = build_columns(features)
    scaled = Scaling.of(columns).apply(columns)
    scale = np.ones(scaled.shape[1])
    scale[0] = 1e2
    model = LogisticRegression(C=1 / (0.05 * len(two)), tol=1e-8, max_iter=5000).fit(scaled * scale, two.reference)
    expected = model.predict_proba(scaled * scale)[:, 1]
    probabilities = fitted.predict(features).probabilities
    assert probabilities[:, 1:].sum(1) == pytest.approx(expected, abs=5e-3)
    assert probabilities[:, 2:].sum(1).max() < 0.05


def test_the_gradient_of_ordinal_regression_is_right() -> None:
    generator = np.random.default_rng(0)
    scaled, reference, penalty = generator.normal(size=(30, 3)), generator.integers(0, 5, 30), np.array([0.0, 1, 2])
    arguments = scaled, reference, penalty
    for _ in range(5):
        point = generator.normal(size=7)
        error = check_grad(
            lambda x: ordinal._objective(x, *arguments)[0], lambda x: ordinal._objective(x, *arguments)[1], point
        )
        assert error < 2e-4  # the error of forward differences


@pytest.mark.parametrize("learner", ["ridge", "ordinal"])
def test_with_a_very_strong_penalty_a_stack_orders_photographs_as_the_plain_mean_does(
    make_features, learner: str
) -> None:
    features, truth = make_features(0.5, 1.0, 1.5)
    score = Stack(learner, 1e6).fit(features, truth, 0).predict(features).score
    inside = (score > 0) & (score < 4)
    order = np.argsort(features.scores.mean(1)[inside])
    assert (np.diff(score[inside][order]) > -1e-6).all()


def test_without_trees_the_score_is_the_plain_mean(make_features) -> None:
    features, truth = make_features(0.5, 1.0)
    fitted = Boost(rounds=0).fit(features, truth, 0)
    assert fitted.model == ""
    assert fitted.predict(features).score == pytest.approx(features.scores.mean(1))


def test_tuning_prefers_strong_regularisation_if_there_is_nothing_to_learn(make_features) -> None:
    """The members differ only by noise, so the plain mean is optimal."""
    features, truth = make_features(0.7, 0.7, 0.7, patients=60)
    folds = assign_folds(truth.reference, truth.patients, 5, 0)
    tuned = Stack().tune(features, truth, folds, 0)
    assert tuned.strength >= 0.3
    assert 0.2 < tuned.sigma < 0.7


def test_meta_learners_prefer_the_better_member(make_features) -> None:
    features, truth = make_features(0.25, 2.0, patients=100)
    folds = assign_folds(truth.reference, truth.patients, 5, 0)
    for method in (Stack(), Boost()):
        tuned = method.tune(features, truth, folds, 0)
        error = np.mean((predict_out_of_fold(tuned, features, truth, folds, 0).score - truth.reference) ** 2)
        assert error < 0.5 * np.mean((features.scores.mean(1) - truth.reference) ** 2)


def test_a_single_fold_gives_the_default_settings(make_features) -> None:
    features, truth = make_features(0.7, 0.7, patients=3)
    folds = np.zeros(len(truth), dtype=int)
    assert Stack().tune(features, truth, folds, 0).strength == 10
    assert Boost().tune(features, truth, folds, 0).rounds == 20


def test_trees_use_informative_embeddings(make_features) -> None:
    features, truth = make_features(1.5, 1.5, patients=80)
    generator = np.random.default_rng(0)
    informative = generator.normal(0, 0.1, (len(truth), 40)).astype(np.float32)
    informative[:, :3] += truth.reference[:, None]
    with_embeddings = replace(features, embeddings=(informative, informative))
    folds = assign_folds(truth.reference, truth.patients, 4, 0)
    errors = {
        use: np.mean(
            (predict_out_of_fold(Boost("lightgbm", 80, use), with_embeddings, truth, folds, 0).score - truth.reference)
            ** 2
        )
        for use in (True, False)
    }
    assert errors[True] < 0.7 * errors[False]


def test_adaboost_by_hand() -> None:
    """Three patients with one photograph each; the first member errs on one patient, the second on the other two.

    Round 1: the errors are 1/3 and 2/3, so the first member gains log(2) + log(4) = log(8), and the patient that it
    grades wrongly then has weight 8 of 10. Round 2: the errors are 0.8, which is chance, and 0.2, so the second member
    gains log(4) + log(4) = log(16).
    """
    truth = ReferenceGrades(np.array([0, 1, 2]), np.arange(3))
    grades = np.array([[0, 4], [1, 4], [4, 2]])
    weights = weigh_by_adaboost(grades, truth, rounds=2)
    assert weights == pytest.approx(np.array([np.log(8), np.log(16)]) / np.log(128))


def test_adaboost_gives_equal_weights_if_no_member_is_better_than_chance() -> None:
    truth = ReferenceGrades(np.zeros(4, dtype=int), np.arange(4))
    assert weigh_by_adaboost(np.full((4, 2), 3), truth, rounds=5) == (0.5, 0.5)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_restored_method_predicts_the_same(make_features, method) -> None:
    features, truth = make_features(0.6, 0.9, 1.2, patients=20)
    fitted = method.fit(features, truth, 3)
    restored = restore_combiner(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    before, after = fitted.predict(features), restored.predict(features)
    assert after.score == pytest.approx(before.score, abs=1e-12)
    assert after.probabilities == pytest.approx(before.probabilities, abs=1e-12)


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_predictions_are_probabilities_and_scores_in_range(make_features, method) -> None:
    features, truth = make_features(0.6, 2.5, patients=20)
    predictions = method.fit(features, truth, 0).predict(features)
    assert predictions.probabilities.sum(1) == pytest.approx(np.ones(len(truth)))
    assert predictions.probabilities.min() >= 0
    assert predictions.score.min() >= 0
    assert predictions.score.max() <= 4


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_missing_grade_is_no_problem(make_features, method) -> None:
    features, truth = make_features(0.6, 0.9, patients=20)
    capped = ReferenceGrades(np.minimum(truth.reference, 2), truth.patients)
    predictions = method.fit(features, capped, 0).predict(features)
    assert np.isfinite(predictions.probabilities).all()


def test_the_same_seed_gives_the_same_bags(make_features) -> None:
    features, truth = make_features(0.6, 0.9, patients=20)
    scores = [Bag(Stack("ridge", 0.1), 4).fit(features, truth, seed).predict(features).score for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_a_linear_fit_to_the_reference_grades_themselves_is_exact() -> None:
    reference = np.tile(np.arange(5), 6)
    linear = fit_linear(np.stack([reference * 0.5, np.zeros(30)], 1), reference, 1.0)
    assert linear.predict(np.array([[1.0, 0.0]])).score == pytest.approx([2.0], abs=1e-6)


def test_rows_of_features_can_repeat(make_features) -> None:
    features: Features = make_features(0.6, 0.9)[0]
    assert np.array_equal(features.take(np.array([3, 3, 1])).scores, features.scores[[3, 3, 1]])
