"""Apply preprocessing steps to photographs: in this process, in several, or on a cluster."""

import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
from joblib import Parallel, delayed

from drkit.engine import map_on_cluster
from drkit.errors import DrkitError, InputError
from drkit.images.disc import Box, Disc
from drkit.images.files import Photograph, decode_photograph, encode_photograph, read_content
from drkit.images.filters.fundus import Fundus
from drkit.images.filters.steps import follow_steps, frame_photograph, parsed
from drkit.machine import allowed_cpus
from drkit.records.atomic import write_bytes
from drkit.records.manifest import PhotographRecord, Status
from drkit.records.provenance import sha256_bytes

TASKS_A_BATCH = 4  # per process: small, so that little is repeated after an interruption


@dataclass(frozen=True, kw_only=True)
class FilterTask:
    """One photograph to preprocess.

    Args:
        image_id: Id of the photograph.
        path: Input file.
        sha256: SHA-256 of the input file when the plan was made.
        target: File to write.
        written_as: The same path, relative to the folder of the data set.
        steps: Steps to apply.
        before: Record of an earlier preprocess, or a new record that names the source.
        is_raw: Whether no steps have been applied to it before.
    """

    image_id: str
    path: Path
    sha256: str
    target: Path
    written_as: str
    steps: tuple[str, ...]
    before: PhotographRecord
    is_raw: bool


def process_photographs(
    tasks: Sequence[FilterTask], workers: int | None, scheduler: str | None
) -> Generator[PhotographRecord, None, None]:
    """Process the tasks, and yield each record as soon as it is finished, in any order.

    Args:
        tasks: One per photograph.
        workers: Number of processes. None: one per core. With one, or few photographs, no process is started.
        scheduler: Address of a Dask cluster to use instead. None: this machine.

    Raises:
        UsageError: Dask is not installed.
        InputError: the cluster cannot be used.
        OSError: a photograph cannot be written.
    """
    if scheduler is not None:
        with closing(map_on_cluster(process_photograph, tasks, scheduler)) as numbered:
            yield from (record for _, record in numbered)
        return
    useful = min(workers or allowed_cpus(), -(-len(tasks) // TASKS_A_BATCH))
    with _one_thread():
        yield from _in_processes(tasks, useful) if useful > 1 else map(process_photograph, tasks)


def process_photograph(task: FilterTask) -> PhotographRecord:
    """Read, filter and write one photograph; if that fails, its record states why.

    Raises:
        OSError: the photograph cannot be written.
    """
    cv2.setNumThreads(1)
    try:
        content = read_content(task.path)
        photograph = decode_photograph(content, str(task.path))
        if sha256_bytes(content) != task.sha256:
            raise InputError(f"{task.path} was changed after preprocessing started")
        fundus, reason = _frame(photograph, task)
        filtered = follow_steps(fundus, parsed(task.steps))
        encoded = encode_photograph(filtered.photograph, task.target.suffix)
    except (DrkitError, cv2.error) as error:
        reason = " ".join(str(error).split()).replace(str(task.path), task.before.source)
        return replace(task.before, status="failed", reason=reason, path=None, sha256=None, size=None, disc=None)
    write_bytes(task.target, encoded, force=True)
    status: Status = "fallback" if reason else "ok"
    record = replace(task.before, status=status, reason=reason, path=task.written_as, sha256=sha256_bytes(encoded))
    record = replace(record, size=_size(filtered), disc=_as_record(filtered.disc))
    return replace(record, source_size=_size(fundus), source_disc=_as_record(fundus.disc)) if task.is_raw else record


def _frame(photograph: Photograph, task: FilterTask) -> tuple[Fundus, str]:
    """Return the photograph with its disc: from the earlier preprocess, or else detected."""
    if task.is_raw:
        return frame_photograph(photograph)
    known = task.before.disc
    disc = Disc(**{**known, "box": Box(**known["box"])}) if known else None
    return Fundus.of(photograph, disc), task.before.reason


def _size(fundus: Fundus) -> tuple[int, int]:
    height, width = fundus.photograph.shape[:2]
    return width, height


def _as_record(disc: Disc | None) -> dict[str, Any] | None:
    if disc is None:
        return None
    numbers = {name: round(getattr(disc, name), 2) for name in ("x", "y", "radius_x", "radius_y")}
    return {**numbers, "box": asdict(disc.box)}


def _in_processes(tasks: Sequence[FilterTask], workers: int) -> Generator[PhotographRecord, None, None]:
    pool = Parallel(workers, backend="loky", return_as="generator_unordered", batch_size=TASKS_A_BATCH)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*still being processed")  # where a full disk stops the work
        yield from pool(delayed(process_photograph)(task) for task in tasks)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Restore the number of OpenCV's threads, which `process_photograph` sets to one."""
    threads = cv2.getNumThreads()
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
