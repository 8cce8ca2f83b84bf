"""Grade photographs with a finished run."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import drkit
from drkit.data.bank import PhotographBank, build_bank
from drkit.data.cache import default_cache_dir
from drkit.data.copies import check_grades_agree, number_shared
from drkit.data.patients import name_unknown_patients
from drkit.data.rendering import dihedral_views, render
from drkit.data.units import Unit, Units, build_units
from drkit.decisions import GradePredictions
from drkit.duplicates.seen import find_seen
from drkit.errors import InputError, first_few
from drkit.grades import SPLITS
from drkit.inference import Autocast, run_units
from drkit.losses import build_loss
from drkit.models.restoring import OpenedRun
from drkit.progress import warn_once
from drkit.records.checkpoint import CheckpointHeader
from drkit.records.labels import Labels
from drkit.records.manifest import steps_to_apply
from drkit.records.predictions import SCHEMA, Predictions, PredictionsMeta, build_predictions, trained_splits
from drkit.records.provenance import sha256_file
from drkit.training.runtime import keep_freed_memory

ELSEWHERE = "photographs that are not graded here"

_ARTICLES = {"image": "a photograph", "eye": "an eye", "patient": "a patient"}


def grade_photographs(
    opened: OpenedRun,
    labels: Labels,
    device: torch.device,
    *,
    autocast: Autocast = nullcontext,
    workers: int | None = None,
    cache_dir: Path | None = None,
    embeddings: bool = False,
    keep_going: bool = False,
) -> Predictions:
    """Grade the photographs of a data set by the mean of a run's networks.

    Args:
        opened: The run.
        labels: The photographs, whole units, with or without reference grades.
        device: Where the networks work.
        autocast: Their precision; by default 32 bits.
        workers: Threads that read photographs; None: one a core.
        cache_dir: Where photographs go that do not fit in memory; None: the user's cache.
        embeddings: Keep the first network's activations of each photograph.
        keep_going: Leave photographs out that cannot be read; the predictions' provenance says which and why.

    Raises:
        UnreadablePhotographsError: photographs that cannot be read.
        InputError: photographs that data sets grade differently, or more of a unit than the
            network has inputs for.
    """
    labels = name_unknown_patients(labels)
    check_grades_agree(labels, number_shared(labels))
    header = opened.header
    _check_slots(_build_units(labels, header), header)
    bank = build_bank(
        labels,
        header.bank_side,
        cache_dir or default_cache_dir(),
        workers=workers,
        steps=steps_to_apply(labels.roots, header.steps, header.plugins),
        round_discs=header.round_discs,
        keep_going=keep_going,
    )
    labels, unreadable = _without_unreadable(labels, bank)
    units = _build_units(labels, header)
    keep_freed_memory()
    of_seeds, embedding = _run_networks(opened, bank, units, device, autocast)
    answers = GradePredictions.mean(of_seeds)
    return build_predictions(
        labels,
        probabilities=answers.probabilities,
        score=answers.score,
        meta=_build_meta(labels, opened, bank, unreadable, workers),
        name=opened.run.name,
        embedding=embedding if embeddings else None,
        seed_probabilities=np.stack([each.probabilities for each in of_seeds], 1) if opened.seeds else None,
        seed_score=np.stack([each.score for each in of_seeds], 1) if opened.seeds else None,
    )


def nothing_graded(opened: OpenedRun) -> Predictions:
    """Predictions without rows: of a run that has graded no photograph yet."""
    header = opened.header
    meta = PredictionsMeta(
        target=header.target,
        unit=header.architecture.unit,
        decision=header.decision,
        cut_points=header.cut_points,
        trained_on=(),
        folds=0,
        chosen_on=header.chosen_on,
        model=header.architecture.backbone,
        checkpoint_sha256=None,
        labels_sha256=None,
    )
    return Predictions(pd.DataFrame(columns=SCHEMA.names), meta, opened.run.name)


def _build_units(labels: Labels, header: CheckpointHeader) -> Units:
    return build_units(labels, cast(Unit, header.architecture.unit), header.architecture.num_slots)


def _without_unreadable(labels: Labels, bank: PhotographBank) -> tuple[Labels, dict[str, str]]:
    """The photographs of a bank, and why each of the others could not be read, by id."""
    if not bank.unreadable:
        return labels, {}
    left_out = labels.rows.index.isin(list(bank.unreadable))
    names = labels.rows["image_id"]
    warn_once(
        f"{len(bank.unreadable)} of {len(labels)} photographs cannot be read and are not graded:"
        f" {first_few(list(bank.unreadable.values()), 20)}"
    )
    rows = labels.rows[~left_out].reset_index(drop=True)
    return replace(labels, rows=rows), {str(names[row]): reason for row, reason in bank.unreadable.items()}


def _check_slots(units: Units, header: CheckpointHeader) -> None:
    """Check that a network with an input for each photograph of a unit has enough of them.

    Raises:
        InputError: more photographs a unit than it was trained on.
    """
    known = header.architecture.num_slots
    by_slot = header.architecture.fusion == "concat" or header.architecture.unshared or known == 1
    if units.num_slots > known and by_slot:
        raise InputError(
            f"the run joins at most {known} photographs of {_ARTICLES[units.kind]}, the data set has {units.num_slots}"
        )


def _run_networks(
    opened: OpenedRun, bank: PhotographBank, units: Units, device: torch.device, autocast: Autocast
) -> tuple[list[GradePredictions], np.ndarray]:
    """N answers of each seed, and the first network's activations (N, F), photograph by photograph."""
    header, loss = opened.header, build_loss(opened.header.architecture.loss)

    def views(rows: np.ndarray) -> Iterable[Tensor]:
        plain = render(bank.pixels[rows], opened.input_format, device)
        return dihedral_views(plain) if header.tta else [plain]

    numbers = np.arange(len(units))
    outputs = [run_units(grader.to(device), views, units, numbers, autocast) for grader in opened.graders]
    by_seed: dict[int | None, list[GradePredictions]] = {}
    for output, each in zip(outputs, opened.headers, strict=True):
        by_seed.setdefault(each.seed, []).append(output.read(loss, each.sigma))
    order = np.argsort(outputs[0].rows)
    return [GradePredictions.mean(answers).take(units.unit_of) for answers in by_seed.values()], outputs[0].activations[
        order
    ]


def _build_meta(
    labels: Labels, opened: OpenedRun, bank: PhotographBank, unreadable: Mapping[str, str], workers: int | None
) -> PredictionsMeta:
    """How the photographs were graded, and which of them the run was trained on."""
    header, trained_on = opened.header, set(opened.record["trained_on_photographs"])
    seen = find_seen(labels.paths(), bank.hashes, trained_on, opened.record["descends_from"], workers)
    splits, images = trained_splits(labels.rows, seen)
    selected_on, chosen_on = set(opened.record["chosen_by_photographs"]), opened.header.chosen_on
    # The val split of another data set is not the val split graded here.
    is_elsewhere = chosen_on in SPLITS and selected_on and selected_on.isdisjoint(bank.hashes)
    return PredictionsMeta(
        target=header.target,
        unit=header.architecture.unit,
        decision=header.decision,
        cut_points=header.cut_points,
        trained_on=splits,
        trained_on_images=images,
        folds=0,
        seeds=opened.seeds,
        chosen_on=ELSEWHERE if is_elsewhere else chosen_on,
        model=header.architecture.backbone,
        checkpoint_sha256=sha256_file(opened.checkpoints[0]),
        labels_sha256=labels.sha256,
        provenance={
            "drkit_version": drkit.__version__,
            "parents": [each.provenance for each in opened.headers],
            **({"unreadable": dict(unreadable)} if unreadable else {}),
        },
    )
