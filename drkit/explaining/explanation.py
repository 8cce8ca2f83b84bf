"""Explanations of all selected photographs: written to a folder, or painted on the photographs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from drkit.config.explain import ExplainConfig
from drkit.errors import OutputExistsError
from drkit.explaining.batch import ExplainSetup, default_target, explain_batches
from drkit.explaining.inputs import ExplainInputs, gather_units
from drkit.explaining.lesions import choose_lesions, find_masks
from drkit.explaining.metrics import ExplanationMetrics
from drkit.explaining.pictures import paint_both
from drkit.explaining.selection import Selection
from drkit.explaining.writing import Writer, name_files
from drkit.images.files import Photograph
from drkit.models.restoring import OpenedRun
from drkit.records.atomic import check_name, check_writable
from drkit.records.explanations import MANIFEST, Explanations, write_explanations
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions
from drkit.records.preprocessed import steps_to_apply
from drkit.records.provenance import sha256_file

OVERLAY_METHOD = "integrated-gradients"  # points at lesions far more often than GradCAM: docs/results.md


@dataclass(frozen=True)
class Overlay:
    """A photograph and the evidence in it.

    Args:
        image_id: Id of the photograph.
        picture: uint8 (S, S, 3) RGB, the square around the disc that the network sees.
        painted: uint8 (S, S, 3) RGB, the same in grey, with evidence in orange and blue.
        legend: The meanings of orange and blue, in words.
    """

    image_id: str
    picture: Photograph
    painted: Photograph
    legend: tuple[str, str]


def check_folder(folder: Path, *, force: bool) -> None:
    """Check before any work that the folder can be written.

    Raises:
        OutputExistsError: the folder is not empty, and `force` is off.
        InputError: the name is not valid for a folder.
    """
    check_name(folder)
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputExistsError(f"{folder} exists already: choose another --out, or overwrite it with --force")
    check_writable(folder / MANIFEST, force=force)


def write_explained(setup: ExplainSetup, inputs: ExplainInputs, folder: Path, config: ExplainConfig) -> Explanations:
    """Explain all photographs batch by batch, and write pictures, maps and the manifest.

    Raises:
        InputError: a photograph or a mask cannot be read, or there is no mask for any photograph.
        UsageError: the layer gives no feature map.
    """
    explained, header = setup.explained, setup.opened.header
    steps = steps_to_apply(explained.roots, header.steps, header.plugins)
    masks = find_masks(config.lesions, explained.photographs["image_id"].tolist(), steps) if config.lesions else {}
    metrics = ExplanationMetrics(masks, choose_lesions(masks, config.lesion_words))
    writer = Writer(
        setup=setup, folder=folder, force=config.force, names=name_files(explained.rows["image_id"].tolist())
    )
    for result, views in explain_batches(setup, config.workers):
        metrics.update(result, views, explained.rows.iloc[result.rows])
        writer.add(result, views)
    writer.finish()
    explanations = _manifest(setup, inputs, writer, metrics)
    write_explanations(explanations, folder, force=config.force)
    return explanations


def paint_overlays(
    opened: OpenedRun, labels: Labels, predictions: Predictions, device: torch.device, workers: int | None = None
) -> Iterator[Overlay]:
    """Paint the integrated gradients of all graded photographs, unit by unit.

    Args:
        opened: The run.
        labels: The photographs.
        predictions: The run's predictions of whole units of them.
        device: Device of the networks.
        workers: Number of threads that read photographs; None for Python's default.

    Raises:
        InputError: a photograph that cannot be read.
    """
    header = opened.header
    selection = Selection(tuple(predictions.rows["image_id"]), "all photographs")
    explained = gather_units(labels, predictions, selection, header.architecture)
    setup = ExplainSetup(
        opened=opened,
        explained=explained,
        method=OVERLAY_METHOD,
        target_name=default_target(header.decision),
        layer=None,
        evaluator=None,
        device=device,
    )
    for result, views in explain_batches(setup, workers):
        image_ids = explained.rows["image_id"].iloc[result.rows]
        for number, (image_id, view) in enumerate(zip(image_ids, views, strict=True)):
            positive, negative = result.drawn_positive[number], result.drawn_negative[number]
            painted = paint_both(view.picture, positive, negative, view.disc)
            yield Overlay(str(image_id), view.picture, painted, setup.meanings)


def _manifest(setup: ExplainSetup, inputs: ExplainInputs, writer: Writer, metrics: ExplanationMetrics) -> Explanations:
    opened, (speaks_for, speaks_against) = setup.opened, setup.meanings
    return Explanations(
        run=opened.run.name,
        checkpoints={path.name: sha256_file(path) for path in opened.checkpoints},
        method=setup.method,
        layer=setup.layer,
        target=opened.header.target,
        asked=setup.target_name,
        unit=opened.header.architecture.unit,
        reason=inputs.selection.reason,
        speaks_for=speaks_for,
        speaks_against=speaks_against,
        sheets=tuple(writer.sheets),
        photographs=tuple(writer.photographs),
        faithfulness=metrics.compute_faithfulness(),
        lesions=metrics.compute_lesions(),
        unreadable=inputs.unreadable,
    )
