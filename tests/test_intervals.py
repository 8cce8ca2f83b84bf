"""Intervals over patients and seeds."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from drkit import intervals, metrics


@pytest.fixture
def photographs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference, predicted, patient of 60 patients with 4 photographs each."""
    generator = np.random.default_rng(3)
    reference = np.repeat(generator.integers(0, 5, 60), 4)
    predicted = np.clip(reference + generator.integers(-1, 2, 240), 0, 4)
    return reference, predicted, np.repeat(np.arange(60), 4)


def test_resampling_ignores_order_and_names_of_patients(photographs) -> None:
    reference, predicted, patients = photographs
    order = np.random.default_rng(1).permutation(len(patients))
    names = np.array([f"p{(7 * patient) % 60}" for patient in patients])
    plain = intervals.PatientBootstrap.of(reference, predicted, patients).resample(50)
    other = intervals.PatientBootstrap.of(reference[order], predicted[order], names[order]).resample(50)
    assert (plain == other).all()


def test_resampling_draws_whole_patients_as_many_as_there_are(photographs) -> None:
    resampled = intervals.PatientBootstrap.of(*photographs).resample(200)
    assert resampled.shape == (200, 1, 5, 5)
    assert (resampled.sum((1, 2, 3)) == 240).all()
    assert (resampled.sum(-1) % 4 == 0).all()  # each patient's four photographs have one reference grade


def test_resampling_in_chunks_draws_the_same(photographs, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap = intervals.PatientBootstrap.of(*photographs)
    whole = bootstrap.resample(101, seed=5)
    monkeypatch.setattr(intervals, "CELLS_A_CHUNK", 3 * len(bootstrap.kinds))
    assert (bootstrap.resample(101, seed=5) == whole).all()


def test_the_interval_is_that_of_patients_drawn_one_by_one(photographs) -> None:
    reference, predicted, patients = photographs
    generator = np.random.default_rng(0)
    drawn = [np.bincount(generator.integers(0, 60, 60), minlength=60)[patients] for _ in range(4000)]
    oracle = metrics.quadratic_weighted_kappa(metrics.confusion(reference, predicted, np.array(drawn)))
    resampled = intervals.PatientBootstrap.of(reference, predicted, patients).resample(4000)[:, 0]
    actual = intervals.interval(metrics.quadratic_weighted_kappa(resampled))
    np.testing.assert_allclose(actual, intervals.interval(oracle), atol=0.006)


def test_copies_of_a_photograph_do_not_narrow_the_interval(photographs) -> None:
    def width(*parts: np.ndarray) -> float:
        resampled = intervals.PatientBootstrap.of(*parts).resample(500)[:, 0]
        low, high = intervals.interval(metrics.quadratic_weighted_kappa(resampled))
        return high - low

    assert width(*(np.tile(part, 5) for part in photographs)) == pytest.approx(width(*photographs))


def test_a_run_does_not_differ_from_itself(photographs) -> None:
    reference, predicted, patients = photographs
    assert intervals.paired_difference(reference, predicted, predicted, patients) == intervals.Difference(0, 0, 0, 1)


def test_differences_turn_their_sign_with_the_order(photographs) -> None:
    reference, predicted, patients = photographs
    there = intervals.paired_difference(reference, predicted, reference, patients)
    back = intervals.paired_difference(reference, reference, predicted, patients)
    assert there.low > 0
    assert there.probability_of_no_gain == 0
    assert (back.value, back.probability_of_no_gain) == (-there.value, 1)


def test_pairing_is_narrower_than_two_separate_intervals(photographs) -> None:
    reference, first, patients = photographs
    second = first.copy()
    second[::20] = reference[::20]
    paired = intervals.paired_difference(reference, first, second, patients)
    separate = intervals.PatientBootstrap.of(reference, first, patients).resample()[:, 0]
    low, high = intervals.interval(metrics.quadratic_weighted_kappa(separate))
    assert paired.high - paired.low < (high - low) / 2


# Several seeds: both patients and seeds are drawn.


@pytest.fixture
def trainings(photographs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions (2, N) of two seeds of one training recipe and (3, N) of three seeds of another."""
    reference, _, _ = photographs
    generator = np.random.default_rng(5)
    ways = []
    for noises in ((0.9, 1.5), (0.7, 0.8, 1.6)):
        errors = np.stack([generator.normal(0, noise, len(reference)) for noise in noises])
        ways.append(np.clip(np.rint(reference + errors), 0, 4).astype(int))
    return ways[0], ways[1], reference


def test_seeds_and_patients_are_drawn_as_a_slow_loop_draws_them(photographs, trainings) -> None:
    first, second, reference = trainings
    patients = photographs[2]
    actual = intervals.paired_difference(reference, first, second, patients, num_resamples=4000)
    names, generator = np.unique(patients), np.random.default_rng(8)
    rows_of = {name: np.flatnonzero(patients == name) for name in names}

    def drawn_mean(way: np.ndarray, rows: np.ndarray) -> float:
        seeds = [way[generator.integers(len(way))] for _ in range(len(way) - 1)]
        kappas = [
            cohen_kappa_score(reference[rows], seed[rows], labels=range(5), weights="quadratic") for seed in seeds
        ]
        return sum(kappas) / len(kappas)

    loop = []
    for _ in range(1500):
        rows = np.concatenate([rows_of[name] for name in generator.choice(names, len(names))])
        loop.append(drawn_mean(second, rows) - drawn_mean(first, rows))
    np.testing.assert_allclose((actual.low, actual.high), np.percentile(loop, (2.5, 97.5)), atol=0.02)
    assert actual.probability_of_no_gain == pytest.approx(np.mean(np.array(loop) <= 0), abs=0.04)
    own = [
        [cohen_kappa_score(reference, seed, labels=range(5), weights="quadratic") for seed in way]
        for way in (first, second)
    ]
    assert actual.value == pytest.approx(np.mean(own[1]) - np.mean(own[0]))


def test_seeds_that_agree_in_all_change_nothing(photographs) -> None:
    reference, predicted, patients = photographs
    better = np.where(np.arange(len(reference)) % 4 == 0, reference, predicted)
    single = intervals.paired_difference(reference, predicted, better, patients)
    assert intervals.paired_difference(reference, [predicted] * 2, [better] * 3, patients) == pytest.approx(single)


def test_the_noise_of_training_widens_the_interval(photographs, trainings) -> None:
    first, second, reference = trainings
    patients = photographs[2]
    seeds = intervals.paired_difference(reference, first, second, patients)
    alone = intervals.paired_difference(reference, first[0], second[0], patients)
    assert seeds.high - seeds.low > 1.5 * (alone.high - alone.low)


def test_seeds_are_drawn_with_the_variance_of_their_mean() -> None:
    """The variance is s^2 / S, with S - 1 in the denominator of s^2, also for only two seeds."""
    for values in ([0.1, 0.5], [0.2, 0.3, 0.9], [0.1, 0.2, 0.3, 0.7, 0.4]):
        figures = np.tile(values, (40000, 1))
        drawn = intervals.mean_of_drawn_seeds(figures, np.random.default_rng(0))
        assert drawn.mean() == pytest.approx(np.mean(values), abs=0.005)
        assert drawn.var() == pytest.approx(np.var(values, ddof=1) / len(values), rel=0.03)


def test_each_ways_seeds_are_drawn_for_themselves() -> None:
    """They are not drawn as pairs: recipes whose trainings vary together still differ by chance."""
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 5, 400)
    good, bad = reference, np.clip(reference + generator.integers(-2, 3, 400), 0, 4)
    found = intervals.paired_difference(reference, [good, bad], [good, bad], np.arange(400) // 4)
    gap = float(metrics.quadratic_weighted_kappa(metrics.confusion(reference, bad)))
    assert found.value == pytest.approx(0, abs=1e-12)
    assert found.high == pytest.approx(1 - gap, abs=0.05)
    assert found.low == pytest.approx(gap - 1, abs=0.05)


def test_the_mean_over_seeds_has_every_seeds_kappa(photographs, trainings) -> None:
    _, predicted, reference = trainings
    patients = photographs[2]
    found = intervals.mean_over_seeds(reference, predicted, patients, metrics.plain_kappa)
    own = [cohen_kappa_score(reference, seed, labels=range(5)) for seed in predicted]
    assert found.values == pytest.approx(own)
    assert found.value == pytest.approx(np.mean(own))
    assert found.low < found.value < found.high
    assert found.spread == pytest.approx(np.std(own, ddof=1))
    alone = intervals.mean_over_seeds(reference, predicted[:1], patients, metrics.plain_kappa)
    resampled = intervals.PatientBootstrap.of(reference, predicted[:1], patients).resample()[:, 0]
    assert (alone.low, alone.high) == intervals.interval(metrics.plain_kappa(resampled))
    assert np.isnan(alone.spread)
