"""Several seeds: the mean difference, its interval, and a sentence that needs both patients and seeds."""

from dataclasses import replace

import numpy as np
import pytest

from drkit import metrics
from drkit.comparison import SeedPair, judge_seeds
from drkit.errors import InputError


def _pairs(graded, noises: list[tuple[float, float]]) -> list[SeedPair]:
    return [
        SeedPair(seed, graded(f"b{seed}", noise=before, seed=seed), graded(f"a{seed}", noise=after, seed=seed + 100))
        for seed, (before, after) in enumerate(noises)
    ]


def test_the_mean_is_that_of_the_single_differences(graded) -> None:
    outcome = judge_seeds("se", _pairs(graded, [(1, 1), (1, 0.8), (1.2, 1)]))
    single = np.array([result.comparison.difference for result in outcome.results])
    assert outcome.difference == pytest.approx(single.mean())
    assert outcome.spread == pytest.approx(single.std(ddof=1))
    assert outcome.interval[0] <= outcome.difference <= outcome.interval[1]
    assert (outcome.photographs, outcome.patients) == (40, 10)
    assert [row[0] for row in outcome.table().rows] == ["0", "1", "2", "mean"]


def test_one_pair_repeated_is_the_pair_itself(graded) -> None:
    (pair,) = _pairs(graded, [(1.5, 0.7)])
    outcome = judge_seeds("se", [pair, replace(pair, seed=1)])
    assert outcome.interval == pytest.approx(outcome.results[0].comparison.interval)
    assert outcome.spread == 0


@pytest.mark.parametrize(
    ("noises", "said"),
    [
        ([(2.5, 0.1), (2.5, 0.1)], "agrees better on these patients, with every seed: "),
        ([(0.1, 2.5), (0.1, 2.5)], "agrees worse on these patients, with every seed: "),
        ([(3, 0.1), (3, 0.1), (0.1, 0.9)], "agrees better on the average, but not with every seed: "),
    ],
)
def test_the_sentence_claims_what_patients_and_seeds_carry(graded, noises, said: str) -> None:
    assert said in judge_seeds("se", _pairs(graded, noises)).sentence


def test_seeds_that_contradict_each_other_tell_nothing(graded) -> None:
    (pair,) = _pairs(graded, [(1.5, 0.5)])
    turned = SeedPair(1, pair.attending, pair.without)
    outcome = judge_seeds("se", [pair, turned])
    assert outcome.difference == pytest.approx(0, abs=1e-12)
    assert outcome.spread > 0
    assert outcome.sentence.startswith("Whether se helps cannot be told: ")


def test_seeds_that_are_judged_on_other_photographs_are_refused(graded) -> None:
    first, second = _pairs(graded, [(1, 1), (1, 1)])
    fewer = replace(second.without, rows=second.without.rows[second.without.rows["patient_id"] != "3"])
    with pytest.raises(InputError, match="not judged on the same photographs"):
        judge_seeds("se", [first, replace(second, without=fewer)])


def test_a_mean_over_pairs_that_cancel_is_surely_nothing() -> None:
    generator = np.random.default_rng(0)
    reference, first, second = generator.integers(0, 5, (3, 60))
    patients = np.arange(60) // 4
    pair = metrics.paired_difference(reference, [first, second], [second, first], patients)
    assert (pair.value, pair.low, pair.high) == pytest.approx((0, 0, 0), abs=1e-12)
