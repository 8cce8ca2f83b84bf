"""Finding referable DR: sensitivity, specificity and precision at every threshold, with intervals over patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drkit import intervals
from drkit.errors import InputError
from drkit.evaluation import EvaluationSet
from drkit.evaluation.agreement import Interval
from drkit.grades import REFERABLE_FROM
from drkit.plotting.selection import resample_patients

FloatArray = NDArray[np.float64]

GRID = np.linspace(0, 1, 201)
SENSITIVITIES = (0.90, 0.95)


@dataclass(frozen=True)
class Ranking:
    """Cases in falling order of their probability of being referable.

    Args:
        order: (C,) indices.
        ends: (T,) the last place of each distinct probability.
        thresholds: (T,) the distinct probabilities, falling.
        referable: (C,) 1 where the case is, in the cases' own order.
    """

    order: NDArray[np.int64]
    ends: NDArray[np.int64]
    thresholds: FloatArray
    referable: FloatArray

    @classmethod
    def of(cls, referable: NDArray[np.bool_], probability: FloatArray) -> "Ranking":
        """Rank cases: (C,) whether each is referable, (C,) its probability."""
        order = np.argsort(-probability, kind="stable")
        falling = probability[order]
        ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
        return cls(order, ends, falling[ends], referable.astype(np.float64))

    def rates(self, weights: FloatArray | None = None) -> "Rates":
        """Sensitivity and the rest at every threshold, cases weighted by (C,) `weights`."""
        times = np.ones(len(self.order)) if weights is None else weights
        hits = np.cumsum((times * self.referable)[self.order])[self.ends]
        alarms = np.cumsum((times * (1 - self.referable))[self.order])[self.ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            return Rates(hits / hits[-1], alarms / alarms[-1], hits / (hits + alarms))


@dataclass(frozen=True)
class Rates:
    """What thresholds come to, from the highest threshold to the lowest, which refers everybody.

    Args:
        sensitivity: (T,) share found of the referable, rising to 1.
        false_alarms: (T,) share of the others that is referred, rising to 1: 1 - specificity.
        precision: (T,) share of the referred that is referable; NaN where nobody is referred.
    """

    sensitivity: FloatArray
    false_alarms: FloatArray
    precision: FloatArray

    def area(self) -> float:
        """Area under the ROC curve, by trapezoids: ties count half."""
        return float(np.trapezoid(np.append(0, self.sensitivity), np.append(0, self.false_alarms)))

    def average_precision(self) -> float:
        """Precision averaged over the steps in sensitivity."""
        gains = np.diff(self.sensitivity, prepend=0)
        return float(np.nansum(gains * self.precision))

    def sensitivity_at(self, false_alarms: FloatArray) -> FloatArray:
        """The highest sensitivity that at most so many false alarms buy."""
        place = np.searchsorted(self.false_alarms, false_alarms, side="right")
        return np.append(0, self.sensitivity)[place]

    def first_reaching(self, sensitivity: float | FloatArray) -> NDArray[np.int64]:
        """The highest thresholds, as indices, that reach so much sensitivity."""
        place = np.searchsorted(self.sensitivity, np.asarray(sensitivity) - 1e-9, side="left")
        return np.minimum(place, len(self.sensitivity) - 1)

    def precision_at(self, sensitivity: FloatArray) -> FloatArray:
        """The precision of the highest threshold that reaches so much sensitivity."""
        return self.precision[self.first_reaching(sensitivity)]


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold, or the run's own decision, on these cases.

    Args:
        name: `sensitivity 0.90`, or `predicted grade 2+`.
        threshold: On the probability of being referable; None for the run's decision.
        sensitivity: Share found of the referable.
        specificity: Share of the others left unreferred.
        specificity_interval: 95 %, over resampled patients.
        precision: Share of the referred that is referable.
    """

    name: str
    threshold: float | None
    sensitivity: float
    specificity: float
    specificity_interval: Interval
    precision: float


@dataclass(frozen=True)
class Screening:
    """How well a run tells referable cases from others.

    Args:
        run: Its name.
        referable: Share of the cases that are.
        rates: At every threshold.
        roc_area: Under the ROC curve.
        roc_area_interval: 95 %, over resampled patients.
        average_precision: Under the precision-recall curve.
        average_precision_interval: 95 %.
        roc_band: (2, len(GRID)) 95 % of the sensitivity at each share of false alarms of `GRID`.
        precision_band: (2, len(GRID)) 95 % of the precision at each sensitivity of `GRID`.
        points: At fixed sensitivities, and of the run's own decision, last.
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
        whole = "all" if referable.all() else "none"
        raise InputError(
            f"{run.name}: {whole} of {len(referable)} cases are referable, so there is nothing to tell apart"
        )
    ranking = Ranking.of(referable, run.cases.referable_probability())
    drawn = list(resample_patients(run.cases.patients, num_resamples, seed))
    resampled = [ranking.rates(weights) for weights in drawn if 0 < weights @ ranking.referable < weights.sum()]
    rates = ranking.rates()
    return Screening(
        run=run.name,
        referable=float(referable.mean()),
        rates=rates,
        roc_area=rates.area(),
        roc_area_interval=intervals.interval([item.area() for item in resampled]),
        average_precision=rates.average_precision(),
        average_precision_interval=intervals.interval([item.average_precision() for item in resampled]),
        roc_band=_band([item.sensitivity_at(GRID) for item in resampled]),
        precision_band=_band([item.precision_at(GRID) for item in resampled]),
        points=(*(_at(share, ranking, rates, resampled) for share in SENSITIVITIES), _own(run, drawn)),
    )


def _band(samples: Sequence[FloatArray]) -> FloatArray:
    return np.nanpercentile(np.stack(samples), (2.5, 97.5), axis=0)


def _at(share: float, ranking: Ranking, rates: Rates, resampled: Sequence[Rates]) -> OperatingPoint:
    place = int(rates.first_reaching(share))
    specificities = [1 - item.false_alarms[int(item.first_reaching(share))] for item in resampled]
    return OperatingPoint(
        name=f"sensitivity {share:.2f}",
        threshold=float(ranking.thresholds[place]),
        sensitivity=float(rates.sensitivity[place]),
        specificity=float(1 - rates.false_alarms[place]),
        specificity_interval=intervals.interval(specificities),
        precision=float(rates.precision[place]),
    )


def _own(run: EvaluationSet, drawn: Sequence[FloatArray]) -> OperatingPoint:
    """Where the run's predicted grades stand."""
    referred, referable = run.cases.predicted >= REFERABLE_FROM, run.cases.reference >= REFERABLE_FROM
    left, others = ~referred & ~referable, ~referable
    specificities = [weights @ left / (weights @ others) for weights in drawn if weights @ others]
    return OperatingPoint(
        name=f"predicted grade {REFERABLE_FROM}+",
        threshold=None,
        sensitivity=float(referred[referable].mean()),
        specificity=float(left.sum() / others.sum()),
        specificity_interval=intervals.interval(specificities),
        precision=float(referable[referred].mean()) if referred.any() else float("nan"),
    )
