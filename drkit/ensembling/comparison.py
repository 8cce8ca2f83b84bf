"""Compare all ensemble methods on the same nested folds with the best member, chosen within the folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drkit import catalogue
from drkit.ensembling.bag import Bag
from drkit.ensembling.blend import Vote
from drkit.ensembling.boost import Boost
from drkit.ensembling.combiner import Method
from drkit.ensembling.nested_cv import NestedCV, cross_val_predict
from drkit.ensembling.serialization import build_method
from drkit.ensembling.stack import Stack
from drkit.ensembling.weight import Best, Weight
from drkit.evaluation.agreement import Agreement, Interval, measure_agreement
from drkit.grades import Target
from drkit.intervals import PatientBootstrap, interval
from drkit.metrics import confusion, quadratic_weighted_kappa
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
    """Difference in quadratic weighted kappa between a method and a baseline.

    Args:
        difference: Quadratic weighted kappa of the method less that of the baseline.
        interval: 95 % interval of the difference, over the same resampled patients for both.
        probability_of_no_gain: Share of resamples in which the method is not better.
        joint_interval: Simultaneous 95 % interval: all compared differences lie within theirs at once in 95 % of cases.
    """

    difference: float
    interval: Interval
    probability_of_no_gain: float
    joint_interval: Interval


@dataclass(frozen=True, kw_only=True)
class ComparedMethod:
    """A method, baseline or member of the comparison.

    Args:
        name: Name of the method or member.
        kind: `baseline`, `method`, or `member` for an unchanged member.
        nested: Agreement on patients that the method was not fitted to.
        naive_kappa: Quadratic weighted kappa on the patients that the method was fitted to; None for a member.
        gain: Gain over the stronger baseline, the best member chosen within the folds; None for that baseline.
        gain_in_hindsight: Gain over the member with the highest kappa in the comparison; None for that member.
    """

    name: str
    kind: str
    nested: Agreement
    naive_kappa: float | None
    gain: Gain | None
    gain_in_hindsight: Gain | None


@dataclass(frozen=True, kw_only=True)
class EnsembleComparison:
    """All ensemble methods and members, compared on the same nested folds: the figures of a compare.json.

    Args:
        target: Target of the predictions.
        fuse: How photographs were pooled: none, eye or patient.
        folds: Number of outer folds.
        photographs: Number of graded photographs.
        patients: Number of their patients.
        contenders: Methods, members and their mean; the best member (chosen in two ways) comes first.
        remarks: Caveats of the figures.
        sentence: The conclusion.
    """

    target: Target
    fuse: str
    folds: int
    photographs: int
    patients: int
    contenders: tuple[ComparedMethod, ...]
    remarks: tuple[str, ...]
    sentence: str

    @property
    def title(self) -> str:
        """What is compared, on how many photographs, patients and folds."""
        pooled = "" if self.fuse == "none" else f", pooled by {self.fuse}"
        return (
            f"The {self.target}'s grade{pooled}: {self.photographs} photographs of {self.patients} patients in"
            f" {self.folds} outer folds; 95 % intervals over patients"
        )


def compare_methods(cv: NestedCV, plain: str, *, num_resamples: int) -> tuple[ComparedMethod, ...]:
    """Compare all methods, the plain mean and the unchanged members.

    Methods of installed packages are compared with their default parameters.

    The best member is chosen anew for each outer fold, on the other folds. It is compared in two forms, with its own
    grades and with fitted cut points, and gains are measured over the better form. If members are nearly equal, the
    member chosen on some patients tends to do worse on others (regression to the mean). Therefore, gains are also
    measured over the member that is best in hindsight, which could not have been known beforehand.

    Args:
        cv: The outer folds.
        plain: Decision of the plain mean, to which nothing is fitted.
        num_resamples: Number of bootstrap resamples of patients.

    Returns:
        The baselines, the plain mean, the methods and the members, in this order.
    """
    added = {name: build_method(name) for name in catalogue.METHODS if name not in catalogue.METHODS.own}
    jobs = [(name, method, "cut_points") for name, method in {**BASELINES, **METHODS, **added}.items()]
    jobs.insert(len(BASELINES), (PLAIN_MEAN, Vote("soft"), plain))
    nested = {name: cross_val_predict(cv, method, rule) for name, method, rule in track(jobs, "methods", len(jobs))}
    members = cv.pooled.training.grades.T  # (M, n)
    names = [*nested, *cv.pooler.members.names]
    predicted = np.stack([*(each.grades for each in nested.values()), *members])  # (C, n)
    truth, draws = cv.truth, {"num_resamples": num_resamples, "seed": cv.seed}
    kappas = quadratic_weighted_kappa(confusion(truth.reference, predicted))
    chosen, best = int(kappas[: len(BASELINES)].argmax()), len(nested) + int(kappas[len(nested) :].argmax())
    gains, hindsight = (
        measure_gains(truth.reference, predicted, truth.patients, baseline, **draws) for baseline in (chosen, best)
    )
    final_grades = np.stack([each.final_grades[cv.rows] for each in nested.values()])
    naive = [*quadratic_weighted_kappa(confusion(truth.reference, final_grades)).tolist(), *[None] * len(members)]
    return tuple(
        ComparedMethod(
            name=name,
            kind="baseline" if number < len(BASELINES) else "method" if number < len(nested) else "member",
            nested=measure_agreement(truth.reference, predicted[number], truth.patients, **draws),
            naive_kappa=naive[number],
            gain=gains[number],
            gain_in_hindsight=hindsight[number],
        )
        for number, name in enumerate(names)
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
    """Measure the gain of each prediction over a baseline, on the same resampled patients for all.

    Args:
        reference: (n,) reference grades 0-4.
        predicted: (C, n) predicted grades 0-4 of C methods.
        patients: (n,) key of each photograph's patient.
        baseline: Row number of the baseline in `predicted`.
        num_resamples: Number of bootstrap resamples of patients.
        seed: Random seed of the resamples.

    Returns:
        C gains; None for the baseline.

    Source: Westfall and Young 1993, section 2; the joint intervals are those of the studentised maximum.
    """
    kappas = quadratic_weighted_kappa(confusion(reference, predicted))
    drawn = quadratic_weighted_kappa(PatientBootstrap.of(reference, predicted, patients).resample(num_resamples, seed))
    differences, resampled = kappas - kappas[baseline], drawn - drawn[:, [baseline]]  # (C,), (R, C)
    errors = resampled.std(0)
    deviations = np.abs(resampled - differences) / np.where(errors > 0, errors, np.inf)
    half_widths = float(np.quantile(deviations.max(1), 0.95)) * errors
    return [
        None
        if number == baseline
        else Gain(
            float(value),
            interval(resampled[:, number]),
            float((resampled[:, number] <= 0).mean()),
            (float(value - half_widths[number]), float(value + half_widths[number])),
        )
        for number, value in enumerate(differences)
    ]


def conclude(contenders: Sequence[ComparedMethod], num_patients: int) -> str:
    """State in a sentence whether the best method is significantly better than any single member."""
    chosen, hindsight = baseline_names(contenders)
    top = max(
        (item for item in contenders if item.kind == "method"), key=lambda item: item.nested.quadratic_weighted_kappa
    )
    assert top.gain is not None
    assert top.gain_in_hindsight is not None
    gains_text = (
        f"{_gain_text(top.gain)} against the {chosen} chosen within the folds,"
        f" {_gain_text(top.gain_in_hindsight)} against {hindsight}, the best in hindsight (intervals hold"
        f" for {len(contenders) - 1} comparisons at once, {num_patients} patients)"
    )
    if min(top.gain.joint_interval[0], top.gain_in_hindsight.joint_interval[0]) > 0:
        return f"Combining helps: {top.name} agrees better than any single member, {gains_text}."
    return f"It is unclear whether combining helps: {top.name} is highest, {gains_text}."


def baseline_names(contenders: Sequence[ComparedMethod]) -> tuple[str, str]:
    """Names of the stronger baseline and of the member that is best in hindsight, over which gains are measured."""
    chosen = next(item.name for item in contenders if item.gain is None)
    return chosen, next(item.name for item in contenders if item.gain_in_hindsight is None)


def format_gain(gain: Gain | None) -> str:
    """Format a gain with its interval for a cell of a table; `-` for the baseline itself."""
    return "-" if gain is None else f"{gain.difference:+z.3f} ({gain.interval[0]:+.3f} to {gain.interval[1]:+.3f})"


def _gain_text(gain: Gain) -> str:
    low, high = gain.joint_interval
    return f"{gain.difference:+z.3f} in quadratic kappa ({low:+.3f} to {high:+.3f})"
