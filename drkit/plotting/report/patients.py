"""The page of `drkit predict --report`: each patient's photographs with grades, evidence and quality warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drkit.explaining.explanation import Overlay
from drkit.grades import GRADE_NAMES, NUM_GRADES, REFERABLE_FROM
from drkit.plotting.report.page import (
    Block,
    EvidencePicture,
    EvidencePictures,
    Paragraph,
    Section,
    TableBlock,
    embed_photograph,
    render_page,
    shrink,
)
from drkit.records.predictions import Predictions
from drkit.reporting import Table

SIDE = 240  # CSS pixels of a picture
PIXELS = 320  # of its side
NO_DEVICE = (
    "This is not a medical device. It must not be used to diagnose, to screen, or to decide whether somebody is treated"
    " or referred; it is for study and research. Grade 0 does not rule out disease."
)
CHECKS = (
    "Quality warnings look for blur, darkness, a disc that is cut, and for what is no fundus photograph."
    " A photograph without a warning may still be unfit: uneven exposure and a wrong field of view are hardly"
    " recognised, and whether the camera is like those that the network was trained on is not checked."
)


@dataclass(frozen=True)
class GradedPhotograph:
    """A graded photograph as the page shows it.

    Args:
        image_id: Id of the photograph.
        eye: `left` or `right`; empty if unknown.
        grade: Predicted grade, 0-4.
        score: Predicted score in [0, 4].
        probabilities: Probabilities of the grades 0 to 4.
        is_referable: Whether the photograph is a reason to refer the patient.
        warnings: Reasons why the grade is less reliable.
        evidence: The photograph with its map; None for ensembles, which have no maps.
    """

    image_id: str
    eye: str
    grade: int
    score: float
    probabilities: Sequence[float]
    is_referable: bool
    warnings: Sequence[str]
    evidence: EvidencePicture | None


@dataclass(frozen=True)
class GradedPatient:
    """The photographs of a patient; a photograph without a patient id is a patient of its own.

    Args:
        name: The patient's id, or the photograph's.
        photographs: At least one photograph.
    """

    name: str
    photographs: Sequence[GradedPhotograph]


def embed_overlay(overlay: Overlay) -> EvidencePicture:
    """A photograph and its map, embedded in the page."""
    name, (worse, milder) = overlay.image_id, overlay.legend
    legend = f"orange {worse}, blue {milder}" if milder else f"orange {worse}"
    return EvidencePicture(
        embed_photograph(shrink(overlay.picture, PIXELS), f"photograph {name}", name),
        [embed_photograph(shrink(overlay.painted, PIXELS), f"evidence in {name}")],
        2 * SIDE,
        legend,
    )


def gather_patients(
    predictions: Predictions,
    is_referable: NDArray[np.bool_],
    warnings: Sequence[Sequence[str]],
    evidence: Mapping[str, EvidencePicture],
) -> list[GradedPatient]:
    """The patients of N graded photographs, in the order of their first photographs.

    Args:
        predictions: Predictions of the photographs.
        is_referable: (N,) whether each photograph is a reason to refer the patient.
        warnings: For each of the N photographs, reasons why its grade is less reliable.
        evidence: The photographs with their maps, by image id; may be empty.
    """
    photographs: dict[str, list[GradedPhotograph]] = {}
    rows = predictions.rows
    graded = zip(rows.itertuples(), predictions.probabilities(), is_referable, warnings, strict=True)
    for row, probabilities, refers, remarks in graded:
        photographs.setdefault(_name_patient(row), []).append(
            GradedPhotograph(
                image_id=row.image_id,
                eye=row.eye if isinstance(row.eye, str) else "",
                grade=int(row.predicted_grade),
                score=float(row.score),
                probabilities=[float(share) for share in probabilities],
                is_referable=bool(refers),
                warnings=remarks,
                evidence=evidence.get(row.image_id),
            )
        )
    return [GradedPatient(name, shown) for name, shown in photographs.items()]


def _name_patient(row: Any) -> str:
    is_known = isinstance(row.patient_id, str) and not row.patient_id.startswith("photograph ")
    return f"patient {row.patient_id}" if is_known else str(row.image_id)


def render_patients(patients: Sequence[GradedPatient], run: str, rule: str) -> str:
    """Render the page as one HTML file.

    Args:
        patients: The patients, in the order in which they are shown.
        run: Name of the run that graded them.
        rule: Description of when a patient is referable.
    """
    num_photographs = sum(len(patient.photographs) for patient in patients)
    subtitle = (
        f"Graded by {run} on the ICDR scale from 0 to 4. Photographs: {num_photographs}; patients: {len(patients)}."
    )
    notes: list[Block] = [Paragraph(NO_DEVICE, "warning"), Paragraph(f"Referable: {rule}."), Paragraph(CHECKS)]
    sections = [Section("reading", "How to read this page", notes)]
    sections += [_build_patient(patient, number) for number, patient in enumerate(patients, 1)]
    return render_page("Graded photographs", subtitle, sections)


def _build_patient(patient: GradedPatient, number: int) -> Section:
    blocks: list[Block] = [_verdict(patient)]
    blocks += [
        Paragraph(f"{photograph.image_id}: {warning}", "warning")
        for photograph in patient.photographs
        for warning in photograph.warnings
    ]
    blocks.append(TableBlock(_table(patient)))
    if shown := [photograph.evidence for photograph in patient.photographs if photograph.evidence]:
        legends = dict.fromkeys(evidence.legend for evidence in shown)
        blocks += [
            Paragraph(f"Evidence beside each photograph: {'; '.join(legends)}.", "quiet"),
            EvidencePictures(shown),
        ]
    return Section(f"patient-{number}", patient.name, blocks, is_one_sheet=True)


def _verdict(patient: GradedPatient) -> Paragraph:
    worst = max(photograph.grade for photograph in patient.photographs)
    num_referable = sum(photograph.is_referable for photograph in patient.photographs)
    counted = f"{num_referable} of {len(patient.photographs)} photographs"
    verdict = f"Referable, by {counted}" if num_referable else "Not referable"
    return Paragraph(f"{verdict}. Worst predicted grade: {worst} ({GRADE_NAMES[worst]}).")


def _table(patient: GradedPatient) -> Table:
    columns = (
        "photograph",
        "eye",
        "grade",
        "score",
        *map(str, range(NUM_GRADES)),
        f"{REFERABLE_FROM} or worse",
        "referable",
    )
    return Table("Predicted grade, and the probability of each grade", columns, list(map(_row, patient.photographs)))


def _row(photograph: GradedPhotograph) -> tuple[str, ...]:
    shares = [f"{share:.2f}" for share in photograph.probabilities]
    referable = f"{sum(photograph.probabilities[REFERABLE_FROM:]):.2f}"
    grade = f"{photograph.grade} {GRADE_NAMES[photograph.grade]}"
    refers = "yes" if photograph.is_referable else "no"
    return (photograph.image_id, photograph.eye, grade, f"{photograph.score:.1f}", *shares, referable, refers)
