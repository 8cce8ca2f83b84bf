"""`preprocess`: filters over every photograph of a data set."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from drkit.data.filtered import begin, find_finished, finish, list_tasks, make_plan
from drkit.data.filtering import FilterTask, process_photographs
from drkit.errors import DiskFullError, InputError, Interrupted, UsageError
from drkit.images.files import encode_photograph, read_photograph
from drkit.images.filters.preview import draw_contact_sheet
from drkit.images.filters.steps import parse_steps, plan_steps
from drkit.progress import track, warn
from drkit.records import manifest as records
from drkit.records.atomic import check_name, check_writable, needing_room, write_bytes
from drkit.records.labels import Labels
from drkit.records.layouts import read_dataset, read_each
from drkit.records.locks import locking
from drkit.records.manifest import Manifest, PhotographRecord, Plan
from drkit.reporting import Table

DEFAULT_SIZE = 512  # pixels
BYTES_A_PIXEL = {"jpg": 0.6, "png": 2.0}  # of a written photograph, rounded up
PREVIEWED = 5  # photographs on a contact sheet
PREVIEW_SUFFIXES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class PreprocessConfig:
    """What is done.

    Args:
        data: A data set in any known layout, or one that preprocess made.
        out: The new data set's folder.
        steps: As typed: commas between steps, colons between a step's parameters.
        size: Side of the written photographs in pixels; None: what a typed resize says, else 512.
        format: jpg (quality 95) or png.
        workers: Processes; None: one a core.
        engine: `local` processes, or a `dask` cluster.
        scheduler: The cluster's address.
        force: Replace a data set that preprocess made.
        keep_going: Failed photographs do not make the exit code 1.
    """

    data: Path
    out: Path
    steps: str = "circle-crop"
    size: int | None = None
    format: str = "jpg"
    workers: int | None = None
    engine: str = "local"
    scheduler: str | None = None
    force: bool = False
    keep_going: bool = False


@dataclass(frozen=True)
class PreprocessReport:
    """What was done.

    Args:
        out: The data set's folder.
        steps: All that its photographs have been through.
        photographs: How many are ok, fallback, failed.
        not_ok: Image ids of the others, with status and reason.
        done_before: How many photographs an earlier run had finished.
        exit_code: 1 with failed photographs, unless they were to be kept going over.
    """

    out: Path
    steps: tuple[str, ...]
    photographs: dict[str, int]
    not_ok: tuple[tuple[str, str, str], ...]
    done_before: int
    exit_code: int

    def render(self) -> Iterator[str | Table]:
        """The outcome, for people."""
        total = sum(self.photographs.values())
        counts = ", ".join(f"{count} {status}" for status, count in self.photographs.items() if count)
        before = f", {self.done_before} of them before" if self.done_before else ""
        yield f"{total} photographs in {self.out}{before}: {counts}"
        yield f"steps: {','.join(self.steps)}"
        if self.not_ok:
            shown = [list(row) for row in self.not_ok[:20]]
            more = f", the first 20 of {len(self.not_ok)}" if len(self.not_ok) > 20 else ""
            yield Table(f"not ok{more} (all are in manifest.json)", ("image_id", "status", "reason"), shown)


@dataclass(frozen=True)
class PreprocessReports:
    """What was done to several data sets.

    Args:
        datasets: One a data set, in the order given.
    """

    datasets: tuple[PreprocessReport, ...]

    @property
    def exit_code(self) -> int:
        """The worst of them."""
        return max(report.exit_code for report in self.datasets)

    def render(self) -> Iterator[str | Table]:
        """Each outcome, for people."""
        for report in self.datasets:
            yield from report.render()


@dataclass(frozen=True)
class PlannedSet:
    """What would be done to a data set.

    Args:
        name: Its folder's.
        layout: As which it was read.
        photographs: How many it has.
        done: Steps they have been through.
        new_steps: Steps they would go through.
        out: The new data set's folder.
        state: `new`; `unfinished`, to go on where it stopped; `finished`, nothing to do; or `replaced`.
    """

    name: str
    layout: str
    photographs: int
    done: tuple[str, ...]
    new_steps: tuple[str, ...]
    out: Path
    state: str


@dataclass(frozen=True)
class PreprocessPlan:
    """What would be done, told before it is done.

    Args:
        datasets: A row a data set, in the order given.
    """

    datasets: tuple[PlannedSet, ...]

    def render(self) -> Iterator[str | Table]:
        """The plan, for people."""
        columns = ("data set", "layout", "photographs", "steps before", "new steps", "written to", "state")
        rows = [
            (each.name, each.layout, str(each.photographs), ",".join(each.done) or "none", ",".join(each.new_steps),
             str(each.out), each.state)
            for each in self.datasets
        ]  # fmt: skip
        yield Table("data sets", columns, rows)


@dataclass(frozen=True)
class StepPreview:
    """What a contact sheet shows.

    Args:
        preview: The picture.
        image_ids: Its rows.
        steps: Its columns, after the photograph as it is.
    """

    preview: Path
    image_ids: tuple[str, ...]
    steps: tuple[str, ...]

    def render(self) -> Iterator[str | Table]:
        """One sentence."""
        yield f"{len(self.image_ids)} photographs before and after {','.join(self.steps)}: {self.preview}"


def run_preprocess(config: PreprocessConfig) -> PreprocessReport:
    """Send every photograph of a data set through the steps and write a data set.

    What an interrupted run finished is kept; a finished one with the same plan is only reported.

    Raises:
        UsageError: unknown steps or parameters, or options that do not fit together.
        InputError: no data set, no room, no cluster.
        OutputExistsError: `out` holds something else, or the outcome of another plan.
        BusyError: another process writes into `out`.
        Interrupted: stopped by the user.
    """
    return _carry_out(_prepare(config, read_dataset(config.data)))


def run_preprocess_each(data: Sequence[Path], config: PreprocessConfig) -> PreprocessReports:
    """Send several data sets through the steps, each into a folder of its name below `out`.

    All are read and checked before the first photograph is processed.

    Raises:
        UsageError: a data set is named twice, or as `run_preprocess`.
        InputError, OutputExistsError, Interrupted: as `run_preprocess`.
    """
    return PreprocessReports(tuple(map(_carry_out, _prepare_each(data, config).values())))


def plan_preprocess(data: Sequence[Path], config: PreprocessConfig) -> PreprocessPlan:
    """Say what `run_preprocess`, or of several data sets `run_preprocess_each`, would do; write nothing.

    Raises:
        DrkitError: what they would refuse.
    """
    jobs = _prepare_each(data, config)
    return PreprocessPlan(tuple(_describe(name, job) for name, job in jobs.items()))


@dataclass(frozen=True)
class _PreprocessJob:
    """A data set that is to go through its steps."""

    config: PreprocessConfig
    labels: Labels
    earlier: Manifest | None
    plan: Plan
    finished: Manifest | None


def _prepare_each(data: Sequence[Path], config: PreprocessConfig) -> dict[str, _PreprocessJob]:
    """The jobs, by the data sets' names."""
    parts = read_each(data)
    outs = {name: config.out / name if len(parts) > 1 else config.out for name in parts}
    configs = {name: replace(config, data=path, out=outs[name]) for name, path in zip(parts, data, strict=True)}
    return {name: _prepare(configs[name], labels) for name, labels in parts.items()}


def _prepare(config: PreprocessConfig, labels: Labels) -> _PreprocessJob:
    """Plan, and check that it can be carried out; nothing is changed."""
    _check_options(config)
    steps = plan_steps(parse_steps(config.steps), config.size, DEFAULT_SIZE)
    _check_place(config, labels)
    earlier = records.read_manifest(labels.root)
    plan = make_plan(labels, steps, earlier, f".{config.format}")
    finished = find_finished(config.out, plan, force=config.force)
    if not finished:
        _check_room(config, len(labels))
    return _PreprocessJob(config, labels, earlier, plan, finished)


def _describe(name: str, job: _PreprocessJob) -> PlannedSet:
    out = job.config.out
    is_there = out.is_dir() and records.is_preprocessed(out)
    state = "finished" if job.finished else "new" if not is_there else "replaced" if job.config.force else "unfinished"
    done = job.earlier.steps if job.earlier else ()
    return PlannedSet(name, job.labels.layout, len(job.labels), done, job.plan.new_steps, out, state)


def _carry_out(job: _PreprocessJob) -> PreprocessReport:
    with locking(job.config.out):
        return _process(job)


def _process(job: _PreprocessJob) -> PreprocessReport:
    config, labels, earlier, plan = job.config, job.labels, job.earlier, job.plan
    finished = find_finished(config.out, plan, force=config.force)  # meanwhile, by another process
    if finished:
        records.drop_plan(config.out)
        return _report(config, finished, done_before=len(finished.photographs))
    if config.force and config.out.is_dir():
        records.clear(config.out)
    done = begin(config.out, plan)
    tasks = [task for task in list_tasks(labels, plan, earlier, config.out) if task.image_id not in done]
    before = len(done)
    _work(tasks, done, config)
    manifest = finish(labels, plan, earlier, done, config.out)
    return _report(config, manifest, done_before=before)


def run_preview(config: PreprocessConfig, preview: Path) -> StepPreview:
    """Draw a few photographs before and after every step, and write nothing else.

    Raises:
        UsageError: unknown steps or parameters, or a suffix that no picture has.
        InputError: no data set, or an unreadable photograph.
        OutputExistsError: the picture is there already.
    """
    steps = plan_steps(parse_steps(config.steps), config.size, DEFAULT_SIZE)
    if preview.suffix.lower() not in PREVIEW_SUFFIXES:
        raise UsageError(f"--preview {preview}: the name must end in {', '.join(PREVIEW_SUFFIXES)}")
    check_writable(preview, force=config.force)
    rows = read_dataset(config.data).rows
    chosen = rows.iloc[:: max(1, -(-len(rows) // PREVIEWED))]
    photographs = [
        (image_id, read_photograph(Path(path)))
        for image_id, path in zip(chosen["image_id"], chosen["path"], strict=True)
    ]
    sheet = draw_contact_sheet(photographs, steps)
    write_bytes(preview, encode_photograph(sheet, preview.suffix), force=config.force)
    return StepPreview(preview, tuple(chosen["image_id"]), tuple(map(str, steps)))


def _check_options(config: PreprocessConfig) -> None:
    if config.size is not None and not 16 <= config.size <= 8192:
        raise UsageError(f"--size {config.size}: 16 to 8192 pixels were expected")
    if config.workers is not None and config.workers < 1:
        raise UsageError(f"--workers {config.workers}: at least 1 process has to work")
    if (config.engine == "dask") != (config.scheduler is not None):
        raise UsageError("--engine dask and --scheduler ADDRESS belong together: give both, or neither")
    check_name(config.out)
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"{config.out} is a file, where a folder was to be made: choose another name")


def _check_place(config: PreprocessConfig, labels: Labels) -> None:
    if config.out.resolve().is_relative_to(labels.root.resolve()):
        raise UsageError(f"{config.out} lies in the data set {config.data} itself: choose a folder beside it")


def _check_room(config: PreprocessConfig, num_photographs: int) -> None:
    ground = next(folder for folder in (config.out, *config.out.absolute().parents) if folder.exists())
    if not ground.is_dir() or not os.access(ground, os.W_OK):
        raise InputError(f"{ground} cannot be written to: choose another place for {config.out.name}")
    needed = num_photographs * (config.size or DEFAULT_SIZE) ** 2 * BYTES_A_PIXEL[config.format]
    free = shutil.disk_usage(ground).free
    if needed > free:
        raise InputError(f"{config.out} needs about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")


def _work(tasks: Sequence[FilterTask], done: dict[str, PhotographRecord], config: PreprocessConfig) -> None:
    """Process the tasks, each record into the ledger as it comes."""
    with (
        _stopping_well(config, done),  # outermost: a ledger on a full disk fails once more when it is closed
        records.open_ledger(config.out) as ledger,
        closing(process_photographs(tasks, config.workers, config.scheduler)) as results,
    ):
        for record in track(results, "photographs", len(tasks)):
            ledger.add(record)
            done[record.image_id] = record


@contextmanager
def _stopping_well(config: PreprocessConfig, done: dict[str, PhotographRecord]) -> Iterator[None]:
    again = "the same command goes on from there"
    try:
        with needing_room(config.out / records.IMAGES):
            yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped after {len(done)} photographs in {config.out}: {again}") from None
    except DiskFullError as error:
        raise DiskFullError(f"{error}; {again}") from None
    except OSError as error:
        raise InputError(f"{config.out} cannot be written to ({error.strerror or error}): {again}") from error


def _report(config: PreprocessConfig, manifest: Manifest, *, done_before: int) -> PreprocessReport:
    counts = Counter(record.status for record in manifest.photographs)
    failed = counts["failed"]
    if failed:
        warn(
            f"{failed} of {len(manifest.photographs)} photographs failed; they are not in {config.out / records.LABELS}"
        )
    return PreprocessReport(
        out=config.out,
        steps=manifest.steps,
        photographs={status: counts[status] for status in ("ok", "fallback", "failed")},
        not_ok=tuple((r.image_id, r.status, r.reason) for r in manifest.photographs if r.status != "ok"),
        done_before=done_before,
        exit_code=1 if failed and not config.keep_going else 0,
    )
