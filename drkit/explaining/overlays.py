"""Photographs with the evidence for and against a grade painted on them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from drkit.explaining.batch import ExplainSetup, default_target, explain_batches
from drkit.explaining.pictures import paint_both
from drkit.explaining.selection import Selection
from drkit.explaining.units import gather_units
from drkit.images.files import Photograph
from drkit.models.restoring import OpenedRun
from drkit.records.labels import Labels
from drkit.records.predictions import Predictions

METHOD = "integrated-gradients"  # points at lesions far more often than GradCAM: docs/results.md


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
        method=METHOD,
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
