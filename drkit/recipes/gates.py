"""`drkit plot attention`: a run's channel attention gates, by grade."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from drkit.batching import in_batches
from drkit.config.plot import PictureConfig
from drkit.data.units import UnitIndex
from drkit.errors import InputError, UsageError, first_few
from drkit.evaluation import EvaluationSet
from drkit.explaining.attention import channel_gates
from drkit.explaining.photographs import read_views, render_views
from drkit.models.restoring import OpenedRun, open_run
from drkit.plotting.gates import Gates, draw_gates, measure_gates
from drkit.plotting.pictures import PictureReport, check_picture, save
from drkit.plotting.selection import name_data, select
from drkit.progress import notify, track
from drkit.records.layouts import read_datasets
from drkit.records.predictions import Predictions, read_predictions
from drkit.records.preprocessed import steps_to_apply
from drkit.records.runs import NetworkId


def run_gates(run_path: Path, data: Sequence[Path], config: PictureConfig) -> PictureReport:
    """Draw the values of a run's channel gates by grade.

    Args:
        run_path: A finished run with channel attention. Of several networks the first is drawn, on the photographs that
            its fold held out.
        data: The data sets that it has graded.
        config: The split to draw, the seed, and where the picture goes.

    Raises:
        InputError: no such run or data set, photographs that cannot be read, or too few with a reference grade.
        UsageError: the run has no channel gates.
        OutputExistsError: the picture exists already.
    """
    check_picture(config)
    opened = open_run(run_path)
    _check_gates(opened)
    drawn = select(_own_rows(opened), config.split, data=name_data(opened.record))
    gates = Gates(_gather(opened, drawn, data), drawn.reference, drawn.predictions.patients())
    figures = measure_gates(gates, config.seed)
    report = PictureReport(config.out, (opened.run.name,), (figures.sentence(),), (asdict(figures),))
    blocks = ",".join(block.partition(":")[0] for block in opened.header.architecture.attention.split(","))
    return save(draw_gates(gates, f"{opened.run.name}: gates of {blocks}; {drawn.title}"), config, report)


def _check_gates(opened: OpenedRun) -> None:
    """Check that the run has channel gates, before any photograph is read."""
    side, grader = opened.header.architecture.side, opened.graders[0]
    if opened.header.architecture.unshared:
        raise UsageError(
            f"{opened.run.stem} was trained with --unshared: the gates of several backbones cannot be drawn"
        )
    if channel_gates(grader, torch.zeros(1, 3, side, side), UnitIndex.alone(1)) is None:
        blocks = opened.header.architecture.attention or "no attention"
        raise UsageError(
            f"{opened.run.stem} has {blocks}, which has no channel gates: train with drkit attend --attention se, eca"
            " or cbam, or draw other attention with drkit explain --method attention"
        )


def _own_rows(opened: OpenedRun) -> Predictions:
    """The run's predictions; with folds, those of the photographs that fold 0 held out."""
    predictions = read_predictions(opened.run.stem)
    if len(opened.graders) > 1:
        first = NetworkId(opened.header.fold, opened.header.seed)
        notify(f"each network has its own gates: drawing those of {first}")
    if not predictions.meta.folds:
        return predictions
    notify("drawing the photographs that fold 0 held out")
    return predictions.where((predictions.rows["fold"] == 0).fillna(False))


def _gather(opened: OpenedRun, drawn: EvaluationSet, data: Sequence[Path]) -> np.ndarray:
    """Gather the gate values (N, C) of the drawn photographs, in their order."""
    labels, header = read_datasets(data), opened.header
    names = drawn.predictions.rows["image_id"].tolist()
    paths = dict(zip(labels.rows["image_id"], labels.paths(), strict=True))
    missing = [name for name in names if name not in paths]
    if missing:
        raise InputError(
            f"{labels.title} lacks {len(missing)} photographs that {opened.run.name} graded: {first_few(missing)}"
        )
    steps = steps_to_apply(labels.roots, header.steps, header.plugins)
    values, batches = [], list(in_batches(np.arange(len(names))))
    for rows in track(batches, "computing the gates", len(batches)):
        views = read_views([paths[names[row]] for row in rows], header.bank_side, steps, round_discs=header.round_discs)
        images = render_views(views, opened.input_format, torch.device("cpu"))[0]
        gates = channel_gates(opened.graders[0], images, UnitIndex.alone(len(rows)))
        assert gates is not None  # checked by `_check_gates`
        values.append(gates.double().numpy())
    return np.concatenate(values)
