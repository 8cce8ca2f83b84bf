"""Explanations of photographs, batch by batch: predictions, attribution and faithfulness."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from drkit.batching import BatchSize, map_batches
from drkit.catalogue import EXPLAINERS
from drkit.data.units import UnitIndex
from drkit.decisions import GradePredictions
from drkit.explaining.activations import AttributionInput
from drkit.explaining.attribution import Attribution, mean_attribution, share_inside, unit_scale, unit_shares
from drkit.explaining.faithfulness import AttributionMethod, Faithfulness, FaithfulnessEvaluator
from drkit.explaining.inputs import ExplainBatch, ExplainedUnits
from drkit.explaining.photographs import View, blur_discs, read_views, render_views
from drkit.explaining.targets import AttributionTarget, ContrastTarget, GradeTarget, ScoreTarget
from drkit.losses import build_loss
from drkit.models.grader import Grader
from drkit.models.restoring import OpenedRun
from drkit.progress import track
from drkit.records.checkpoint import CheckpointHeader
from drkit.records.preprocessed import steps_to_apply

# Methods that do not depend on the target, and what positive and negative mean there.
TARGET_FREE_METHODS: Mapping[str, tuple[str, str]] = {
    "eigencam": ("the strongest pattern, whatever the grade", ""),
    "attention": ("attended to", "attended to less than evenly"),
}

Strengths = NDArray[np.float32]  # (P, S, S) in [0, 1]


@dataclass(frozen=True, kw_only=True)
class ExplainSetup:
    """A run, the photographs, and how they are explained.

    Args:
        opened: The run.
        explained: The photographs.
        method: Key of `drkit.catalogue.EXPLAINERS`.
        target_name: One of `drkit.config.explain.EXPLAIN_TARGETS`.
        layer: Name of the module whose feature map is used; None for the backbone's last map.
        evaluator: Measures faithfulness; None if it is not measured.
        device: Device of the networks.
    """

    opened: OpenedRun
    explained: ExplainedUnits
    method: str
    target_name: str
    layer: str | None
    evaluator: FaithfulnessEvaluator | None
    device: torch.device

    @property
    def attribute(self) -> AttributionMethod:
        """The function of the method."""
        method: AttributionMethod = EXPLAINERS[self.method].load()
        return method

    @property
    def meanings(self) -> tuple[str, str]:
        """What positive and negative attribution mean, in words."""
        if self.method in TARGET_FREE_METHODS:
            return TARGET_FREE_METHODS[self.method]
        if self.target_name == "score":
            return "speaks for a worse grade", "speaks for a milder grade"
        is_named = self.target_name in ("predicted", "reference")
        grade = f"the {self.target_name} grade" if is_named else f"grade {self.target_name}"
        return f"speaks for {grade}", f"speaks against {grade}"


@dataclass(frozen=True, kw_only=True)
class BatchAttribution:
    """The explanation of a batch of P photographs in B units.

    Args:
        rows: (P,) row numbers among the explained units.
        unit: (P,) number of each photograph's unit in the batch.
        predictions: The run's predictions for each unit.
        target_grades: (B,) grades of the target; None for the score.
        raw: (P, h, w), the attribution that the method returned.
        drawn_positive: (P, S, S) in [0, 1], evidence for the target, on one scale within a unit.
        drawn_negative: (P, S, S) in [0, 1], evidence against the target, on the same scale.
        contrast: Evidence (S, S) for the predicted and for the reference grade, on one scale, by position in the batch;
            only for photographs of units in which the two grades differ.
        shares: (P,) share of each photograph in the evidence of its unit.
        outside: (P,) share of the evidence outside the disc; NaN without evidence or without a disc.
        faithfulness: Scores of each unit; None if they are not measured.
    """

    rows: NDArray[np.int64]
    unit: NDArray[np.int64]
    predictions: GradePredictions
    target_grades: NDArray[np.int64] | None
    raw: Attribution
    drawn_positive: Strengths
    drawn_negative: Strengths
    contrast: Mapping[int, tuple[Strengths, Strengths]]
    shares: NDArray[np.float64]
    outside: NDArray[np.float64]
    faithfulness: Faithfulness | None


def default_target(decision: str) -> str:
    """The predicted grade for a classifier, and for other networks the score, which has only two directions."""
    return "predicted" if decision == "argmax" else "score"


def explain_batches(
    setup: ExplainSetup, workers: int | None = None
) -> Iterator[tuple[BatchAttribution, Sequence[View]]]:
    """Read and explain all photographs, batch by batch; a batch that does not fit in memory is halved.

    Args:
        setup: The run and the photographs.
        workers: Number of threads that read photographs; None for Python's default.

    Yields:
        The attribution of a batch, and its photographs in the order of the attribution's rows.

    Raises:
        InputError: a photograph that cannot be read.
        UsageError: the layer gives no feature map, or not even one unit fits in memory.
    """
    explained, header = setup.explained, setup.opened.header
    steps = steps_to_apply(explained.roots, header.steps, header.plugins)
    size = BatchSize(explained.batch_size)
    for batch in track(explained.batches(), f"explaining by {setup.method}", explained.num_batches):
        paths = [Path(path) for path in explained.rows["path"].iloc[batch.units.rows]]
        views = read_views(paths, header.bank_side, steps, workers, round_discs=header.round_discs)
        yield from _explain_halving(setup, batch, views, size)


def _explain_halving(
    setup: ExplainSetup, batch: ExplainBatch, views: Sequence[View], size: BatchSize
) -> Iterator[tuple[BatchAttribution, Sequence[View]]]:
    view_of = dict(zip(batch.units.rows.tolist(), views, strict=True))

    def explain(numbers: NDArray[np.int64]) -> tuple[BatchAttribution, Sequence[View]]:
        part = setup.explained.batch(numbers, batch.fold)
        own_views = [view_of[row] for row in part.units.rows.tolist()]
        return explain_batch(setup, part, own_views), own_views

    return (result for _, result in map_batches(explain, batch.numbers, size))


def explain_batch(setup: ExplainSetup, batch: ExplainBatch, views: Sequence[View]) -> BatchAttribution:
    """Explain one batch.

    Args:
        setup: Run, method and target.
        batch: The units, and the fold that held them out.
        views: The photographs, in the order of `batch.units.rows`.

    Raises:
        UsageError: the layer gives no feature map.
    """
    rows = setup.explained.rows.iloc[batch.units.rows]
    target = _build_target(setup, batch.units.index, rows)
    by_network = _build_inputs(setup, batch, views, target)
    predictions = [
        inputs.target.loss.predictions(inputs.logits(inputs.images).float().cpu().numpy(), inputs.target.sigma)
        for inputs in by_network
    ]
    raws = [setup.attribute(inputs) for inputs in by_network]
    first, raw = by_network[0], mean_attribution(raws)
    drawn = raw.upsampled(first.side)
    scale = unit_scale(drawn, first.index)[:, None, None]
    evaluator = setup.evaluator
    # Attention below its even share is not evidence, neither inside nor outside the disc.
    weights = drawn.positive if setup.method == "attention" else drawn.positive + drawn.negative
    outside = share_inside(weights, ~first.discs).cpu().double().numpy()
    return BatchAttribution(
        rows=batch.units.rows,
        unit=batch.units.index.unit.numpy(),
        predictions=GradePredictions.mean(predictions),
        target_grades=target.grades.numpy() if isinstance(target, GradeTarget) else None,
        raw=raw,
        drawn_positive=(drawn.positive / scale).cpu().numpy(),
        drawn_negative=(drawn.negative / scale).cpu().numpy(),
        contrast=_contrast(setup, by_network, rows),
        shares=unit_shares(drawn, first.index).cpu().double().numpy(),
        outside=np.where([view.has_disc for view in views], outside, np.nan),
        faithfulness=evaluator.evaluate(by_network, raws, setup.attribute, batch.units.rows.tolist())
        if evaluator
        else None,
    )


def _build_target(setup: ExplainSetup, index: UnitIndex, rows: pd.DataFrame) -> AttributionTarget:
    header = setup.opened.header
    loss = build_loss(header.architecture.loss)
    if setup.target_name == "score":
        return ScoreTarget(loss, header.sigma)
    if setup.target_name in ("predicted", "reference"):
        column = "predicted_grade" if setup.target_name == "predicted" else "reference"
        return GradeTarget(loss, header.sigma, _by_unit(rows[column], index))
    return GradeTarget(loss, header.sigma, torch.full((index.num_units,), int(setup.target_name)))


def _by_unit(column: pd.Series, index: UnitIndex) -> torch.Tensor:
    """The value (B,) of each unit's first photograph."""
    first = np.unique(index.unit.cpu().numpy(), return_index=True)[1]
    return torch.from_numpy(column.to_numpy(dtype=np.int64)[first])


def _build_inputs(
    setup: ExplainSetup, batch: ExplainBatch, views: Sequence[View], target: AttributionTarget
) -> list[AttributionInput]:
    """Build the input of each network that explains the batch."""
    networks, device = choose_networks(setup.opened, batch.fold), setup.device
    images, discs = render_views(views, setup.opened.input_format, device)
    first = AttributionInput(
        grader=networks[0][0],
        images=images,
        baseline=blur_discs(images, discs),
        discs=discs,
        index=batch.units.index.to(device),
        target=target,
        layer=setup.layer,
    )
    return [
        replace(first, grader=grader.to(device), target=replace(target, sigma=header.sigma))
        for grader, header in networks
    ]


def choose_networks(opened: OpenedRun, fold: int | None) -> list[tuple[Grader, CheckpointHeader]]:
    """Choose the networks that were not trained on photographs of a fold.

    Args:
        opened: The run, with the networks of all folds or only of some.
        fold: The fold that held the photographs out; None for photographs that no fold held out.

    Returns:
        The networks of the fold; all networks if there are none, or without a fold.
    """
    networks = list(zip(opened.graders, opened.headers, strict=True))
    return [(grader, header) for grader, header in networks if header.fold in (None, fold)] or networks


def _contrast(
    setup: ExplainSetup, by_network: Sequence[AttributionInput], rows: pd.DataFrame
) -> dict[int, tuple[Strengths, Strengths]]:
    """Evidence for the predicted against the reference grade if they differ, by position in the batch."""
    differs = (rows["reference"] != rows["predicted_grade"]).fillna(False).to_numpy(dtype=bool)
    if not differs.any() or setup.method in TARGET_FREE_METHODS:
        return {}
    positions = np.flatnonzero(differs)
    chosen = [_select_photographs(inputs, torch.from_numpy(positions)) for inputs in by_network]
    index = chosen[0].index
    predicted, reference = (_by_unit(rows.iloc[positions][name], index) for name in ("predicted_grade", "reference"))
    targets = [ContrastTarget(inputs.target.loss, inputs.target.sigma, predicted, reference) for inputs in chosen]
    raws = [setup.attribute(inputs.with_target(target)) for inputs, target in zip(chosen, targets, strict=True)]
    drawn = mean_attribution(raws).upsampled(chosen[0].side)
    scale = unit_scale(drawn, index)[:, None, None]
    pairs = zip((drawn.positive / scale).cpu().numpy(), (drawn.negative / scale).cpu().numpy(), strict=True)
    return dict(zip(positions.tolist(), pairs, strict=True))


def _select_photographs(inputs: AttributionInput, positions: torch.Tensor) -> AttributionInput:
    """Select the input of some of the photographs, which are complete units."""
    index = inputs.index
    rows = positions.to(index.unit.device)
    units, unit = index.unit[rows].unique(return_inverse=True)
    eyes, eye = index.eye[rows].unique(return_inverse=True)
    return replace(
        inputs,
        images=inputs.images[rows],
        baseline=inputs.baseline[rows],
        discs=inputs.discs[rows],
        index=UnitIndex(unit, index.slot[rows], eye, len(units), len(eyes)),
        target=inputs.target.of(units.cpu()),
    )
