"""Comparison of an ONNX file's predictions with those of its run."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from drkit.data.patients import name_unknown_patients
from drkit.decisions import GradePredictions
from drkit.exporting.inputs import gather_units
from drkit.exporting.onnx_model import grade_with_onnx
from drkit.grading import grade_photographs
from drkit.models.restoring import OpenedRun
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions, build_predictions, patient_keys

TOLERANCE = 1e-3  # of probabilities and scores


@dataclass(frozen=True)
class OnnxCheck:
    """Largest differences between onnxruntime and torch on the same photographs.

    Args:
        photographs: Number of photographs that both graded.
        max_probability_difference: Maximum over photographs and grades.
        max_score_difference: Maximum over photographs, in grades.
    """

    photographs: int
    max_probability_difference: float
    max_score_difference: float

    @property
    def passes(self) -> bool:
        """Whether no difference exceeds the tolerance."""
        return max(self.max_probability_difference, self.max_score_difference) <= TOLERANCE

    def __str__(self) -> str:
        """Return one sentence."""
        return (
            f"onnxruntime and torch graded {self.photographs} photographs: probabilities differ by at most"
            f" {self.max_probability_difference:.1e}, scores by at most {self.max_score_difference:.1e}"
        )


def grade_with_both(
    opened: OpenedRun, labels: Labels, file: Path, *, workers: int | None = None
) -> tuple[Predictions, Predictions]:
    """Grade photographs with a run's networks in torch, and with an ONNX file of them.

    Args:
        opened: The run.
        labels: N photographs, whole units, which are read and joined as by `drkit predict`.
        file: The ONNX file.
        workers: Number of threads that read photographs; None for one per allowed CPU.

    Returns:
        Predictions of torch and of onnxruntime for the same rows, with grades by the same decision.

    Raises:
        InputError: photographs cannot be read, or a unit has more photographs than the network has slots.
    """
    by_torch = grade_photographs(opened, labels, "cpu", workers=workers)
    units = gather_units(opened, labels, workers=workers)
    return by_torch, _as_predictions(grade_with_onnx(file, units).take(units.unit_of), by_torch, labels)


def compare(by_torch: Predictions, by_onnx: Predictions) -> OnnxCheck:
    """Find the largest differences between two predictions of the same rows."""
    return OnnxCheck(
        photographs=len(by_torch),
        max_probability_difference=float(np.abs(by_torch.probabilities() - by_onnx.probabilities()).max()),
        max_score_difference=float(np.abs(by_torch.rows["score"].to_numpy() - by_onnx.rows["score"].to_numpy()).max()),
    )


def some_patients(labels: Labels, num_patients: int) -> Labels:
    """The photographs of at most `num_patients` patients, evenly spaced over the data set."""
    patients = patient_keys(name_unknown_patients(labels).rows)
    unique = np.unique(patients)
    chosen = unique[np.linspace(0, len(unique) - 1, min(num_patients, len(unique))).round().astype(int)]
    return replace(labels, rows=labels.rows[np.isin(patients, chosen)].reset_index(drop=True))


def _as_predictions(outputs: GradePredictions, by_torch: Predictions, labels: Labels) -> Predictions:
    probabilities = outputs.probabilities / outputs.probabilities.sum(1, keepdims=True)
    meta = replace(by_torch.meta, seeds=())
    return build_predictions(
        name_unknown_patients(labels), probabilities=probabilities, score=outputs.score, meta=meta, name=by_torch.name
    )
