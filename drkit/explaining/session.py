"""A run asked about photographs, batch by batch: answers, evidence, proof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from drkit.catalogue import EXPLAINERS
from drkit.data.units import UnitIndex
from drkit.decisions import GradePredictions
from drkit.errors import UsageError, did_you_mean
from drkit.explaining.cohort import Cohort, Part
from drkit.explaining.evidence import Evidence, mean_evidence, share_inside, unit_scale, unit_shares
from drkit.explaining.examining import Explainer, Proof, Prover
from drkit.explaining.inquiry import Inquiry
from drkit.explaining.photographs import View, blur_discs, render_views
from drkit.explaining.questions import ContrastQuestion, GradeQuestion, Question, ScoreQuestion
from drkit.grades import NUM_GRADES
from drkit.inference import read_answers
from drkit.losses import build_loss
from drkit.models.restoring import OpenedRun

ASKED: tuple[str, ...] = ("predicted", "reference", "score", *map(str, range(NUM_GRADES)))
# Methods that do not hear the question, and what they show instead.
WHATEVER_IS_ASKED: Mapping[str, tuple[str, str]] = {
    "eigencam": ("the strongest pattern, whatever the grade", ""),
    "attention": ("attended to", "attended to less than evenly"),
}

Strengths = NDArray[np.float32]  # (P, S, S) in [0, 1]


@dataclass(frozen=True)
class Session:
    """Who is asked what, and how.

    Args:
        opened: The run.
        cohort: The photographs.
        method: Name in the catalogue.
        asked: One of `ASKED`.
        layer: Whose map is looked at; None: the backbone's last.
        prover: Puts the evidence to the proof; None: it is not.
        device: Where all is computed.
    """

    opened: OpenedRun
    cohort: Cohort
    method: str
    asked: str
    layer: str | None
    prover: Prover | None
    device: torch.device

    @property
    def explain(self) -> Explainer:
        """The method."""
        found: Explainer = EXPLAINERS[self.method].load()
        return found

    @property
    def speaks(self) -> tuple[str, str]:
        """What evidence for and against speaks for, in words."""
        if self.method in WHATEVER_IS_ASKED:
            return WHATEVER_IS_ASKED[self.method]
        if self.asked == "score":
            return "speaks for a worse grade", "speaks for a milder grade"
        named = self.asked if self.asked in ("predicted", "reference") else ""
        grade = f"the {named} grade" if named else f"grade {self.asked}"
        return f"speaks for {grade}", f"speaks against {grade}"


@dataclass(frozen=True)
class Findings:
    """What was found in a batch of P photographs in B units.

    Args:
        rows: (P,) row numbers in the cohort.
        unit: (P,) number of each photograph's unit in the batch.
        answers: The run's, of each unit.
        asked_grades: (B,) the grades that were asked about; None for the score.
        raw: Evidence (P, h, w), as the method gives it.
        drawn_for: (P, S, S) in [0, 1], on one scale within a unit.
        drawn_against: Likewise.
        contrast: For each photograph of a unit whose predicted grade is not the reference: for and against on one
            scale, by place in the batch.
        shares: (P,) of the unit's evidence.
        outside: (P,) share of the evidence outside the disc; NaN where there is no evidence or no disc.
        proof: Unit by unit; None where it was not asked for.
    """

    rows: NDArray[np.int64]
    unit: NDArray[np.int64]
    answers: GradePredictions
    asked_grades: NDArray[np.int64] | None
    raw: Evidence
    drawn_for: Strengths
    drawn_against: Strengths
    contrast: Mapping[int, tuple[Strengths, Strengths]]
    shares: NDArray[np.float64]
    outside: NDArray[np.float64]
    proof: Proof | None


def default_question(decision: str) -> str:
    """What is asked unless something else is: a classifier's grade, else the score, whose sign is plain."""
    return "predicted" if decision == "argmax" else "score"


def check_asked(asked: str) -> None:
    """Check that a question is known.

    Raises:
        UsageError: it is none of `ASKED`.
    """
    if asked not in ASKED:
        raise UsageError(f"--target-grade {asked}: {did_you_mean(asked, ASKED)}")


def examine(session: Session, part: Part, views: Sequence[View]) -> Findings:
    """Ask about one batch.

    Args:
        session: Who is asked what.
        part: The batch.
        views: Its photographs, in the order of `part.batch.rows`.

    Raises:
        UsageError: the layer gives no map.
    """
    rows = session.cohort.rows.iloc[part.batch.rows]
    inquiries = _inquire(session, part, views, _question(session, part.batch.places, rows))
    found = [session.explain(inquiry) for inquiry in inquiries]
    evidence, first = mean_evidence(found), inquiries[0]
    drawn = evidence.enlarged(first.side)
    scale = unit_scale(drawn, first.places)[:, None, None]
    looked_at = drawn.speaking_for if session.method == "attention" else drawn.speaking_for + drawn.against
    outside = share_inside(looked_at, ~first.discs).cpu().double().numpy()
    question = first.question
    return Findings(
        rows=part.batch.rows,
        unit=part.batch.places.unit.numpy(),
        answers=_answers(inquiries),
        asked_grades=question.grades.numpy() if isinstance(question, GradeQuestion) else None,
        raw=evidence,
        drawn_for=(drawn.speaking_for / scale).cpu().numpy(),
        drawn_against=(drawn.against / scale).cpu().numpy(),
        contrast=_contrast(session, inquiries, rows),
        shares=unit_shares(drawn, first.places).cpu().double().numpy(),
        outside=np.where([view.has_disc for view in views], outside, np.nan),
        proof=session.prover.prove(inquiries, found, session.explain, tuple(part.batch.rows))
        if session.prover
        else None,
    )


def _question(session: Session, places: UnitIndex, rows: pd.DataFrame) -> Question:
    header = session.opened.header
    loss = build_loss(header.architecture.loss)
    if session.asked == "score":
        return ScoreQuestion(loss, header.sigma)
    if session.asked in ("predicted", "reference"):
        column = "predicted_grade" if session.asked == "predicted" else "reference"
        return GradeQuestion(loss, header.sigma, _by_unit(rows[column], places))
    return GradeQuestion(loss, header.sigma, torch.full((places.num_units,), int(session.asked)))


def _by_unit(column: pd.Series, places: UnitIndex) -> torch.Tensor:
    """The value (B,) of each unit's first photograph."""
    first = np.unique(places.unit.numpy(), return_index=True)[1]
    return torch.from_numpy(column.to_numpy(dtype=np.int64)[first])


def _inquire(session: Session, part: Part, views: Sequence[View], question: Question) -> list[Inquiry]:
    """The question put to the networks that did not see the photographs, or to all where no fold held them out."""
    header = session.opened.header
    images, discs = render_views(views, session.opened.input_format, session.device)
    baseline, places = blur_discs(images, discs), part.batch.places.to(session.device)
    both = zip(session.opened.graders, session.opened.headers, strict=True)
    chosen = [(grader, each) for grader, each in both if part.fold is None or each.fold in (None, part.fold)]
    first = Inquiry(session.opened.graders[0], images, baseline, discs, places, question, session.layer)
    return [
        replace(
            first,
            grader=grader.to(session.device),
            question=replace(question, sigma=each.sigma),
        )
        for grader, each in chosen or [(session.opened.graders[0], header)]
    ]


def _answers(inquiries: Sequence[Inquiry]) -> GradePredictions:
    """The run's, of each unit."""
    return GradePredictions.mean(
        [
            read_answers(
                inquiry.question.loss,
                inquiry.logits(inquiry.images).float().cpu().numpy(),
                inquiry.question.sigma,
            )
            for inquiry in inquiries
        ]
    )


def _contrast(
    session: Session, inquiries: Sequence[Inquiry], rows: pd.DataFrame
) -> dict[int, tuple[Strengths, Strengths]]:
    """Predicted rather than reference, of the units where both are known and differ."""
    differs = (rows["reference"] != rows["predicted_grade"]).fillna(False).to_numpy(dtype=bool)
    if not differs.any() or session.method in WHATEVER_IS_ASKED:
        return {}
    photographs = np.flatnonzero(differs)
    chosen = rows.iloc[photographs]
    parts = [_only(inquiry, torch.from_numpy(photographs)) for inquiry in inquiries]
    places = parts[0].places
    predicted, reference = (_by_unit(chosen[name], _on_cpu(places)) for name in ("predicted_grade", "reference"))
    questions = [ContrastQuestion(part.question.loss, part.question.sigma, predicted, reference) for part in parts]
    found = [session.explain(part.about(question)) for part, question in zip(parts, questions, strict=True)]
    evidence = mean_evidence(found).enlarged(parts[0].side)
    scale = unit_scale(evidence, places)[:, None, None]
    drawn_for, against = (evidence.speaking_for / scale).cpu().numpy(), (evidence.against / scale).cpu().numpy()
    return {int(photograph): (drawn_for[at], against[at]) for at, photograph in enumerate(photographs)}


def _only(inquiry: Inquiry, photographs: torch.Tensor) -> Inquiry:
    """The same about some of the photographs, whole units."""
    places = inquiry.places
    index = photographs.to(places.unit.device)
    units, unit = places.unit[index].unique(return_inverse=True)
    eyes, eye = places.eye[index].unique(return_inverse=True)
    return replace(
        inquiry,
        images=inquiry.images[index],
        baseline=inquiry.baseline[index],
        discs=inquiry.discs[index],
        places=UnitIndex(unit, places.slot[index], eye, len(units), len(eyes)),
        question=inquiry.question.of(units.cpu()),
    )


def _on_cpu(places: UnitIndex) -> UnitIndex:
    return places.to(torch.device("cpu"))
