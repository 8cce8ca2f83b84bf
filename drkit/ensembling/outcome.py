"""Honest answers to graded photographs, final ones to all others, and what is written down about both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import drkit
from drkit.decisions import GradePredictions
from drkit.ensembling.applying import assemble
from drkit.ensembling.combiner import Method, ReferenceGrades
from drkit.ensembling.folds import assign_folds
from drkit.ensembling.fusing import Fuser, fusion_to_json
from drkit.ensembling.nesting import Combination, Rule, build_nest, nest_method
from drkit.ensembling.ridge import Linear
from drkit.ensembling.saving import SavedMember, describe_method
from drkit.grades import SPLITS
from drkit.records.predictions import Predictions, PredictionsMeta
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, read_run_record

UNKNOWN = "unknown"  # in place of hashes, where a member tells nothing of what it was trained on


@dataclass(frozen=True)
class Outcome:
    """Predictions for N photographs.

    Args:
        final: Combiner on all graded photographs.
        answers: Nested where graded, else by the final fit.
        grades: (N,) likewise.
        fold: (N,) outer fold, -1 where not graded.
        naive: (N,) decided by the final fit.
        learned: For joining, one regression a member or none.
        is_fitted: Whether any number comes from reference grades.
    """

    final: Combination
    answers: GradePredictions
    grades: NDArray[np.int64]
    fold: NDArray[np.int64]
    naive: NDArray[np.int64]
    learned: tuple[Linear, ...]
    is_fitted: bool

    @property
    def graded(self) -> NDArray[np.int64]:
        """The rows that were answered out of fold."""
        return np.flatnonzero(self.fold >= 0)


def predict_nested(fuser: Fuser, method: Method, decision: str, num_folds: int, seed: int) -> Outcome:
    """Answer graded photographs out of fold, all others by a fit on all graded ones.

    Raises:
        InputError: as `build_nest`.
    """
    nest = build_nest(fuser, num_folds, seed)
    nested = nest_method(nest, method, decision)
    probabilities, score = nested.all_answers.probabilities.copy(), nested.all_answers.score.copy()
    grades, fold = nested.all_grades.copy(), np.full(len(score), -1)
    probabilities[nest.rows], score[nest.rows] = nested.answers.probabilities, nested.answers.score
    grades[nest.rows], fold[nest.rows] = nested.grades, nest.fold
    return Outcome(
        final=nested.final,
        answers=GradePredictions(probabilities, score),
        grades=grades,
        fold=fold,
        naive=nested.all_grades,
        learned=nest.whole.learned,
        is_fitted=True,
    )


def predict_unfitted(fuser: Fuser, method: Method, decision: str, num_folds: int, seed: int) -> Outcome:
    """Answer without reference grades: folds are given, but change nothing."""
    rows, patients = fuser.members.graded_rows(), fuser.members.patients
    nobody = ReferenceGrades(np.empty(0, dtype=np.int64), np.empty(0, dtype=str))
    rule = Rule(method.decision or decision)
    final = Combination(method, method.fit(fuser.features, nobody, seed), rule)
    answers = final.fitted.predict(fuser.features)
    grades, fold = rule.decide(answers), np.full(len(patients), -1)
    if len(rows):
        reference = fuser.members.reference().iloc[rows].to_numpy(dtype=np.int64)
        fold[rows] = assign_folds(reference, patients[rows], num_folds, seed)
    return Outcome(final, answers, grades, fold, grades, (), is_fitted=False)


def build_predictions(
    fuser: Fuser, outcome: Outcome, *, name: str, method: str, options: Mapping[str, Any]
) -> Predictions:
    """A predictions file like any other.

    Args:
        fuser: Of the members.
        outcome: Predictions for their photographs.
        name: The ensemble's.
        method: stack, boost, ...
        options: All that, with the members' files, determines the outcome.
    """
    members, fold = fuser.members, outcome.fold
    told = [member.meta for member in members.predictions]
    whole, part = _trained_on(fuser, outcome)
    meta = PredictionsMeta(
        target=members.target,
        unit=_unit(fuser),
        decision=outcome.final.rule.decision,
        cut_points=outcome.final.rule.cut_points,
        trained_on=whole,
        trained_on_images=part,
        folds=int(fold.max()) + 1 if outcome.is_fitted else 0,
        chosen_on=_chosen_on(fuser, outcome),
        model=f"{method} of {', '.join(members.names)}",
        checkpoint_sha256=None,
        labels_sha256=next((item.labels_sha256 for item in told if item.labels_sha256), None),
        provenance={
            "options": dict(options),
            "drkit_version": drkit.__version__,
            "members": {name: sha256_file(path) for name, path in zip(members.names, members.paths, strict=True)},
            "parents": [item.provenance for item in told],
        },
    )
    predictions = assemble(members, outcome.answers, outcome.grades, meta, name)
    predictions.rows["fold"] = _merge_folds(fuser, fold)
    return predictions


def build_record(fuser: Fuser, outcome: Outcome, meta: PredictionsMeta, path: Path) -> dict[str, Any]:
    """All that an ensemble needs to grade new photographs, and what its members were trained on.

    Args:
        fuser: Of the members.
        outcome: What was fitted.
        meta: Of the predictions.
        path: Where the JSON goes: members are named relative to it.
    """
    members, final = fuser.members, outcome.final
    return {
        "target": meta.target,
        "unit": meta.unit,
        "model": meta.model,
        "chosen_on": meta.chosen_on,
        "options": meta.provenance["options"],
        "settings": describe_method(final.method),
        "decision": final.rule.decision,
        "cut_points": final.rule.cut_points,
        "fusion": fusion_to_json(fuser.fusion, outcome.learned),
        "fitted": final.fitted.to_json(),
        "is_fitted": outcome.is_fitted,
        "members": [
            asdict(_save_member(name, source, member, path))
            for name, source, member in zip(members.names, members.paths, members.predictions, strict=True)
        ],
        "labels_sha256": meta.labels_sha256,
        **_trained_on_of(members.paths),
    }


def _save_member(name: str, source: Path, member: Predictions, path: Path) -> SavedMember:
    relative = Path(relpath(source.resolve(), path.resolve().parent)).as_posix()
    return SavedMember(name, relative, sha256_file(source), member.meta.checkpoint_sha256, member.meta.model)


def _trained_on_of(paths: tuple[Path, ...]) -> dict[str, list[str]]:
    """SHA-256 of every photograph that a member's weights were trained on, and what they descend from."""
    runs = [Run.of(path) for path in paths]
    records = [read_run_record(run) for run in runs if run.record.is_file()]
    hashes = {sha256 for record in records for sha256 in record["trained_on_photographs"]}
    unknown = {UNKNOWN} if len(records) < len(runs) else set()
    ancestors = {name for record in records for name in record["descends_from"]}
    return {"trained_on_photographs": sorted(hashes | unknown), "descends_from": sorted(ancestors)}


def _trained_on(fuser: Fuser, outcome: Outcome) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits, and ids of splits only part of which was fitted on: the members' own, and those of this fit."""
    told = [member.meta for member in fuser.members.predictions]
    splits = {split for item in told for split in item.trained_on}
    images = {image for item in told for image in item.trained_on_images}
    if outcome.is_fitted:
        rows, fitted = fuser.members.rows, outcome.fold >= 0
        for split in rows["split"][fitted].unique():
            in_split = (rows["split"] == split).to_numpy(dtype=bool)
            if fitted[in_split].all():
                splits.add(split)
            else:
                images |= set(rows["image_id"][in_split & fitted])
    return tuple(split for split in SPLITS if split in splits), tuple(sorted(images))


def _merge_folds(fuser: Fuser, fold: NDArray[np.int64]) -> Any:
    """The outer fold, or the first member's fold where no grade is known and every member has held the row out."""
    held_out = np.all([member.rows["fold"].notna() for member in fuser.members.predictions], axis=0)
    own = fuser.members.rows["fold"].where(held_out)
    return own.mask(fold >= 0, fold).astype("Int16")


def _unit(fuser: Fuser) -> str:
    units = {member.meta.unit for member in fuser.members.predictions}
    if fuser.fusion.over != "none":
        return fuser.fusion.over
    return units.pop() if len(units) == 1 else "mixed"


def _chosen_on(fuser: Fuser, outcome: Outcome) -> str:
    """A split that a member was selected on and that is scored here, where the scores are optimistic."""
    chosen = {member.meta.chosen_on for member in fuser.members.predictions}
    scored = set(fuser.members.rows["split"].iloc[outcome.graded])
    selected_on = sorted(chosen & scored)
    if selected_on:
        return selected_on[0]
    return "nested folds" if outcome.is_fitted else "nothing"
