"""Screening for referable DR: sensitivity, specificity and precision at every threshold, with intervals."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drkit import intervals
from drkit.decisions import referable_probability
from drkit.errors import InputError
from drkit.evaluation import EvaluationSet
from drkit.evaluation.agreement import Interval
from drkit.grades import REFERABLE_FROM
from drkit.resampling import resample_patients

FloatArray = NDArray[np.float64]

GRID = np.linspace(0, 1, 201)
SENSITIVITIES = (0.90, 0.95)


@dataclass(frozen=True)
class Ranking:
    """C cases sorted by falling probability of being referable, with T distinct probabilities.

    Args:
        order: (C,) indices of the cases, the most probable first.
        ends: (T,) position in `order` of the last case of each distinct probability.
        thresholds: (T,) the distinct probabilities, in falling order.
        referable: (C,) 1 for referable cases and 0 for others, in the original order of the cases.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    thresholds: FloatArray
    referable: FloatArray

    @classmethod
    def of(cls, referable: NDArray[np.bool_], probability: FloatArray) -> "Ranking":
        """Rank cases.

        Args:
            referable: (C,) whether each case is referable.
            probability: (C,) probability of being referable.
        """
        order = np.argsort(-probability, kind="stable")
        falling = probability[order]
        ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
        return cls(order, ends, falling[ends], referable.astype(np.float64))

    def rates(self, weights: FloatArray | None = None) -> "Rates":
        """Sensitivity, false positive rate and precision at every threshold, with cases weighted by `weights` (C,)."""
        case_weights = np.ones(len(self.order)) if weights is None else weights
        true_positives = np.cumsum((case_weights * self.referable)[self.order])[self.ends]
        false_positives = np.cumsum((case_weights * (1 - self.referable))[self.order])[self.ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            return Rates(
                true_positives / true_positives[-1],
                false_positives / false_positives[-1],
                true_positives / (true_positives + false_positives),
            )


@dataclass(frozen=True)
class Rates:
    """Rates at T thresholds, from the highest threshold to the lowest, which refers every case.

    Args:
        sensitivity: (T,) share of the referable cases that are referred, rising to 1.
        false_positive_rate: (T,) share of the other cases that are referred, 1 - specificity, rising to 1.
        precision: (T,) share of the referred cases that are referable; NaN if no case is referred.
    """

    sensitivity: FloatArray
    false_positive_rate: FloatArray
    precision: FloatArray

    def area(self) -> float:
        """Area under the ROC curve by the trapezoidal rule, so that ties count half."""
        return float(np.trapezoid(np.append(0, self.sensitivity), np.append(0, self.false_positive_rate)))

    def average_precision(self) -> float:
        """Mean precision over the thresholds, weighted by the increase in sensitivity."""
        gains = np.diff(self.sensitivity, prepend=0)
        return float(np.nansum(gains * self.precision))

    def sensitivity_at(self, false_positive_rate: FloatArray) -> FloatArray:
        """The highest sensitivity at a false positive rate of at most `false_positive_rate`."""
        index = np.searchsorted(self.false_positive_rate, false_positive_rate, side="right")
        return np.append(0, self.sensitivity)[index]

    def first_reaching(self, sensitivity: ArrayLike) -> NDArray[np.int64]:
        """Index of the highest threshold whose sensitivity is at least `sensitivity`."""
        index = np.searchsorted(self.sensitivity, np.asarray(sensitivity) - 1e-9, side="left")
        return np.minimum(index, len(self.sensitivity) - 1)

    def precision_at(self, sensitivity: FloatArray) -> FloatArray:
        """The precision at the highest threshold whose sensitivity is at least `sensitivity`."""
        return self.precision[self.first_reaching(sensitivity)]


class ResampledRates(NamedTuple):
    """What is kept of the rates of one resample, however many thresholds there are.

    Args:
        roc_area: Area under the ROC curve.
        average_precision: Area under the precision-recall curve.
        sensitivity: (len(GRID),) sensitivity at each false positive rate in `GRID`.
        precision: (len(GRID),) precision at each sensitivity in `GRID`.
        specificity: (len(SENSITIVITIES),) specificity at each of `SENSITIVITIES`.
    """

    roc_area: float
    average_precision: float
    sensitivity: FloatArray
    precision: FloatArray
    specificity: FloatArray

    @classmethod
    def of(cls, rates: Rates) -> "ResampledRates":
        """Reduce the rates at all thresholds."""
        specificity = 1 - rates.false_positive_rate[rates.first_reaching(SENSITIVITIES)]
        curves = rates.sensitivity_at(GRID), rates.precision_at(GRID)
        return cls(rates.area(), rates.average_precision(), *curves, specificity)


@dataclass(frozen=True)
class OperatingPoint:
    """Sensitivity, specificity and precision of one threshold, or of the run's predicted grades.

    Args:
        name: Name for legends and tables: `sensitivity 0.90`, or `predicted grade 2+`.
        threshold: Threshold on the probability of being referable; None for the predicted grades.
        sensitivity: Share of the referable cases that are referred.
        specificity: Share of the other cases that are not referred.
        specificity_interval: 95 % interval of the specificity over resampled patients.
        precision: Share of the referred cases that are referable; NaN if no case is referred.
    """

    name: str
    threshold: float | None
    sensitivity: float
    specificity: float
    specificity_interval: Interval
    precision: float


@dataclass(frozen=True)
class Screening:
    """How well a run separates referable cases from others.

    Args:
        run: Name of the run.
        referable: Share of the cases that are referable.
        rates: Rates at every threshold.
        roc_area: Area under the ROC curve.
        roc_area_interval: 95 % interval of the area over resampled patients.
        average_precision: Area under the precision-recall curve.
        average_precision_interval: 95 % interval of the average precision over resampled patients.
        roc_band: (2, len(GRID)) 95 % band of the sensitivity at each false positive rate in `GRID`.
        precision_band: (2, len(GRID)) 95 % band of the precision at each sensitivity in `GRID`.
        points: The operating points of `SENSITIVITIES`, followed by that of the predicted grades.
    """

    run: str
    referable: float
    rates: Rates
    roc_area: float
    roc_area_interval: Interval
    average_precision: float
    average_precision_interval: Interval
    roc_band: FloatArray
    precision_band: FloatArray
    points: tuple[OperatingPoint, ...]


def measure_screening(run: EvaluationSet, num_resamples: int = 1000, seed: int = 0) -> Screening:
    """Measure a run on its cases, with intervals over resampled patients.

    Raises:
        InputError: all cases are referable, or none is.
    """
    referable = run.cases.reference >= REFERABLE_FROM
    if referable.all() or not referable.any():
        quantity = "all" if referable.all() else "none"
        raise InputError(
            f"{run.name}: {quantity} of {len(referable)} cases are referable, so there is nothing to separate"
        )
    ranking = Ranking.of(referable, referable_probability(run.cases.probabilities))
    samples = partial(resample_patients, run.cases.patients, num_resamples, seed)
    kept = [
        ResampledRates.of(ranking.rates(weights))
        for weights in samples()
        if 0 < weights @ ranking.referable < weights.sum()
    ]
    areas, precision_areas, sensitivities, precisions, specificities = map(np.stack, zip(*kept, strict=True))
    rates = ranking.rates()
    return Screening(
        run=run.name,
        referable=float(referable.mean()),
        rates=rates,
        roc_area=rates.area(),
        roc_area_interval=intervals.interval(areas),
        average_precision=rates.average_precision(),
        average_precision_interval=intervals.interval(precision_areas),
        roc_band=_band(sensitivities),
        precision_band=_band(precisions),
        points=(
            *map(partial(_measure_at_sensitivity, ranking, rates), SENSITIVITIES, specificities.T),
            _measure_predicted_grades(run, samples()),
        ),
    )


def _band(samples: FloatArray) -> FloatArray:
    return np.nanpercentile(samples, (2.5, 97.5), axis=0)


def _measure_at_sensitivity(
    ranking: Ranking, rates: Rates, sensitivity: float, specificities: FloatArray
) -> OperatingPoint:
    index = int(rates.first_reaching(sensitivity))
    return OperatingPoint(
        name=f"sensitivity {sensitivity:.2f}",
        threshold=float(ranking.thresholds[index]),
        sensitivity=float(rates.sensitivity[index]),
        specificity=float(1 - rates.false_positive_rate[index]),
        specificity_interval=intervals.interval(specificities),
        precision=float(rates.precision[index]),
    )


def _measure_predicted_grades(run: EvaluationSet, samples: Iterable[FloatArray]) -> OperatingPoint:
    """The operating point of referring each case whose predicted grade is referable."""
    referred, referable = run.cases.predicted >= REFERABLE_FROM, run.cases.reference >= REFERABLE_FROM
    true_negatives, others = ~referred & ~referable, ~referable
    specificities = [weights @ true_negatives / (weights @ others) for weights in samples if weights @ others]
    return OperatingPoint(
        name=f"predicted grade {REFERABLE_FROM}+",
        threshold=None,
        sensitivity=float(referred[referable].mean()),
        specificity=float(true_negatives.sum() / others.sum()),
        specificity_interval=intervals.interval(specificities),
        precision=float(referable[referred].mean()) if referred.any() else float("nan"),
    )
