"""What a finished training writes: checkpoints, history, predictions, and last the record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from drkit.cut_points import CutPoints, fit_steady_cut_points, fit_without_each, shrink_to_rounding
from drkit.decisions import GradePredictions, decide, decide_by_fold
from drkit.inference import Outputs
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
from drkit.training.fitting import FittedNetwork
from drkit.training.plan import TrainingPlan
from drkit.training.runtime import describe_machine
from drkit.training.setup import TrainingSetup

NO_FOLD = -1


@dataclass(frozen=True)
class UnitPredictions:
    """What is said of the units that a run's predictions are about.

    Args:
        units: (B,) their numbers.
        answers: B probabilities and scores.
        fold: (B,) the fold that held a unit out, -1 for units that stand in none.
        grades: (B,) predicted, cut points fitted without the unit's own fold.
        cut_points: FittedNetwork over all folds; None where the loss decides.
        fold_cut_points: For each fold fitted on the others; empty where the loss decides.
        sigmas: The width of a regression's residuals, as each network's checkpoint keeps it.
        alone: B answers of each seed's networks without the others, in the order of the seeds; one for a single seed.
    """

    units: np.ndarray
    answers: GradePredictions
    fold: np.ndarray
    grades: np.ndarray
    cut_points: tuple[float, ...] | None
    fold_cut_points: tuple[tuple[float, ...], ...]
    sigmas: tuple[float, ...]
    alone: tuple[GradePredictions, ...]


def write_run(setup: TrainingSetup, run: Run, fitted: Sequence[FittedNetwork], *, force: bool) -> Predictions:
    """Decide, and write the run.

    Args:
        setup: Of the training.
        run: Where the files go.
        fitted: What came of each network.
        force: Overwrite files that are there.

    Returns:
        The predictions that were written.
    """
    plan = setup.plan
    verdict = predict_units(plan, fitted)
    run.record.unlink(missing_ok=True)  # it vouches for an earlier run's files, which are now replaced
    for part, sigma in zip(fitted, verdict.sigmas, strict=True):
        header = _header(setup, part, sigma, verdict.cut_points)
        write_checkpoint(run.checkpoint(part.network), part.tensors, header, force=force)
    write_history([figures for part in fitted for figures in part.history], run.history, force=force)
    predictions = _gather(setup, run, fitted, verdict)
    write_predictions(predictions, run.predictions, force=force)
    write_run_record(run, _record(setup, fitted), force=force)
    return predictions


def predict_units(plan: TrainingPlan, fitted: Sequence[FittedNetwork]) -> UnitPredictions:
    """What the networks say of the units that none of them, or only the others, were trained on.

    Nothing that is fitted here to answers, the width of residuals or cut points, is fitted on a unit's own fold.
    Seeds are read each for itself, widths included, and their mean decides: cut points are fitted to it.
    """
    seeds = dict.fromkeys(part.network.seed for part in fitted)
    told = [_read_seed(plan, [part for part in fitted if part.network.seed == seed]) for seed in seeds]
    units, fold = told[0].units, told[0].fold  # of all seeds
    alone = tuple(each.answers for each in told)
    answers = GradePredictions.mean(alone)
    sigmas = tuple(sigma for each in told for sigma in each.sigmas)
    return UnitPredictions(units, answers, fold, *_grade(plan, units, answers, fold), sigmas, alone)


@dataclass(frozen=True)
class _SeedAnswers:
    """What the networks of one seed say: units (B,), their folds (B,), B answers, and a width for each network."""

    units: np.ndarray
    fold: np.ndarray
    answers: GradePredictions
    sigmas: tuple[float, ...]


def _read_seed(plan: TrainingPlan, fitted: Sequence[FittedNetwork]) -> _SeedAnswers:
    loss = plan.build_loss()
    told = [part.held_out.read(loss, 1.0).score for part in fitted]  # scores do not depend on sigma
    grades = [plan.grades[_units_of(plan, part.held_out)] for part in fitted]
    squares = [(score - grade) ** 2 for score, grade in zip(told, grades, strict=True)]
    sigmas = [_width(squares[:number] + squares[number + 1 :] or squares) for number in range(len(fitted))]
    sigmas = [sigma if loss.needs_sigma else 0.0 for sigma in sigmas]
    blocks = [(NO_FOLD, *_together(plan, fitted, sigmas))] if fitted[0].others else []
    if plan.folds:
        blocks += [
            (number, _units_of(plan, part.held_out), part.held_out.read(loss, sigma))
            for number, (part, sigma) in enumerate(zip(fitted, sigmas, strict=True))
        ]
    units = np.concatenate([numbers for _, numbers, _ in blocks])
    fold = np.concatenate([np.full(len(numbers), number) for number, numbers, _ in blocks])
    answers = GradePredictions(
        np.concatenate([answer.probabilities for *_, answer in blocks]),
        np.concatenate([answer.score for *_, answer in blocks]),
    )
    return _SeedAnswers(units, fold, answers, tuple(sigmas))


def _together(
    plan: TrainingPlan, fitted: Sequence[FittedNetwork], sigmas: Sequence[float]
) -> tuple[np.ndarray, GradePredictions]:
    """The units that stand in no fold, and what all networks say of them together."""
    outputs = [part.others for part in fitted if part.others is not None]
    loss = plan.build_loss()
    answers = [output.read(loss, sigma) for output, sigma in zip(outputs, sigmas, strict=True)]
    return _units_of(plan, outputs[0]), GradePredictions.mean(answers)


def _grade(
    plan: TrainingPlan, units: np.ndarray, answers: GradePredictions, fold: np.ndarray
) -> tuple[np.ndarray, tuple[float, ...] | None, tuple[tuple[float, ...], ...]]:
    """The units' grades, and where cut points decide those of all folds and those for each."""
    if plan.decision != "cut_points":
        return decide(plan.decision, answers.probabilities, answers.score), None, ()
    folded = fold != NO_FOLD
    score, reference = answers.score[folded], plan.grades[units[folded]]
    patients = patient_keys(plan.labels.rows)[plan.units.first_rows[units[folded]]]

    shrink = dict(plan.config.decides.parameters)["shrink"]

    def fit(rows: np.ndarray) -> CutPoints:
        fitted = fit_steady_cut_points(score[rows], reference[rows], patients[rows], plan.config.seed)
        return shrink_to_rounding(fitted, shrink)

    cut_points, others = fit(np.ones(len(score), bool)), fit_without_each(fold[folded], fit)
    return decide_by_fold(answers.score, fold, cut_points, others), cut_points, tuple(others.values())


def _units_of(plan: TrainingPlan, outputs: Outputs) -> np.ndarray:
    return plan.units.of_rows(outputs.rows)


def _width(squares: Sequence[np.ndarray]) -> float:
    """Root mean square, over all parts."""
    return float(np.sqrt(np.mean(np.concatenate(squares))))


def _gather(setup: TrainingSetup, run: Run, fitted: Sequence[FittedNetwork], verdict: UnitPredictions) -> Predictions:
    """The verdict photograph by photograph, in the order of the labels."""
    plan = setup.plan
    place = np.full(len(plan.units), -1)
    place[verdict.units] = np.arange(len(verdict.units))
    position = place[plan.units.unit_of]
    rows = np.flatnonzero(position >= 0)
    position = position[rows]
    fold = pd.Series(verdict.fold[position], dtype="Int16").replace(NO_FOLD, pd.NA)
    answers = verdict.answers.take(position)
    alone = [each.take(position) for each in verdict.alone] if plan.seeds else []
    return build_predictions(
        replace(plan.labels, rows=plan.labels.rows.iloc[rows].reset_index(drop=True)),
        probabilities=answers.probabilities,
        score=answers.score,
        meta=_meta(setup, run, verdict),
        name=run.name,
        fold=pd.array(fold, dtype="Int16"),
        predicted_grade=verdict.grades[position],
        embedding=_embeddings(fitted, len(plan.labels))[rows] if plan.config.embeddings else None,
        seed_probabilities=np.stack([each.probabilities for each in alone], 1) if alone else None,
        seed_score=np.stack([each.score for each in alone], 1) if alone else None,
    )


def _embeddings(fitted: Sequence[FittedNetwork], num_rows: int) -> np.ndarray:
    """float16 (N, F) activations of the first seed: of the fold that held a photograph out, else the first fold's."""
    first = [part for part in fitted if part.network.seed == fitted[0].network.seed]
    outputs = [part.held_out for part in first] + [fitted[0].others] * (fitted[0].others is not None)
    kept = np.zeros((num_rows, fitted[0].held_out.activations.shape[1]), np.float16)
    for output in outputs:
        if output is not None:
            kept[output.rows] = output.activations
    return kept


def _meta(setup: TrainingSetup, run: Run, verdict: UnitPredictions) -> PredictionsMeta:
    plan = setup.plan
    return PredictionsMeta(
        target=plan.target,
        unit=plan.config.unit,
        decision=plan.decision,
        cut_points=verdict.cut_points,
        fold_cut_points=verdict.fold_cut_points,
        trained_on=tuple(plan.config.folds_over.split("+")),
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
    """What picked the epoch: `val`, too, where val picked that of the weights it began from."""
    is_val = (setup.plan.labels.rows["split"] == "val").to_numpy()
    return "val" if setup.leakage.optimistic[is_val].any() else setup.plan.config.chooses


def _header(
    setup: TrainingSetup, part: FittedNetwork, sigma: float, cut_points: tuple[float, ...] | None
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
        fold=part.network.fold,
        folds=plan.folds,
        seed=part.network.seed,
        tta=plan.config.tta,
        chosen_on=_chosen_on(setup),
        epoch=part.best_epoch,
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )


def _record(setup: TrainingSetup, fitted: Sequence[FittedNetwork]) -> dict[str, Any]:
    """What the run's JSON says beside its files: the photographs that picked the epoch count as trained on."""
    plan = setup.plan
    own = {setup.bank.hashes[row] for row in plan.fitted_rows}
    picked = (
        {setup.bank.hashes[row] for fold_split in plan.fold_splits for row in fold_split.val}
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
        "epoch": [part.best_epoch for part in fitted],
        "data": [str(path) for path in plan.config.data],
        "weights": str(plan.initial_weights),
        "computed_on": describe_machine(setup.fabric),
        "trained_on_photographs": sorted(own | plan.initial_weights.seen),
        "chosen_by_photographs": sorted(picked | plan.initial_weights.chosen_by),
        "descends_from": list(plan.initial_weights.descends_from),
    }
