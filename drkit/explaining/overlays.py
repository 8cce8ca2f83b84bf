"""Photographs with what speaks for and against a worse grade painted on them."""

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
    """A photograph and what its grade rests on.

    Args:
        image_id: The photograph's.
        picture: uint8 (S, S, 3) RGB, squared about the disc, as the network sees it.
        painted: The same in grey: orange where it speaks for what `legend` says first, blue for the second.
        legend: What orange and blue mean, in words.
    """

    image_id: str
    picture: Photograph
    painted: Photograph
    legend: tuple[str, str]


def paint_overlays(
    opened: OpenedRun, labels: Labels, predictions: Predictions, device: torch.device, workers: int | None = None
) -> Iterator[Overlay]:
    """Paint all graded photographs, unit by unit, by integrated gradients.

    Args:
        opened: The run.
        labels: The data sets.
        predictions: What the run has graded of them, whole units.
        device: Where the networks work.
        workers: Threads that read photographs.

    Raises:
        InputError: a photograph that cannot be read.
    """
    header = opened.header
    selection = Selection(tuple(predictions.rows["image_id"]), "all photographs")
    explained = gather_units(labels, predictions, selection, header.architecture)
    setup = ExplainSetup(opened, explained, METHOD, default_target(header.decision), None, None, device)
    for result, views in explain_batches(setup, workers):
        image_ids = explained.rows["image_id"].iloc[result.rows]
        for number, (image_id, view) in enumerate(zip(image_ids, views, strict=True)):
            positive, negative = result.drawn_positive[number], result.drawn_negative[number]
            painted = paint_both(view.picture, positive, negative, view.disc)
            yield Overlay(str(image_id), view.picture, painted, setup.meanings)
