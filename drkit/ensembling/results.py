"""The predictions of an ensemble, out of fold for graded photographs, and the record that is written about them."""

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
from drkit.ensembling.combiner import Method
from drkit.ensembling.nested_cv import Combination, DecisionRule, build_nested_cv, cross_val_predict
from drkit.ensembling.pooling import PhotographPooler, pooling_to_json
from drkit.ensembling.prediction import assemble
from drkit.ensembling.ridge import Linear
from drkit.ensembling.serialization import SavedMember, describe_method, packages_of
from drkit.grades import SPLITS
from drkit.records.predictions import Predictions, PredictionsMeta
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, read_run_record

UNKNOWN = "unknown"  # stands for the training photographs of a member without a run record


@dataclass(frozen=True, kw_only=True)
class EnsembleResult:
    """An ensemble's predictions for N photographs.

    Args:
        final: The method fitted to all graded photographs.
        predictions: Out-of-fold predictions of graded photographs; predictions of the final fit for all others.
        grades: (N,) grades 0-4 of these predictions.
        fold: (N,) outer fold of each photograph; -1 if it is not graded.
        naive: (N,) grades 0-4 by the final fit for all photographs.
        learned: Pooling regression of each member; empty unless pooling is learned.
        is_fitted: Whether anything was fitted to reference grades.
    """

    final: Combination
    predictions: GradePredictions
    grades: NDArray[np.int64]
    fold: NDArray[np.int64]
    naive: NDArray[np.int64]
    learned: tuple[Linear, ...]
    is_fitted: bool

    @property
    def graded(self) -> NDArray[np.int64]:
        """Row numbers of the graded photographs."""
        return np.flatnonzero(self.fold >= 0)


def predict_nested(
    pooler: PhotographPooler, method: Method, decision: str, num_folds: int, seed: int
) -> EnsembleResult:
    """Predict graded photographs out of fold, and all others by a fit to all graded photographs.

    Args:
        pooler: Pooler of all photographs.
        method: An untuned method.
        decision: As in `fit_combination`.
        num_folds: Number of outer folds.
        seed: Random seed of the folds and fits.

    Raises:
        InputError: as `build_nested_cv`.
    """
    cv = build_nested_cv(pooler, num_folds, seed)
    nested = cross_val_predict(cv, method, decision)
    probabilities, score = nested.final_predictions.probabilities.copy(), nested.final_predictions.score.copy()
    grades, fold = nested.final_grades.copy(), np.full(len(score), -1)
    probabilities[cv.rows], score[cv.rows] = nested.out_of_fold.probabilities, nested.out_of_fold.score
    grades[cv.rows], fold[cv.rows] = nested.grades, cv.fold
    return EnsembleResult(
        final=nested.final,
        predictions=GradePredictions(probabilities, score),
        grades=grades,
        fold=fold,
        naive=nested.final_grades,
        learned=cv.pooled.learned,
        is_fitted=True,
    )


def predict_unfitted(
    pooler: PhotographPooler, method: Method, decision: str, num_folds: int, seed: int
) -> EnsembleResult:
    """Predict by a method that needs no reference grades; the folds are assigned as in `predict_nested`.

    Args:
        pooler: Pooler of all photographs.
        method: A vote or plain mean.
        decision: As in `fit_combination`, except `cut_points`.
        num_folds: Number of folds.
        seed: Random seed of the folds.
    """
    rows, truth = pooler.members.graded()
    rule = DecisionRule(method.decision or decision)
    final = Combination(method, method.fit(pooler.features.take(rows), truth, seed), rule)
    predictions = final.combiner.predict(pooler.features)
    grades, fold = rule.decide(predictions), np.full(len(pooler.members), -1)
    if len(rows):
        fold[rows] = assign_folds(truth.reference, truth.patients, num_folds, seed, too_few="fewer folds")
    return EnsembleResult(
        final=final, predictions=predictions, grades=grades, fold=fold, naive=grades, learned=(), is_fitted=False
    )


def build_predictions(
    pooler: PhotographPooler, result: EnsembleResult, *, name: str, method: str, options: Mapping[str, Any]
) -> Predictions:
    """Build the rows and metadata of the ensemble's predictions file.

    Args:
        pooler: Pooler of the members.
        result: Predictions for the members' photographs.
        name: Name of the ensemble.
        method: Name of the method: stack, boost, ...
        options: All options that affect the result.
    """
    members, fold = pooler.members, result.fold
    metas = [member.meta for member in members.predictions]
    units = {meta.unit for meta in metas}
    member_unit = units.pop() if len(units) == 1 else "mixed"
    splits, images = _trained_on(pooler, result)
    meta = PredictionsMeta(
        target=members.target,
        unit=member_unit if pooler.pooling.over == "none" else pooler.pooling.over,
        decision=result.final.rule.decision,
        cut_points=result.final.rule.cut_points,
        trained_on=splits,
        trained_on_images=images,
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
    predictions = assemble(members, result.predictions, result.grades, meta, name)
    # A row without an outer fold keeps the first member's fold if every member held the row out.
    is_held_out = np.all([member.rows["fold"].notna() for member in members.predictions], axis=0)
    first_fold = members.rows["fold"].where(is_held_out)
    predictions.rows["fold"] = first_fold.mask(fold >= 0, fold).astype("Int16")
    return predictions


def build_record(pooler: PhotographPooler, result: EnsembleResult, meta: PredictionsMeta, path: Path) -> dict[str, Any]:
    """Build the content of the ensemble's JSON: fitted parameters, members, and what they were trained on.

    Args:
        pooler: Pooler of the members.
        result: The fitted ensemble.
        meta: Metadata of its predictions file.
        path: Path of the JSON, to which the members' paths are made relative.
    """
    members, final = pooler.members, result.final
    folder = path.resolve().parent
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
            asdict(
                SavedMember(
                    name=member.name,
                    path=Path(relpath(source.resolve(), folder)).as_posix(),
                    sha256=sha256_file(source),
                    checkpoint_sha256=member.meta.checkpoint_sha256,
                    model=member.meta.model,
                )
            )
            for source, member in zip(members.paths, members.predictions, strict=True)
        ],
        "labels_sha256": meta.labels_sha256,
        **({"plugins": packages} if (packages := packages_of(final.method)) else {}),
        **_trained_on_of(members.paths),
    }


def _trained_on_of(paths: tuple[Path, ...]) -> dict[str, list[str]]:
    """SHA-256 of every photograph that the members were trained on, and the runs that their weights come from."""
    runs = [Run.of(path) for path in paths]
    records = [read_run_record(run) for run in runs if run.record.is_file()]
    hashes = {sha256 for record in records for sha256 in record["trained_on_photographs"]}
    unknown = {UNKNOWN} if len(records) < len(runs) else set()
    ancestors = {name for record in records for name in record["descends_from"]}
    return {"trained_on_photographs": sorted(hashes | unknown), "descends_from": sorted(ancestors)}


def _trained_on(pooler: PhotographPooler, result: EnsembleResult) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Splits that the members or the ensemble were trained on, and image ids of splits that only partly were."""
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


def _chosen_on(pooler: PhotographPooler, result: EnsembleResult) -> str:
    """A scored split that a member's epoch was selected on, and on which the scores are optimistic, if there is one."""
    selected_on = {member.meta.chosen_on for member in pooler.members.predictions}
    scored = set(pooler.members.rows["split"].iloc[result.graded])
    optimistic = sorted(selected_on & scored)
    if optimistic:
        return optimistic[0]
    return "nested folds" if result.is_fitted else "nothing"
