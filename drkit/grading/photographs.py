"""Grade photographs with a finished run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

import drkit
from drkit.config.shared import Device, Precision
from drkit.data.copies import check_grades_agree, number_shared
from drkit.data.file_remarks import report_file_remarks
from drkit.data.patients import name_unknown_patients
from drkit.data.stream import PhotographStream
from drkit.data.units import Units, build_units
from drkit.data.unreadable import describe_unreadable
from drkit.decisions import GradePredictions
from drkit.duplicates.seen import find_seen
from drkit.errors import InputError, UnreadablePhotographsError, first_few
from drkit.grades import SPLITS
from drkit.grading.networks import Graded, GradingSettings, grade_units, grade_units_on_cluster, join_graded
from drkit.models.restoring import OpenedRun
from drkit.progress import warn_once
from drkit.records.checkpoint import CheckpointHeader
from drkit.records.labels import Labels
from drkit.records.predictions import SCHEMA, Predictions, PredictionsMeta, build_predictions, trained_splits
from drkit.records.preprocessed import read_source_hashes
from drkit.records.provenance import sha256_file

ELSEWHERE = "photographs that are not graded here"

_ARTICLES = {"image": "a photograph", "eye": "an eye", "patient": "a patient"}


def grade_photographs(
    opened: OpenedRun,
    labels: Labels,
    device: Device,
    *,
    precision: Precision = "32",
    workers: int | None = None,
    scheduler: str | None = None,
    embeddings: bool = False,
    keep_going: bool = False,
) -> Predictions:
    """Grade the photographs of a data set by the mean of a run's networks, while the next ones are decoded.

    Args:
        opened: The run.
        labels: The photographs, whole units, with or without reference grades.
        device: Device of the networks; `auto` for a GPU if there is one.
        precision: Precision of the networks, as for `--precision`.
        workers: Number of threads that read photographs; None for one per allowed CPU.
        scheduler: Address of a Dask cluster whose workers grade, each on a device of its own; None for this machine.
        embeddings: Whether to keep the first network's activations of each photograph.
        keep_going: Whether to leave out photographs that cannot be read; the predictions' provenance has the reasons.

    Raises:
        UnreadablePhotographsError: photographs cannot be read.
        UsageError: the device or the precision is not available.
        InputError: data sets grade a photograph differently, a unit has more photographs than the network has slots,
            or the cluster cannot be used.
    """
    labels = name_unknown_patients(labels)
    check_grades_agree(labels, number_shared(labels))
    settings = GradingSettings(device, precision, embeddings, keep_going)
    here, on_cluster = partial(grade_units, opened, settings), partial(grade_units_on_cluster, opened, settings)
    grade = here if scheduler is None else partial(on_cluster, scheduler)
    units = _build_units(labels, opened.header)
    _check_slots(units, opened.header)
    stream = PhotographStream(labels.paths(), opened.square_decoder(labels), workers)
    graded = list(grade(stream, units, np.arange(len(units))))
    unreadable = _describe_errors(stream, labels, keep_going=keep_going)
    if unreadable:
        labels, graded = _grade_incomplete_units(labels, stream, graded, opened.header, grade)
    report_file_remarks(stream.remarks)
    joined = join_graded(graded)
    mean = GradePredictions.mean(joined.by_seed)
    hashes = stream.contents(read_source_hashes(labels.roots))
    return build_predictions(
        labels,
        probabilities=mean.probabilities,
        score=mean.score,
        meta=_build_meta(labels, opened, hashes, unreadable, workers, scheduler),
        name=opened.run.name,
        embedding=joined.activations if embeddings else None,
        seed_probabilities=np.stack([each.probabilities for each in joined.by_seed], 1) if opened.seeds else None,
        seed_score=np.stack([each.score for each in joined.by_seed], 1) if opened.seeds else None,
    )


def nothing_graded(opened: OpenedRun) -> Predictions:
    """The predictions, without rows, of a run that has graded no photographs."""
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
    return build_units(labels, header.architecture.unit, header.architecture.num_slots)


def _describe_errors(stream: PhotographStream, labels: Labels, *, keep_going: bool) -> dict[str, str]:
    """The reasons why photographs cannot be read, by id; with `keep_going` they are a warning, else an error.

    Raises:
        UnreadablePhotographsError: `keep_going` is off, or no photograph could be read.
    """
    reasons = {row: str(stream.errors[row]) for row in sorted(stream.errors)}
    if reasons and not (keep_going and stream.hashes):
        raise UnreadablePhotographsError(describe_unreadable(list(reasons.values())))
    if reasons:
        warn_once(
            f"{len(reasons)} of {len(labels)} photographs cannot be read and are not graded:"
            f" {first_few(list(reasons.values()), 20)}"
        )
    return {str(labels.rows["image_id"][row]): reason for row, reason in reasons.items()}


def _grade_incomplete_units(
    labels: Labels,
    stream: PhotographStream,
    graded: Sequence[Graded],
    header: CheckpointHeader,
    grade: Callable[..., Iterator[Graded]],
) -> tuple[Labels, list[Graded]]:
    """Grade the units that lack photographs by those that could be read.

    Returns:
        The readable photographs, and predictions for all of them.

    Raises:
        UnreadablePhotographsError: a photograph that could be read before cannot be read now.
    """
    readable = np.array(sorted(stream.hashes))
    labels = replace(labels, rows=labels.rows.iloc[readable].reset_index(drop=True))
    graded = [replace(part, rows=np.searchsorted(readable, part.rows)) for part in graded]
    missing = np.setdiff1d(np.arange(len(labels)), np.concatenate([np.empty(0, int), *(part.rows for part in graded)]))
    if not len(missing):
        return labels, graded
    units = _build_units(labels, header)
    again = PhotographStream(labels.paths(), stream.decoder, stream.workers)
    graded += grade(again, units, units.of_rows(missing))
    _describe_errors(again, labels, keep_going=False)
    return labels, graded


def _check_slots(units: Units, header: CheckpointHeader) -> None:
    """Check that a network with separate slots for the photographs of a unit has enough slots.

    Raises:
        InputError: a unit has more photographs than those that the network was trained on.
    """
    known = header.architecture.num_slots
    by_slot = header.architecture.fusion == "concat" or header.architecture.unshared or known == 1
    if units.num_slots > known and by_slot:
        raise InputError(
            f"the run joins at most {known} photographs of {_ARTICLES[units.kind]}, but the data set has"
            f" {units.num_slots}: choose other photographs with --data"
        )


def _build_meta(
    labels: Labels,
    opened: OpenedRun,
    hashes: Sequence[str],
    unreadable: Mapping[str, str],
    workers: int | None,
    scheduler: str | None,
) -> PredictionsMeta:
    """Build the metadata of the predictions, with the photographs that the run was trained on."""
    header, trained_on = opened.header, set(opened.record["trained_on_photographs"])
    seen = find_seen(labels.paths(), hashes, trained_on, opened.record["descends_from"], workers, scheduler)
    splits, images = trained_splits(labels.rows, seen)
    selected_on, chosen_on = set(opened.record["chosen_by_photographs"]), opened.header.chosen_on
    # The val split of another data set is not the val split graded here.
    is_elsewhere = chosen_on in SPLITS and selected_on and selected_on.isdisjoint(hashes)
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
            "data": [root.name for root in labels.roots],
            **({"unreadable": dict(unreadable)} if unreadable else {}),
        },
    )
