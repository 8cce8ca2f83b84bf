"""What a finished training writes: checkpoint, history, predictions, and last the record."""

from dataclasses import replace
from typing import Any

import numpy as np

from drkit.inference import read_answers
from drkit.losses import residual
from drkit.records.checkpoint import CheckpointHeader, write_checkpoint
from drkit.records.history import write_history
from drkit.records.predictions import Predictions, PredictionsMeta, build_predictions, write_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import Run, write_run_record
from drkit.training.epochs import predict_rows
from drkit.training.plan import UNIT
from drkit.training.resume import FitState
from drkit.training.workbench import Workbench, fitted_on


def write_outcome(bench: Workbench, run: Run, state: FitState, *, force: bool) -> Predictions:
    """Grade the photographs of val and test, and write the run.

    Args:
        bench: Its grader holds the chosen epoch's tensors.
        run: Where the files go.
        state: After the last epoch.
        force: Overwrite files that are there.

    Returns:
        The predictions that were written.
    """
    plan, task = bench.plan, bench.task
    held_out = plan.parts.inner if len(plan.parts.inner) else plan.parts.val
    sigma = residual(task.loss, predict_rows(task.source, held_out), plan.grades[held_out])
    run.record.unlink(missing_ok=True)  # it vouches for an earlier run's files, which are now replaced
    write_checkpoint(run.checkpoint, bench.grader.state_dict(), _header(bench, state, sigma), force=force)
    write_history(state.history, run.history, force=force)
    predictions = _predict(bench, run, sigma)
    write_predictions(predictions, run.predictions, force=force)
    write_run_record(run, _record(bench, state), force=force)
    return predictions


def _header(bench: Workbench, state: FitState, sigma: float) -> CheckpointHeader:
    plan, config, loss = bench.plan, bench.plan.config, bench.task.loss
    return CheckpointHeader(
        backbone=plan.backbone,
        num_outputs=loss.num_outputs,
        dropout=config.dropout,
        side=plan.wanted.side,
        bank_side=plan.bank_side,
        steps=plan.steps,
        mean=plan.wanted.mean,
        std=plan.wanted.std,
        loss=config.loss,
        sigma=sigma,
        decision=loss.decision,
        target=plan.target,
        unit=UNIT,
        chosen_on=config.choose,
        epoch=state.best_epoch,
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )


def _predict(bench: Workbench, run: Run, sigma: float) -> Predictions:
    """Grade every photograph of val and test."""
    plan, task = bench.plan, bench.task
    rows = np.flatnonzero((plan.labels.rows["split"] != "train").to_numpy())
    answers = read_answers(task.loss, predict_rows(task.source, rows), sigma)
    meta = PredictionsMeta(
        target=plan.target,
        unit=UNIT,
        decision=task.loss.decision,
        cut_points=None,
        trained_on=("train",),
        trained_on_images=tuple(sorted(plan.labels.rows["image_id"][fitted_on(plan, bench.bank)])),
        folds=0,
        chosen_on=plan.config.choose,
        model=plan.backbone,
        checkpoint_sha256=sha256_file(run.checkpoint),
        labels_sha256=plan.labels.sha256,
        provenance=plan.identity(),
    )
    return build_predictions(
        replace(plan.labels, rows=plan.labels.rows.iloc[rows].reset_index(drop=True)),
        probabilities=answers.probabilities,
        score=answers.score,
        meta=meta,
        name=run.name,
    )


def _record(bench: Workbench, state: FitState) -> dict[str, Any]:
    """What the run's JSON says beside its files: the photographs that picked the epoch count as trained on."""
    plan = bench.plan
    fitted = np.concatenate([plan.parts.train, plan.parts.inner])
    return {
        "options": plan.identity(),
        "target": plan.target,
        "unit": UNIT,
        "chosen_on": plan.config.choose,
        "epoch": state.best_epoch,
        "data": str(plan.config.data),
        "trained_on_photographs": sorted({bench.bank.hashes[row] for row in fitted}),
    }
