"""Metrics of explanations: means with intervals over patients, and their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from drkit.explaining.batch import BatchAttribution
from drkit.explaining.faithfulness import PERTURBATION_SCORES, Faithfulness
from drkit.explaining.lesions import mass_inside, points_at, read_mask
from drkit.explaining.photographs import View
from drkit.intervals import interval
from drkit.reporting import Table

NUM_RESAMPLES = 2000
LESION_SCORES = ("pointing", "mass", "area")
ALL_KINDS = "all lesions"
NOISE = "noise at the same resolution"
HOW_TO_READ = (
    "deletion low, insertion high: the prediction depends on the marked pixels; beyond noise above 0: more than on"
    " pixels marked at random; after randomising near 0: the maps show what was learned, not edges"
)


@dataclass(frozen=True)
class MeanWithInterval:
    """A mean with its 95 % interval over patients.

    Args:
        value: Mean over all cases.
        low: Lower limit of the interval.
        high: Upper limit of the interval.
        cases: Number of cases.
        patients: Number of patients.
    """

    value: float
    low: float
    high: float
    cases: int
    patients: int

    def __str__(self) -> str:
        return f"{self.value:z.3f}\n{self.low:z.3f} to {self.high:z.3f}"


Means = dict[str, MeanWithInterval]


def patient_mean(values: ArrayLike, patients: ArrayLike, seed: int = 0) -> MeanWithInterval | None:
    """The mean of (N,) values, with a bootstrap interval over patients; NaN values are left out.

    Returns:
        None if all values are NaN.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile interval).
    """
    numbers, owners = np.asarray(values, dtype=np.float64), np.asarray(patients)
    known = ~np.isnan(numbers)
    if not known.any():
        return None
    names, patient = np.unique(owners[known], return_inverse=True)
    sums, counts = np.bincount(patient, numbers[known]), np.bincount(patient).astype(np.float64)
    shares = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), shares, size=NUM_RESAMPLES).astype(np.float64)
    low, high = interval((drawn @ sums) / (drawn @ counts))
    return MeanWithInterval(float(sums.sum() / counts.sum()), low, high, int(known.sum()), len(names))


def faithfulness_table(by_method: Mapping[str, Means]) -> Table:
    """One row for each method, and one for the noise of each resolution."""
    columns = ("method", "deletion", "insertion", "beyond noise", "average drop", "increase", "after\nrandomising")
    names = ("deletion", "insertion", "beyond_noise", "drop", "increase", "after_randomising")
    rows = [[method, *(str(means[name]) for name in names)] for method, means in by_method.items()]
    methods_of_noise: dict[tuple[str, ...], list[str]] = {}  # methods with maps of one resolution share noise
    for method, means in by_method.items():
        noise = tuple(str(means[f"noise_{name}"]) for name in PERTURBATION_SCORES)
        methods_of_noise.setdefault(noise, []).append(method)
    for noise, methods in methods_of_noise.items():
        name = NOISE if len(methods_of_noise) == 1 else f"{NOISE} as {', '.join(methods)}"
        rows.append([name, *noise[:2], "", *noise[2:], ""])
    first = next(iter(by_method.values()))
    title = f"Faithfulness, means over {first['deletion'].cases} cases of {first['deletion'].patients} patients (95 %)"
    return Table(title, columns, rows)


def lesion_table(by_method: Mapping[str, Mapping[str, Means]]) -> Table:
    """One row for each method and kind of lesion."""
    columns = ("method", "lesion", "photographs", "pointing game", "mass inside", "area of the mask")
    rows = [
        [
            method,
            kind,
            str(means["area"].cases),
            *(str(means[name]) if name in means else "-" for name in LESION_SCORES),
        ]
        for method, kinds in by_method.items()
        for kind, means in kinds.items()
    ]
    return Table("Evidence for, against masks of lesions, means with 95 % intervals over patients", columns, rows)


@dataclass
class ExplanationMetrics:
    """Faithfulness of units and overlap of photographs with lesions, collected batch by batch.

    Args:
        masks: Files of the masks by image id and kind; empty without masks.
        lesion_kinds: Kinds of mask that count as lesions.
    """

    masks: Mapping[str, Mapping[str, Sequence[Path]]]
    lesion_kinds: frozenset[str] = frozenset()
    _faithfulness: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _patients: list[np.ndarray] = field(default_factory=list)
    _lesions: dict[str, list[tuple[float, float, float, str]]] = field(default_factory=dict)

    def update(self, result: BatchAttribution, views: Sequence[View], rows: pd.DataFrame) -> None:
        """Add a batch with its photographs and their rows of `ExplainedUnits`."""
        if result.faithfulness is not None:
            first = np.unique(result.unit, return_index=True)[1]
            self._patients.append(rows["patient"].to_numpy(dtype=str)[first])
            for name, values in _scores(result.faithfulness).items():
                self._faithfulness.setdefault(name, []).append(values)
        for index, view in enumerate(views):
            self._update_lesions(result, index, view, rows.iloc[index])

    def compute_faithfulness(self) -> Means | None:
        """Compute the means of faithfulness; None if it was not measured."""
        if not self._patients:
            return None
        patients = np.concatenate(self._patients)
        means = {name: patient_mean(np.concatenate(values), patients) for name, values in self._faithfulness.items()}
        return {name: mean for name, mean in means.items() if mean is not None}

    def compute_lesions(self) -> dict[str, Means] | None:
        """Compute the means by kind of lesion; None if no photograph has a mask."""
        means: dict[str, Means] = {}
        for kind, rows in sorted(self._lesions.items()):
            *columns, patients = zip(*rows, strict=True)
            scores = {name: patient_mean(column, patients) for name, column in zip(LESION_SCORES, columns, strict=True)}
            means[kind] = {name: mean for name, mean in scores.items() if mean is not None}
        return means or None

    def _update_lesions(self, result: BatchAttribution, index: int, view: View, row: pd.Series) -> None:
        """Compare the positive attribution with the mask of each kind and of all lesions; empty masks are left out."""
        weights = result.drawn_positive[index]
        by_kind = self.masks.get(str(row["image_id"]), {})
        masks = {kind: read_mask(paths, view.shape, view.frame, len(weights)) for kind, paths in by_kind.items()}
        lesions = [mask for kind, mask in masks.items() if kind in self.lesion_kinds]
        for kind, mask in masks.items():
            self._add_mask(kind, weights, mask, str(row["patient"]))
        if len(lesions) > 1:
            self._add_mask(ALL_KINDS, weights, np.logical_or.reduce(lesions), str(row["patient"]))

    def _add_mask(self, kind: str, weights: np.ndarray, mask: np.ndarray, patient: str) -> None:
        if mask.any():
            scores = points_at(weights, mask), mass_inside(weights, mask), float(mask.mean())
            self._lesions.setdefault(kind, []).append((*scores, patient))


def _scores(faithfulness: Faithfulness) -> dict[str, np.ndarray]:
    own, noise = faithfulness.own, faithfulness.noise
    return {
        **{name: getattr(own, name) for name in PERTURBATION_SCORES},
        **{f"noise_{name}": getattr(noise, name) for name in PERTURBATION_SCORES},
        "beyond_noise": (own.insertion - own.deletion) - (noise.insertion - noise.deletion),
        "after_randomising": faithfulness.after_randomising,
    }
