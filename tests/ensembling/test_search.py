"""The searches find the optimum, and their kappa equals the metric."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drkit.ensembling.search import KappaSums, best_step, round_grades, search_simplex, select_greedily
from drkit.ensembling.weight import mix_probabilities
from drkit.metrics import confusion, quadratic_weighted_kappa

GRADES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30)


@given(GRADES)
def test_kappa_by_sums_is_kappa_by_counts(triples: list[tuple[int, int, int]]) -> None:
    reference, predicted, weights = np.array(triples).T
    sums = KappaSums(reference.astype(float), weights.astype(float))
    expected = quadratic_weighted_kappa(confusion(reference, predicted, weights))
    assert sums.kappa(predicted[:, None].astype(float))[0] == pytest.approx(float(expected), abs=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_no_step_of_a_fine_grid_is_better(seed: int) -> None:
    generator = np.random.default_rng(seed)
    reference = generator.integers(0, 5, 25)
    start, other = np.clip(reference + generator.normal(0, 1.2, (2, 25)), 0, 4)
    sums = KappaSums(reference.astype(float), np.ones(25))
    step = best_step(start, other - start, (-0.5, 1.0), sums)
    grid = np.linspace(-0.5, 1, 2001)[1:-1]
    kappas = sums.kappa(round_grades(start[:, None] + grid * (other - start)[:, None]))
    kappa = sums.kappa(round_grades(start + step * (other - start))[:, None])[0]
    assert -0.5 < step < 1
    assert kappa >= kappas.max() - 1e-12


def test_cancelling_errors_get_equal_weights_and_noise_gets_none() -> None:
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 5, 200)
    error = generator.choice((-0.9, 0.9), 200)
    noise = generator.uniform(0, 4, 200)
    weights = search_simplex(np.stack([reference + error, reference - error, noise], 1), reference)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.3)
    assert weights[2] < 0.2
    blended = reference + error * (weights[0] - weights[1]) + (noise - reference) * weights[2]
    assert (round_grades(blended) == reference).mean() > 0.98


def test_the_search_is_never_worse_than_equal_weights_or_any_member(make_features) -> None:
    for seed in range(5):
        features, truth = make_features(0.6, 0.9, 1.3, seed=seed)
        sums = KappaSums(truth.reference.astype(float), np.ones(len(truth)))
        weights = search_simplex(features.scores, truth.reference)
        kappa = sums.kappa(round_grades(features.scores @ weights)[:, None])[0]
        plain = sums.kappa(round_grades(features.scores.mean(1))[:, None])[0]
        assert kappa >= max(plain, sums.kappa(round_grades(features.scores)).max())
        assert (weights >= 0).all()


def test_greedy_selection_takes_the_perfect_member_only() -> None:
    reference = np.tile(np.arange(5), 8)
    scores = np.stack([np.full(40, 2.0), reference.astype(float), 4.0 - reference], 1)
    assert select_greedily(scores, reference, np.ones((40, 2), dtype=int), steps=5).tolist() == [[0, 1, 0]] * 2


def test_greedy_selection_takes_equal_members_equally_often() -> None:
    reference = np.tile(np.arange(5), 8)
    error = np.where(np.arange(40) % 2, 0.9, -0.9)
    counts = select_greedily(
        np.stack([reference + error, reference - error], 1), reference, np.ones((40, 1), int), steps=9
    )
    assert counts.tolist() == [[1, 1]]


def test_expectation_maximisation_finds_the_same_mixture(make_features) -> None:
    features, truth = make_features(0.5, 0.8, 1.5)
    likelihoods = features.probabilities[np.arange(len(truth)), :, truth.reference]
    expected = np.full(3, 1 / 3)
    for _ in range(20_000):
        expected = expected * (likelihoods / (likelihoods @ expected)[:, None]).mean(0)
    assert mix_probabilities(features.probabilities, truth.reference) == pytest.approx(expected, abs=2e-3)


def test_selection_in_a_bag_is_independent_of_the_other_bags(make_features, monkeypatch: pytest.MonkeyPatch) -> None:
    features, truth = make_features(0.6, 0.9, 1.3)
    weights = np.random.default_rng(0).integers(0, 3, (len(truth), 5))
    together = select_greedily(features.scores, truth.reference, weights, steps=6)
    alone = [select_greedily(features.scores, truth.reference, weights[:, [bag]], steps=6)[0] for bag in range(5)]
    repeated = np.repeat(np.arange(len(truth)), weights[:, 0])
    drawn = select_greedily(
        features.scores[repeated], truth.reference[repeated], np.ones((len(repeated), 1), int), steps=6
    )
    assert np.array_equal(together, alone)
    assert np.array_equal(together[:1], drawn)
    monkeypatch.setattr("drkit.ensembling.search.CELLS_AT_ONCE", 1)
    assert np.array_equal(select_greedily(features.scores, truth.reference, weights, steps=6), together)
