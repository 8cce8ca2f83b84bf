"""Run a run's networks over the units of a data set: in this process, or on a Dask cluster."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock

import numpy as np
from torch import Tensor

from drkit.batching import in_batches
from drkit.config.shared import Device, Precision
from drkit.data.rendering import prediction_views, render
from drkit.data.stream import PhotographStream
from drkit.data.units import Units
from drkit.decisions import GradePredictions
from drkit.engine import map_on_cluster
from drkit.errors import InputError
from drkit.inference import stream_units
from drkit.losses import build_loss
from drkit.machine import keep_freed_memory
from drkit.models.restoring import OpenedRun, open_run
from drkit.progress import track
from drkit.records.provenance import canonical_json, sha256_bytes
from drkit.training.devices import build_autocast, pick_device

PHOTOGRAPHS_PER_TASK = 128  # on a cluster
_one_at_a_time = Lock()  # for the threads of a worker: they share the networks and the device


@dataclass(frozen=True)
class GradingSettings:
    """How a run grades.

    Args:
        device: Device of the networks.
        precision: Precision of the networks.
        embeddings: Whether to keep the first network's activations of each photograph.
        keep_going: Whether to grade on after a photograph that cannot be read.
    """

    device: Device
    precision: Precision
    embeddings: bool
    keep_going: bool


@dataclass(frozen=True)
class Graded:
    """Predictions for P photographs.

    Args:
        rows: (P,) row numbers of the photographs.
        by_seed: P predictions of each seed's networks.
        activations: float16 (P, F), of the first network; (P, 0) if they are not kept.
    """

    rows: np.ndarray
    by_seed: tuple[GradePredictions, ...]
    activations: np.ndarray


def join_graded(parts: Sequence[Graded]) -> Graded:
    """Join the predictions of all photographs, in the order of the row numbers."""
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    by_seed = tuple(
        GradePredictions.join(of_seed).take(order) for of_seed in zip(*(part.by_seed for part in parts), strict=True)
    )
    return Graded(rows[order], by_seed, np.concatenate([part.activations for part in parts])[order])


def grade_units(
    opened: OpenedRun, settings: GradingSettings, stream: PhotographStream, units: Units, numbers: np.ndarray
) -> Iterator[Graded]:
    """Grade the photographs of the units with the given numbers, batch by batch.

    Raises:
        UsageError: the device or the precision is not available, or not even one unit fits in memory.
    """
    header, loss, device = opened.header, build_loss(opened.header.architecture.loss), pick_device(settings.device)

    def render_views(_: np.ndarray, photographs: np.ndarray) -> Iterable[Tensor]:
        return prediction_views(render(photographs, opened.input_format, device), tta=header.tta)

    keep_freed_memory()
    networks = [(grader.to(device), render_views) for grader in opened.graders]
    autocast = build_autocast(settings.precision, device)
    batches = stream_units(networks, stream, units, numbers, autocast, keep_going=settings.keep_going)
    for batch, outputs in batches:
        by_seed: dict[int | None, list[GradePredictions]] = {}
        for output, each in zip(outputs, opened.headers, strict=True):
            by_seed.setdefault(each.seed, []).append(output.predictions(loss, each.sigma))
        first = outputs[0] if settings.embeddings else outputs[0].without_activations()
        index = np.searchsorted(batch, units.unit_of[first.rows])
        means = tuple(GradePredictions.mean(predictions).take(index) for predictions in by_seed.values())
        yield Graded(first.rows, means, first.activations)


def grade_units_on_cluster(
    opened: OpenedRun,
    settings: GradingSettings,
    scheduler: str,
    stream: PhotographStream,
    units: Units,
    numbers: np.ndarray,
) -> Iterator[Graded]:
    """Grade units on a Dask cluster, whose workers open the run and read the photographs by their paths.

    Raises:
        UsageError: Dask is not installed, or a worker lacks the device or the precision.
        InputError: the cluster cannot be used, or has another run under the same path.
    """
    path = opened.run.title if opened.run.is_packaged else opened.run.stem.absolute()
    batches = in_batches(numbers, max(PHOTOGRAPHS_PER_TASK // units.num_slots, 1))
    rows_of, parts = zip(*map(units.part, batches), strict=True)
    tasks = [(stream.part(rows), part) for rows, part in zip(rows_of, parts, strict=True)]
    grade = partial(_grade_part, path, _identify(opened), settings)
    with closing(map_on_cluster(grade, tasks, scheduler, items_per_task=1)) as results:
        for number, (part, graded) in track(results, "grading photographs", len(tasks)):
            rows = rows_of[number]
            stream.include(part, rows)
            yield from (replace(each, rows=rows[each.rows]) for each in graded)


def _grade_part(
    path: Path, identity: str, settings: GradingSettings, task: tuple[PhotographStream, Units]
) -> tuple[PhotographStream, list[Graded]]:
    """Grade some units in a worker; returns also what its stream has noted of the photographs."""
    stream, units = task
    with _one_at_a_time:
        return stream, list(grade_units(_open(path, identity), settings, stream, units, np.arange(len(units))))


@lru_cache(1)
def _open(path: Path, identity: str) -> OpenedRun:
    opened = open_run(path)
    if _identify(opened) != identity:
        raise InputError(f"a Dask worker has another run at {path}: all machines must see the same files")
    return opened


def _identify(opened: OpenedRun) -> str:
    """SHA-256 of the run's record, which has those of the networks."""
    return sha256_bytes(canonical_json(opened.record).encode())
