"""Every method on the same nested folds, against the best member as it would have been chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drkit import catalogue
from drkit.ensembling.bag import Bag
from drkit.ensembling.blend import Vote
from drkit.ensembling.boost import Boost
from drkit.ensembling.combiner import Method
from drkit.ensembling.nested_cv import NestedCV, NestedPredictions, cross_val_predict
from drkit.ensembling.serialization import build_method
from drkit.ensembling.stack import Stack
from drkit.ensembling.weight import Best, Weight
from drkit.evaluation.agreement import Agreement, Interval, measure_agreement
from drkit.metrics import PatientBootstrap, confusion, interval, quadratic_weighted_kappa
from drkit.progress import track

BASELINES: Mapping[str, Method] = {"best member": Best("hard"), "best member with cut points": Best("soft")}
PLAIN_MEAN = "plain mean"
METHODS: Mapping[str, Method] = {
    "vote, majority": Vote("hard"),
    "mean, cut points": Vote("soft"),
    "vote, median": Vote("median"),
    "weight, greedy": Weight("greedy"),
    "weight, kappa": Weight("kappa"),
    "weight, log loss": Weight("log-loss"),
    "stack": Stack(),
    "boost, trees": Boost("lightgbm"),
    "boost, AdaBoost": Boost("adaboost"),
    "bag of stacks": Bag(Stack()),
}


@dataclass(frozen=True)
class Gain:
    """How much more something agrees than something else.

    Args:
        difference: In quadratic weighted kappa.
        interval: 95 %, over the same resampled patients for both.
        probability_of_no_gain: Share of resamples in which it is not better.
        joint_interval: Wide enough for all that were compared to lie in theirs at once, 95 % of the time.
    """

    difference: float
    interval: Interval
    probability_of_no_gain: float
    joint_interval: Interval


@dataclass(frozen=True)
class ComparedMethod:
    """One that was compared.

    Args:
        name: Method or member.
        kind: `baseline`, `method`, or `member` as it is.
        nested: Agreement on patients it was not fitted on.
        naive_kappa: Quadratic weighted kappa on the patients it was fitted on; None for a member.
        gain: Over the best member as chosen within the folds, the stronger of its two forms; None for that itself.
        gain_in_hindsight: Over the member that turned out best; None for that itself.
    """

    name: str
    kind: str
    nested: Agreement
    naive_kappa: float | None
    gain: Gain | None
    gain_in_hindsight: Gain | None


def compare_methods(cv: NestedCV, plain: str, *, num_resamples: int) -> tuple[ComparedMethod, ...]:
    """Compare all methods, each member as it is, and the plain mean.

    Methods of installed packages come with their default parameters.

    The best member is chosen anew in each outer fold, on the other folds. It stands here twice, by its own grades
    and by cut points such as the methods have, and gains are over whichever of the two agrees better. Among members
    that are nearly equal such a choice is unlucky more often than not, because whoever is best on some patients has had
    its luck there; so gains are also given over the member that turned out best, which nobody could have known.

    Args:
        cv: The graded photographs.
        plain: The decision of the plain mean, for which nothing is fitted.
        num_resamples: How often patients are drawn.

    Returns:
        The baselines first, then the plain mean, the methods and the members.
    """
    added = {name: build_method(name) for name in catalogue.METHODS if name not in catalogue.METHODS.own}
    jobs = [(name, method, "cut_points") for name, method in {**BASELINES, **METHODS, **added}.items()]
    jobs.insert(len(BASELINES), (PLAIN_MEAN, Vote("soft"), plain))
    nested = {name: cross_val_predict(cv, method, rule) for name, method, rule in track(jobs, "methods", len(jobs))}
    members = cv.whole.training.grades.T  # (M, n)
    names = [*nested, *cv.pooler.members.names]
    predicted = np.stack([*(found.grades for found in nested.values()), *members])
    truth, draws = cv.truth, {"num_resamples": num_resamples, "seed": cv.seed}
    kappas = quadratic_weighted_kappa(confusion(truth.reference, predicted))
    chosen, best = int(kappas[: len(BASELINES)].argmax()), len(nested) + int(kappas[len(nested) :].argmax())
    gains, hindsight = (
        measure_gains(truth.reference, predicted, truth.patients, baseline, **draws) for baseline in (chosen, best)
    )
    naive = [_naive_kappa(cv, found) for found in nested.values()] + [None] * len(members)
    return tuple(
        ComparedMethod(
            name=name,
            kind="baseline" if name in BASELINES else "method" if place < len(nested) else "member",
            nested=measure_agreement(truth.reference, predicted[place], truth.patients, **draws),
            naive_kappa=naive[place],
            gain=gains[place],
            gain_in_hindsight=hindsight[place],
        )
        for place, name in enumerate(names)
    )


def measure_gains(
    reference: NDArray[np.int64],
    predicted: NDArray[np.int64],
    patients: NDArray,
    baseline: int,
    *,
    num_resamples: int,
    seed: int,
) -> list[Gain | None]:
    """Differences of each prediction to one of them, on the same resampled patients for all.

    Args:
        reference: (n,) grades 0-4.
        predicted: (C, n) grades 0-4.
        patients: (n,) whose photograph it is.
        baseline: The number of the one that the others are compared with.
        num_resamples: How often patients are drawn.
        seed: Of the draws.

    Returns:
        (C,), None for the baseline.

    Source: the joint intervals are the bootstrap's studentised maximum: Westfall and Young 1993, section 2.
    """
    kappas = quadratic_weighted_kappa(confusion(reference, predicted))
    drawn = quadratic_weighted_kappa(PatientBootstrap.of(reference, predicted, patients).resample(num_resamples, seed))
    differences, resampled = kappas - kappas[baseline], drawn - drawn[:, [baseline]]  # (C,), (R, C)
    errors = resampled.std(0)
    departures = np.abs(resampled - differences) / np.where(errors > 0, errors, np.inf)
    reach = float(np.quantile(departures.max(1), 0.95)) * errors
    return [
        None
        if place == baseline
        else Gain(
            float(value),
            interval(resampled[:, place]),
            float((resampled[:, place] <= 0).mean()),
            (float(value - reach[place]), float(value + reach[place])),
        )
        for place, value in enumerate(differences)
    ]


def judge(contenders: Sequence[ComparedMethod], num_patients: int) -> str:
    """What the comparison carries, in a sentence."""
    chosen, hindsight = best_members(contenders)
    top = max(
        (item for item in contenders if item.kind == "method"), key=lambda item: item.nested.quadratic_weighted_kappa
    )
    assert top.gain is not None
    assert top.gain_in_hindsight is not None
    gains_text = (
        f"{_tell(top.gain)} against the {chosen} chosen within the folds, {_tell(top.gain_in_hindsight)} against"
        f" {hindsight}, the best in hindsight (intervals hold for {len(contenders) - 1} comparisons at once,"
        f" {num_patients} patients)"
    )
    if min(top.gain.joint_interval[0], top.gain_in_hindsight.joint_interval[0]) > 0:
        return f"Combining pays: {top.name} agrees better than any single member, {gains_text}."
    return f"Whether combining pays cannot be told: {top.name} is highest, {gains_text}."


def best_members(contenders: Sequence[ComparedMethod]) -> tuple[str, str]:
    """Names of what gains are over: the stronger baseline, and the member that turned out best."""
    chosen = next(item.name for item in contenders if item.gain is None)
    return chosen, next(item.name for item in contenders if item.gain_in_hindsight is None)


def _tell(gain: Gain) -> str:
    low, high = gain.joint_interval
    return f"{gain.difference:+.3f} in quadratic kappa ({low:+.3f} to {high:+.3f})"


def _naive_kappa(cv: NestedCV, predictions: NestedPredictions) -> float:
    return float(quadratic_weighted_kappa(confusion(cv.truth.reference, predictions.all_grades[cv.rows])))
