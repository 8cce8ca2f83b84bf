"""Runs of several seeds: the score of each seed, the mean difference, and the variation that its interval includes."""

import numpy as np
import pytest

from drkit import metrics
from drkit.evaluation import Comparison, compare_cases, evaluated_rows, measure_seeds, pair_cases, tabulate_seeds
from drkit.evaluation.aggregation import aggregate
from drkit.records.predictions import Predictions


def _compare(before: Predictions, after: Predictions) -> Comparison:
    return compare_cases((before.name, after.name), *pair_cases(before, after), num_photographs=40)


def _kappa(run: Predictions, by: str = "photograph") -> float:
    cases = aggregate(run, run.reference().to_numpy(dtype=int), by)
    return float(metrics.quadratic_weighted_kappa(metrics.confusion(cases.reference, cases.predicted)))


@pytest.mark.parametrize("by", ["photograph", "eye", "patient"])
def test_each_seed_is_evaluated_alone_and_not_their_average(seeded, by: str) -> None:
    run = evaluated_rows(seeded("a", [0.6, 1.5, 2.0]))
    found = measure_seeds(run, run.reference().to_numpy(dtype=int), by)
    own = [_kappa(run.of_seed(seed), by) for seed in run.meta.seeds]
    assert found.quadratic_weighted_kappas == pytest.approx(own)
    assert found.quadratic_weighted_kappa == pytest.approx(np.mean(own))
    assert found.spread == pytest.approx(np.std(own, ddof=1))
    assert found.quadratic_weighted_kappa_interval[0] < np.mean(own) < found.quadratic_weighted_kappa_interval[1]
    assert _kappa(run, by) != pytest.approx(np.mean(own))
    assert str(found).startswith(f"seeds 0, 1 and 2 alone: quadratic kappa {own[0]:.3f}, {own[1]:.3f}")


def test_a_run_of_one_seed_has_nothing_to_average(graded) -> None:
    run = evaluated_rows(graded("a"))
    assert measure_seeds(run, run.reference().to_numpy(dtype=int), "photograph") is None


def test_the_difference_is_that_of_the_seeds_means(seeded) -> None:
    before, after = seeded("a", [1.5, 1.6]), seeded("b", [0.6, 0.9, 1.2], seed=10)
    found = _compare(before, after)
    assert found.kappas == pytest.approx([_kappa(evaluated_rows(after).of_seed(seed)) for seed in range(3)])
    assert found.against_kappas == pytest.approx([_kappa(evaluated_rows(before).of_seed(seed)) for seed in range(2)])
    assert found.difference == pytest.approx(np.mean(found.kappas) - np.mean(found.against_kappas))
    assert found.interval[0] < found.difference < found.interval[1]
    table = tabulate_seeds(found)
    assert [row[0] for row in table.rows] == ["a", "b"]
    assert table.rows[1][2] == f"{np.mean(found.kappas):.3f}"


def test_the_sentence_says_whether_the_interval_includes_seeds(graded, seeded) -> None:
    several, more, one = seeded("a", [1.0, 1.1]), seeded("b", [1.0, 1.2, 0.9], seed=5), graded("c", seed=9)
    sentence = _compare(several, more).sentence
    assert "95 % interval over patients and seeds" in sentence
    assert sentence.endswith("10 patients, 3 seeds against 2).")
    assert _compare(several, several).sentence.endswith("10 patients, 2 seeds each).")
    sentence = _compare(several, one).sentence
    assert "1 seed against 2)" in sentence
    assert sentence.endswith("c has one seed: the interval does not include the variation between its trainings.")
    sentence = _compare(one, several).sentence
    assert sentence.endswith("c has one seed: the interval does not include the variation between its trainings.")


def test_seeds_that_contradict_each_other_show_no_difference(graded, seeded) -> None:
    """A single pair of trainings can show a difference that is not there."""
    lucky = _compare(graded("a", noise=1.8, seed=1), graded("b", noise=0.3, seed=2))
    assert lucky.interval[0] > 0
    several = _compare(seeded("a", [1.8, 0.3], seed=1), seeded("b", [0.3, 1.8], seed=2))
    assert several.interval[0] < 0 < several.interval[1]
    assert several.sentence.startswith("It is unclear which of b and a agrees better")
