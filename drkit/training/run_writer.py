"""Write the files of a finished training: checkpoints, history, predictions and, last, the record."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from drkit.cut_points import CutPoints, fit_steady_cut_points, fit_without_each, shrink_to_rounding
from drkit.decisions import GradePredictions, decide, decide_by_fold
from drkit.evaluation.referral import RECORD_KEY, fit_referral_threshold
from drkit.records.checkpoint import CheckpointHeader, write_checkpoint
from drkit.records.history import write_history
from drkit.records.predictions import (
    Predictions,
    PredictionsMeta,
    build_predictions,
    patient_keys,
    write_predictions,
)
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, write_run_record
from drkit.training.devices import describe_machine
from drkit.training.fitting import FittedNetwork
from drkit.training.plan import TrainingPlan
from drkit.training.setup import TrainingSetup

NO_FOLD = -1


@dataclass(frozen=True, kw_only=True)
class UnitPredictions:
    """Predictions of B units: out of fold, or by all networks for units that are in no fold.

    Args:
        units: (B,) numbers of the units.
        predictions: Probabilities and scores of the B units, averaged over seeds.
        fold: (B,) the fold that holds the unit out; -1 for units in no fold.
        grades: (B,) predicted grades; their cut points were fitted without the unit's own fold.
        cut_points: Cut points fitted to all folds; None for other decisions.
        fold_cut_points: Cut points for each fold, fitted to the other folds; empty for other decisions.
        sigmas: Standard deviation of residuals of each network; 0 if the loss does not need it.
        by_seed: Predictions of the B units by each seed's networks, in the order of the seeds.
    """

    units: np.ndarray
    predictions: GradePredictions
    fold: np.ndarray
    grades: np.ndarray
    cut_points: tuple[float, ...] | None
    fold_cut_points: tuple[tuple[float, ...], ...]
    sigmas: tuple[float, ...]
    by_seed: tuple[GradePredictions, ...]


def write_run(setup: TrainingSetup, run: Run, fitted: Sequence[FittedNetwork], *, force: bool) -> Predictions:
    """Write a run's files.

    Args:
        setup: Device, network and photographs of the training.
        run: Files of the run.
        fitted: The trained networks.
        force: Whether to overwrite existing files.

    Returns:
        The predictions that were written.
    """
    unit_predictions = predict_units(setup.plan, fitted)
    run.record.unlink(missing_ok=True)  # its checksums are those of an earlier run's files, which are replaced next
    for each, sigma in zip(fitted, unit_predictions.sigmas, strict=True):
        header = _header(setup, each, sigma, unit_predictions.cut_points)
        write_checkpoint(run.checkpoint(each.network), each.tensors(), header, force=force)
    write_history([figures for each in fitted for figures in each.history], run.history, force=force)
    predictions = _build_predictions(setup, run, fitted, unit_predictions)
    write_predictions(predictions, run.predictions, force=force)
    threshold = fit_referral_threshold(predictions)
    referral = {RECORD_KEY: None if threshold is None else asdict(threshold)}
    write_run_record(run, _record(setup, fitted) | referral, force=force)
    return predictions


def predict_units(plan: TrainingPlan, fitted: Sequence[FittedNetwork]) -> UnitPredictions:
    """Predict each unit by the networks that were not trained on it.

    The standard deviation of residuals and the cut points that a unit is graded with are not fitted to the unit's own
    fold either. Standard deviations are fitted for each seed, and cut points to the mean over seeds.
    """
    seeds = dict.fromkeys(each.network.seed for each in fitted)
    of_seeds = [_predict_seed(plan, [each for each in fitted if each.network.seed == seed]) for seed in seeds]
    units, fold = of_seeds[0].units, of_seeds[0].fold  # the same for all seeds
    by_seed = tuple(each.predictions for each in of_seeds)
    mean = GradePredictions.mean(by_seed)
    grades, cut_points, fold_cut_points = _decide_grades(plan, units, mean, fold)
    return UnitPredictions(
        units=units,
        predictions=mean,
        fold=fold,
        grades=grades,
        cut_points=cut_points,
        fold_cut_points=fold_cut_points,
        sigmas=tuple(sigma for each in of_seeds for sigma in each.sigmas),
        by_seed=by_seed,
    )


@dataclass(frozen=True)
class _SeedPredictions:
    """Predictions of one seed's networks: units (B,), their folds (B,), B predictions, and a sigma for each network."""

    units: np.ndarray
    fold: np.ndarray
    predictions: GradePredictions
    sigmas: tuple[float, ...]


def _predict_seed(plan: TrainingPlan, fitted: Sequence[FittedNetwork]) -> _SeedPredictions:
    loss = plan.build_loss()
    sigmas = _residual_sigmas(plan, fitted) if loss.needs_sigma else [0.0] * len(fitted)
    blocks = []
    if others := [each.others for each in fitted if each.others is not None]:
        predictions = [outputs.predictions(loss, sigma) for outputs, sigma in zip(others, sigmas, strict=True)]
        blocks += [(NO_FOLD, plan.units.of_rows(others[0].rows), GradePredictions.mean(predictions))]
    if plan.folds:
        blocks += [
            (number, plan.units.of_rows(each.held_out.rows), each.held_out.predictions(loss, sigma))
            for number, (each, sigma) in enumerate(zip(fitted, sigmas, strict=True))
        ]
    return _SeedPredictions(
        units=np.concatenate([units for _, units, _ in blocks]),
        fold=np.concatenate([np.full(len(units), number) for number, units, _ in blocks]),
        predictions=GradePredictions.join([predictions for *_, predictions in blocks]),
        sigmas=tuple(sigmas),
    )


def _residual_sigmas(plan: TrainingPlan, fitted: Sequence[FittedNetwork]) -> list[float]:
    """Root mean square of the residuals of all other networks, for each network; its own if it is the only one."""
    loss, squares = plan.build_loss(), []
    for each in fitted:
        residuals = each.held_out.predictions(loss, 1.0).score - plan.grades[plan.units.of_rows(each.held_out.rows)]
        squares.append(residuals**2)  # scores do not depend on sigma
    others = [squares[:number] + squares[number + 1 :] or squares for number in range(len(fitted))]
    return [float(np.sqrt(np.mean(np.concatenate(parts)))) for parts in others]


def _decide_grades(
    plan: TrainingPlan, units: np.ndarray, predictions: GradePredictions, fold: np.ndarray
) -> tuple[np.ndarray, tuple[float, ...] | None, tuple[tuple[float, ...], ...]]:
    """Grades (B,), cut points fitted to all folds, and cut points for each fold fitted to the other folds."""
    if plan.decision != "cut_points":
        return decide(plan.decision, predictions.probabilities, predictions.score), None, ()
    in_fold = fold != NO_FOLD
    score, reference = predictions.score[in_fold], plan.grades[units[in_fold]]
    patients = patient_keys(plan.labels.rows)[plan.units.first_rows[units[in_fold]]]
    shrink = dict(plan.config.decides.parameters)["shrink"]

    def fit(rows: np.ndarray) -> CutPoints:
        cut_points = fit_steady_cut_points(score[rows], reference[rows], patients[rows], plan.config.seed)
        return shrink_to_rounding(cut_points, shrink)

    cut_points, of_folds = fit(np.ones(len(score), bool)), fit_without_each(fold[in_fold], fit)
    return decide_by_fold(predictions.score, fold, cut_points, of_folds), cut_points, tuple(of_folds.values())


def _build_predictions(
    setup: TrainingSetup, run: Run, fitted: Sequence[FittedNetwork], unit_predictions: UnitPredictions
) -> Predictions:
    """Build the predictions for each photograph, in the order of the labels."""
    plan = setup.plan
    index_of_unit = np.full(len(plan.units), -1)
    index_of_unit[unit_predictions.units] = np.arange(len(unit_predictions.units))
    index = index_of_unit[plan.units.unit_of]
    rows = np.flatnonzero(index >= 0)
    index = index[rows]
    fold = pd.Series(unit_predictions.fold[index], dtype="Int16").replace(NO_FOLD, pd.NA)
    mean = unit_predictions.predictions.take(index)
    by_seed = [each.take(index) for each in unit_predictions.by_seed] if plan.seeds else []
    return build_predictions(
        replace(plan.labels, rows=plan.labels.rows.iloc[rows].reset_index(drop=True)),
        probabilities=mean.probabilities,
        score=mean.score,
        meta=_meta(setup, run, unit_predictions),
        name=run.name,
        fold=pd.array(fold, dtype="Int16"),
        predicted_grade=unit_predictions.grades[index],
        embedding=_embeddings(fitted, len(plan.labels))[rows] if plan.config.embeddings else None,
        seed_probabilities=np.stack([each.probabilities for each in by_seed], 1) if by_seed else None,
        seed_score=np.stack([each.score for each in by_seed], 1) if by_seed else None,
    )


def _embeddings(fitted: Sequence[FittedNetwork], num_rows: int) -> np.ndarray:
    """Activations of the first seed, float16 (N, F), by the fold that holds a photograph out, otherwise by fold 0."""
    first = [each for each in fitted if each.network.seed == fitted[0].network.seed]
    embeddings = np.zeros((num_rows, fitted[0].held_out.activations.shape[1]), np.float16)
    for outputs in (*(each.held_out for each in first), fitted[0].others):
        if outputs is not None:
            embeddings[outputs.rows] = outputs.activations
    return embeddings


def _meta(setup: TrainingSetup, run: Run, unit_predictions: UnitPredictions) -> PredictionsMeta:
    plan = setup.plan
    return PredictionsMeta(
        target=plan.target,
        unit=plan.config.unit,
        decision=plan.decision,
        cut_points=unit_predictions.cut_points,
        fold_cut_points=unit_predictions.fold_cut_points,
        trained_on=plan.config.trained_splits,
        trained_on_images=tuple(sorted(plan.labels.rows["image_id"][setup.leakage.leaked])),
        folds=plan.folds,
        seeds=plan.seeds,
        chosen_on=_chosen_on(setup),
        model=plan.initial_weights.backbone,
        checkpoint_sha256=sha256_file(run.checkpoint(plan.networks[0])),
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )


def _chosen_on(setup: TrainingSetup) -> str:
    """What selected the epoch; `val` also if val selected the epoch of the initial weights."""
    is_val = (setup.plan.labels.rows["split"] == "val").to_numpy()
    return "val" if setup.leakage.optimistic[is_val].any() else setup.plan.config.chooses


def _header(
    setup: TrainingSetup, fitted: FittedNetwork, sigma: float, cut_points: tuple[float, ...] | None
) -> CheckpointHeader:
    plan = setup.plan
    return CheckpointHeader(
        architecture=plan.architecture,
        bank_side=plan.bank_side,
        steps=plan.steps,
        round_discs=plan.round_discs,
        mean=plan.input_format.mean,
        std=plan.input_format.std,
        sigma=sigma,
        decision=plan.decision,
        cut_points=cut_points,
        target=plan.target,
        fold=fitted.network.fold,
        folds=plan.folds,
        seed=fitted.network.seed,
        tta=plan.config.tta,
        chosen_on=_chosen_on(setup),
        epoch=fitted.best_epoch,
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )


def _record(setup: TrainingSetup, fitted: Sequence[FittedNetwork]) -> dict[str, Any]:
    """Content of the run's JSON except its files; inner photographs count as trained on."""
    plan = setup.plan
    trained_on = {setup.hashes[row] for row in plan.fitted_rows}
    chosen_by = (
        {setup.hashes[row] for fold_split in plan.fold_splits for row in fold_split.val}
        if plan.config.chooses == "val"
        else set()
    )
    return {
        "options": plan.identity(),
        "target": plan.target,
        "unit": plan.config.unit,
        "folds": plan.folds,
        "seeds": list(plan.seeds),
        "chosen_on": _chosen_on(setup),
        "epoch": [each.best_epoch for each in fitted],
        "data": [str(path) for path in plan.config.data],
        "weights": str(plan.initial_weights),
        "computed_on": describe_machine(setup.fabric),
        "trained_on_photographs": sorted(trained_on | plan.initial_weights.seen),
        "chosen_by_photographs": sorted(chosen_by | plan.initial_weights.chosen_by),
        "descends_from": list(plan.initial_weights.descends_from),
    }
