"""The figures of a cohort: collected batch by batch, brought to means with intervals over patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from drkit.explaining.examining import Proof
from drkit.explaining.intervals import patient_mean
from drkit.explaining.lesions import mass_inside, points_at, read_mask
from drkit.explaining.photographs import View
from drkit.explaining.session import Findings
from drkit.explaining.tables import LESION, PROVED, Means

ALL_KINDS = "all lesions"


@dataclass
class Ledger:
    """Figures by unit or photograph, each with its patient.

    Args:
        masks: Files of lesions by image id and kind; empty: none were given.
        lesion_kinds: Of masks, which count among all lesions.
    """

    masks: Mapping[str, Mapping[str, Sequence[Path]]]
    lesion_kinds: frozenset[str] = frozenset()
    _proved: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _owners: list[np.ndarray] = field(default_factory=list)
    _lesions: dict[str, list[tuple[float, float, float, str]]] = field(default_factory=dict)

    def add(self, findings: Findings, views: Sequence[View], rows: pd.DataFrame) -> None:
        """Take in a batch; `rows` are its photographs in the cohort."""
        if findings.proof is not None:
            first = np.unique(findings.unit, return_index=True)[1]
            self._owners.append(rows["patient"].to_numpy(dtype=str)[first])
            for name, values in _figures(findings.proof).items():
                self._proved.setdefault(name, []).append(values)
        for place, view in enumerate(views):
            self._add_lesions(findings, place, view, rows.iloc[place])

    def proof(self) -> Means | None:
        """Figures of the proof; None where none was asked for."""
        if not self._owners:
            return None
        owners = np.concatenate(self._owners)
        means = {name: patient_mean(np.concatenate(values), owners) for name, values in self._proved.items()}
        return {name: mean for name, mean in means.items() if mean is not None}

    def lesions(self) -> dict[str, Means] | None:
        """Figures by kind of lesion; None where no photograph has a mask."""
        found = {kind: _lesion_means(rows) for kind, rows in sorted(self._lesions.items())}
        return found or None

    def _add_lesions(self, findings: Findings, place: int, view: View, row: pd.Series) -> None:
        """The evidence for against each kind's mask, and against all lesions; kinds that are not seen are left out."""
        weights = findings.drawn_for[place]
        of_kind = self.masks.get(str(row["image_id"]), {})
        masks = {kind: read_mask(paths, view.shape, view.frame, len(weights)) for kind, paths in of_kind.items()}
        lesions = [mask for kind, mask in masks.items() if kind in self.lesion_kinds]
        for kind, mask in masks.items():
            self._note(kind, weights, mask, str(row["patient"]))
        if len(lesions) > 1:
            self._note(ALL_KINDS, weights, np.logical_or.reduce(lesions), str(row["patient"]))

    def _note(self, kind: str, weights: np.ndarray, mask: np.ndarray, owner: str) -> None:
        if mask.any():
            figures = points_at(weights, mask), mass_inside(weights, mask), float(mask.mean())
            self._lesions.setdefault(kind, []).append((*figures, owner))


def _lesion_means(rows: Sequence[tuple[float, float, float, str]]) -> Means:
    *columns, owners = zip(*rows, strict=True)
    means = {name: patient_mean(column, owners) for name, column in zip(LESION, columns, strict=True)}
    return {name: mean for name, mean in means.items() if mean is not None}


def _figures(proof: Proof) -> dict[str, np.ndarray]:
    own, noise = proof.own, proof.noise
    return {
        **{name: getattr(own, name) for name in PROVED},
        **{f"noise_{name}": getattr(noise, name) for name in PROVED},
        "beyond_noise": (own.insertion - own.deletion) - (noise.insertion - noise.deletion),
        "after_randomising": proof.after_randomising,
    }
