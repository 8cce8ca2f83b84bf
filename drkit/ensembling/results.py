"""Honest answers to graded photographs, final ones to all others, and what is written down about both."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import drkit
from drkit.data.folds import assign_folds
from drkit.decisions import GradePredictions
from drkit.ensembling.combiner import Method, ReferenceGrades
from drkit.ensembling.nested_cv import Combination, DecisionRule, build_nested_cv, cross_val_predict
from drkit.ensembling.pooling import PhotographPooler, pooling_to_json
from drkit.ensembling.prediction import assemble
from drkit.ensembling.ridge import Linear
from drkit.ensembling.serialization import SavedMember, describe_method, packages_of
from drkit.grades import SPLITS
from drkit.records.predictions import Predictions, PredictionsMeta
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, read_run_record

UNKNOWN = "unknown"  # in place of hashes, where a member tells nothing of what it was trained on


@dataclass(frozen=True)
class EnsembleResult:
    """Predictions for N photographs.

    Args:
        final: Combiner on all graded photographs.
        answers: (N,) out of fold where graded, else by the final fit.
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


def predict_nested(
    pooler: PhotographPooler, method: Method, decision: str, num_folds: int, seed: int
) -> EnsembleResult:
    """Answer graded photographs out of fold, all others by a fit on all graded ones.

    Raises:
        InputError: as `build_nested_cv`.
    """
    cv = build_nested_cv(pooler, num_folds, seed)
    nested = cross_val_predict(cv, method, decision)
    probabilities, score = nested.all_answers.probabilities.copy(), nested.all_answers.score.copy()
    grades, fold = nested.all_grades.copy(), np.full(len(score), -1)
    probabilities[cv.rows], score[cv.rows] = nested.answers.probabilities, nested.answers.score
    grades[cv.rows], fold[cv.rows] = nested.grades, cv.fold
    return EnsembleResult(
        final=nested.final,
        answers=GradePredictions(probabilities, score),
        grades=grades,
        fold=fold,
        naive=nested.all_grades,
        learned=cv.whole.learned,
        is_fitted=True,
    )


def predict_unfitted(
    pooler: PhotographPooler, method: Method, decision: str, num_folds: int, seed: int
) -> EnsembleResult:
    """Answer without reference grades: folds are given, but change nothing."""
    rows, patients = pooler.members.graded_rows(), pooler.members.patients
    nobody = ReferenceGrades(np.empty(0, dtype=np.int64), np.empty(0, dtype=str))
    rule = DecisionRule(method.decision or decision)
    final = Combination(method, method.fit(pooler.features, nobody, seed), rule)
    answers = final.combiner.predict(pooler.features)
    grades, fold = rule.decide(answers), np.full(len(patients), -1)
    if len(rows):
        reference = pooler.members.reference().iloc[rows].to_numpy(dtype=np.int64)
        fold[rows] = assign_folds(reference, patients[rows], num_folds, seed, too_few="fewer folds")
    return EnsembleResult(final, answers, grades, fold, grades, (), is_fitted=False)


def build_predictions(
    pooler: PhotographPooler, result: EnsembleResult, *, name: str, method: str, options: Mapping[str, Any]
) -> Predictions:
    """A predictions file like any other.

    Args:
        pooler: Of the members.
        result: Predictions for their photographs.
        name: The ensemble's.
        method: stack, boost, ...
        options: All that, with the members' files, determines the result.
    """
    members, fold = pooler.members, result.fold
    metas = [member.meta for member in members.predictions]
    whole, part = _trained_on(pooler, result)
    meta = PredictionsMeta(
        target=members.target,
        unit=_unit(pooler),
        decision=result.final.rule.decision,
        cut_points=result.final.rule.cut_points,
        trained_on=whole,
        trained_on_images=part,
        folds=int(fold.max()) + 1 if result.is_fitted else 0,
        chosen_on=_chosen_on(pooler, result),
        model=f"{method} of {', '.join(members.names)}",
        checkpoint_sha256=None,
        labels_sha256=next((item.labels_sha256 for item in metas if item.labels_sha256), None),
        provenance={
            "options": dict(options),
            "drkit_version": drkit.__version__,
            "members": {name: sha256_file(path) for name, path in zip(members.names, members.paths, strict=True)},
            "parents": [item.provenance for item in metas],
        },
    )
    predictions = assemble(members, result.answers, result.grades, meta, name)
    # Without a reference grade there is no outer fold: the first member's, if all members held the row out.
    held_out = np.all([member.rows["fold"].notna() for member in pooler.members.predictions], axis=0)
    own = pooler.members.rows["fold"].where(held_out)
    predictions.rows["fold"] = own.mask(fold >= 0, fold).astype("Int16")
    return predictions


def build_record(pooler: PhotographPooler, result: EnsembleResult, meta: PredictionsMeta, path: Path) -> dict[str, Any]:
    """All that an ensemble needs to grade new photographs, and what its members were trained on.

    Args:
        pooler: Of the members.
        result: What was fitted.
        meta: Of the predictions.
        path: Where the JSON goes: members are named relative to it.
    """
    members, final = pooler.members, result.final
    return {
        "target": meta.target,
        "unit": meta.unit,
        "model": meta.model,
        "chosen_on": meta.chosen_on,
        "options": meta.provenance["options"],
        "settings": describe_method(final.method),
        "decision": final.rule.decision,
        "cut_points": final.rule.cut_points,
        "fusion": pooling_to_json(pooler.pooling, result.learned),
        "fitted": final.combiner.to_json(),
        "is_fitted": result.is_fitted,
        "members": [
            asdict(_save_member(name, source, member, path))
            for name, source, member in zip(members.names, members.paths, members.predictions, strict=True)
        ],
        "labels_sha256": meta.labels_sha256,
        **({"plugins": packages} if (packages := packages_of(final.method)) else {}),
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


def _trained_on(pooler: PhotographPooler, result: EnsembleResult) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits, and ids of splits only part of which was fitted on: the members' own, and those of this fit."""
    metas = [member.meta for member in pooler.members.predictions]
    splits = {split for item in metas for split in item.trained_on}
    images = {image for item in metas for image in item.trained_on_images}
    if result.is_fitted:
        rows, fitted = pooler.members.rows, result.fold >= 0
        for split in rows["split"][fitted].unique():
            in_split = (rows["split"] == split).to_numpy(dtype=bool)
            if fitted[in_split].all():
                splits.add(split)
            else:
                images |= set(rows["image_id"][in_split & fitted])
    return tuple(split for split in SPLITS if split in splits), tuple(sorted(images))


def _unit(pooler: PhotographPooler) -> str:
    units = {member.meta.unit for member in pooler.members.predictions}
    if pooler.pooling.over != "none":
        return pooler.pooling.over
    return units.pop() if len(units) == 1 else "mixed"


def _chosen_on(pooler: PhotographPooler, result: EnsembleResult) -> str:
    """A split that a member was selected on and that is scored here, where the scores are optimistic."""
    chosen = {member.meta.chosen_on for member in pooler.members.predictions}
    scored = set(pooler.members.rows["split"].iloc[result.graded])
    selected_on = sorted(chosen & scored)
    if selected_on:
        return selected_on[0]
    return "nested folds" if result.is_fitted else "nothing"
