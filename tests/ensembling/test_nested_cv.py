"""Nested cross-validation: the reference grade of a patient never affects the prediction for that patient."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drkit.ensembling.bag import Bag
from drkit.ensembling.boost import Boost
from drkit.ensembling.comparison import BASELINES, METHODS, baseline_names, compare_methods, conclude, measure_gains
from drkit.ensembling.members import join_members
from drkit.ensembling.nested_cv import build_nested_cv, common_decision, cross_val_predict
from drkit.ensembling.pooling import Pooling, build_pooler
from drkit.ensembling.stack import Stack
from drkit.ensembling.weight import Best, Weight
from drkit.errors import InputError
from drkit.intervals import paired_difference


def _nested_cv(*predictions, pooling: Pooling | None = None, folds: int = 4):
    members = join_members(predictions, [Path(f"{item.name}.parquet") for item in predictions])
    return build_nested_cv(build_pooler(members, pooling or Pooling()), folds, 0)


@pytest.mark.parametrize(
    "method",
    [Weight("greedy", 4), Weight("kappa"), Stack("ridge"), Stack("ordinal", 1.0), Boost(rounds=20), Boost("adaboost"),
     Bag(Stack("ridge", 0.1), 3), Best("soft")],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("pooling", [Pooling(), Pooling("patient", "learned")], ids=["photographs", "patients"])
def test_a_reference_grade_affects_the_predictions_for_other_patients_only(make_member, method, pooling) -> None:
    members = [make_member(name, seed=seed, noise=0.9 + seed / 10) for seed, name in enumerate("abc")]
    cv = _nested_cv(*members, pooling=pooling)
    before = cross_val_predict(cv, method, "cut_points")
    held_out = cv.fold == 0
    changed = np.where(held_out, 4 - cv.truth.reference, cv.truth.reference)
    after = cross_val_predict(replace(cv, truth=replace(cv.truth, reference=changed)), method, "cut_points")
    assert np.array_equal(after.out_of_fold.score[held_out], before.out_of_fold.score[held_out])
    assert np.array_equal(after.grades[held_out], before.grades[held_out])
    assert not np.array_equal(after.grades[~held_out], before.grades[~held_out])


def test_overfitting_raises_the_naive_kappa_and_not_the_nested_kappa(make_member) -> None:
    """The members predict noise: the naive kappa is far above zero nevertheless, and the nested kappa is not."""
    noise = [make_member(name, seed=seed, noise=50, patients=45) for seed, name in enumerate("abcdef")]
    cv = _nested_cv(*noise)
    predictions = cross_val_predict(cv, Boost(rounds=160), "cut_points")
    naive = _kappa(cv.truth.reference, predictions.final_grades[cv.rows])
    assert naive > 0.25
    assert _kappa(cv.truth.reference, predictions.grades) < 0.5 * naive


def _kappa(reference: np.ndarray, predicted: np.ndarray) -> float:
    from sklearn.metrics import cohen_kappa_score

    return cohen_kappa_score(reference, predicted, labels=range(5), weights="quadratic")


def test_one_graded_patient_is_too_few(make_member) -> None:
    member = make_member("a")
    rows = member.rows.copy()
    rows.loc[rows["patient_id"] != "0", "patient_grade"] = None
    with pytest.raises(InputError, match="1 patients of train and val have a reference grade of the patient"):
        _nested_cv(replace(member, rows=rows))


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [(["argmax"] * 3, "argmax"), (["median"], "median"), (["argmax", "rounding"], "rounding"),
     (["cut_points"] * 2, "rounding")],
)  # fmt: skip
def test_a_mean_takes_the_decision_that_its_members_share(decisions: list[str], expected: str) -> None:
    assert common_decision(decisions) == expected


def test_all_methods_are_compared_on_the_same_folds(make_member, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"stack": Stack("ridge"), "bag of stacks": Bag(Stack("ridge", 1.0), 2)}
    monkeypatch.setattr("drkit.ensembling.comparison.METHODS", METHODS | quick)
    cv = _nested_cv(make_member("a"), make_member("b", seed=1), make_member("c", seed=2, noise=1.5), folds=2)
    contenders = compare_methods(cv, "rounding", num_resamples=100)
    names = [item.name for item in contenders]
    assert names[:2] == list(BASELINES)
    assert set(METHODS) < set(names)
    assert names[-3:] == ["a", "b", "c"]
    assert [item.kind for item in contenders[-3:]] == ["member"] * 3
    assert sum(item.gain is None for item in contenders) == 1
    kappas = {item.name: item.nested.quadratic_weighted_kappa for item in contenders}
    chosen, hindsight = baseline_names(contenders)
    assert kappas[chosen] == max(kappas[name] for name in BASELINES)
    assert kappas[hindsight] == max(kappas[name] for name in "abc")
    assert {item.nested.cases for item in contenders} == {64}
    own = cv.pooled.training.grades[:, 0]
    assert contenders[-3].nested.quadratic_weighted_kappa == pytest.approx(_kappa(cv.truth.reference, own))
    assert "patients" in conclude(contenders, 16)


def test_gains_are_paired_differences_and_their_joint_intervals_are_wider() -> None:
    generator = np.random.default_rng(0)
    reference = np.repeat(generator.integers(0, 5, 60), 2)
    patients = np.repeat(np.arange(60), 2)
    predicted = np.clip(reference + generator.integers(-1, 2, (4, 120)), 0, 4)
    gains = measure_gains(reference, predicted, patients, 1, num_resamples=500, seed=3)
    assert gains[1] is None
    for number in (0, 2, 3):
        single = paired_difference(reference, predicted[1], predicted[number], patients, num_resamples=500, seed=3)
        gain = gains[number]
        assert gain.difference == pytest.approx(single.value)
        assert gain.interval[0] == pytest.approx(single.low, abs=0.03)
        width = gain.interval[1] - gain.interval[0]
        assert gain.joint_interval[1] - gain.joint_interval[0] > width


def test_the_conclusion_claims_no_more_than_the_interval_shows() -> None:
    generator = np.random.default_rng(1)
    reference = np.repeat(np.tile(np.arange(5), 40), 2)
    patients = np.repeat(np.arange(200), 2)
    poor = np.clip(reference + generator.integers(-2, 3, len(reference)), 0, 4)
    better = np.where(generator.random(len(reference)) < 0.8, reference, poor)
    alike = np.where(np.arange(len(reference)) % 50, poor, 4 - poor)
    lucky = np.where(generator.random(len(reference)) < 0.9, reference, poor)
    assert conclude(_contenders(reference, [poor, better, poor], patients), 200).startswith("Combining helps: stack")
    for predicted in ([poor, alike, poor], [poor, better, lucky], [better, better, poor]):
        assert conclude(_contenders(reference, predicted, patients), 200).startswith(
            "It is unclear whether combining helps"
        )


def _contenders(reference: np.ndarray, predicted: list[np.ndarray], patients: np.ndarray):
    from drkit.ensembling.comparison import ComparedMethod
    from drkit.evaluation.agreement import measure_agreement

    draws = {"num_resamples": 300, "seed": 0}
    gains, hindsight = (measure_gains(reference, np.stack(predicted), patients, first, **draws) for first in (0, 2))
    kinds = {"best member": "baseline", "stack": "method", "a": "member"}
    return [
        ComparedMethod(
            name=name,
            kind=kind,
            nested=measure_agreement(reference, grades, patients, num_resamples=100),
            naive_kappa=None,
            gain=gains[number],
            gain_in_hindsight=hindsight[number],
        )
        for number, ((name, kind), grades) in enumerate(zip(kinds.items(), predicted, strict=True))
    ]
