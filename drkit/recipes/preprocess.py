"""`drkit preprocess`: image filters applied to every photograph of a data set."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drkit.config.preprocess import DEFAULT_SIZE, PreprocessConfig
from drkit.config.shared import LOCAL, EngineOptions
from drkit.data.filtered import begin, find_finished, finish, list_tasks, make_plan
from drkit.data.filtering import process_photographs
from drkit.errors import DiskFullError, InputError, Interrupted, UsageError
from drkit.images.filters.steps import Step, parse_steps, plan_steps
from drkit.progress import track, warn
from drkit.records import manifest as records
from drkit.records.atomic import check_free_space, check_name, needing_room
from drkit.records.labels import Labels
from drkit.records.layouts import read_each
from drkit.records.locks import locking
from drkit.records.manifest import Manifest, PhotographRecord, Plan
from drkit.reporting import Table

BYTES_A_PIXEL = {"jpg": 0.6, "png": 2.0}  # of a written photograph, rounded up
LISTED = 20  # photographs with a problem


@dataclass(frozen=True, kw_only=True)
class PreprocessReport:
    """The outcome for one data set.

    Args:
        out: Folder of the new data set.
        steps: All steps that its photographs have been through.
        photographs: Number of photographs that are ok, fallback and failed.
        not_ok: Image id, status and reason of all photographs that are not ok.
        done_before: Number of photographs that an earlier run had finished.
        exit_code: 1 if photographs failed, unless `--keep-going` is given.
    """

    out: Path
    steps: tuple[str, ...]
    photographs: dict[str, int]
    not_ok: tuple[tuple[str, str, str], ...]
    done_before: int
    exit_code: int

    def render(self) -> Iterator[str | Table]:
        """Return counts, steps, and the photographs that are not ok."""
        counts = ", ".join(f"{count} {status}" for status, count in self.photographs.items() if count)
        before = f", {self.done_before} of them in an earlier run" if self.done_before else ""
        yield f"wrote {sum(self.photographs.values())} photographs to {self.out}{before}: {counts}"
        yield f"steps: {','.join(self.steps)}"
        if self.not_ok:
            more = f", the first {LISTED} of {len(self.not_ok)}" if len(self.not_ok) > LISTED else ""
            title = f"Photographs that are not ok{more} (manifest.json lists all)"
            yield Table(title, ("image_id", "status", "reason"), [list(row) for row in self.not_ok[:LISTED]])


@dataclass(frozen=True)
class PreprocessReports:
    """The outcome for several data sets.

    Args:
        datasets: One report per data set, in the order given.
    """

    datasets: tuple[PreprocessReport, ...]

    @property
    def exit_code(self) -> int:
        """The highest of all exit codes."""
        return max(report.exit_code for report in self.datasets)

    def render(self) -> Iterator[str | Table]:
        """Return the outcome of each data set."""
        for report in self.datasets:
            yield from report.render()


@dataclass(frozen=True, kw_only=True)
class PlannedSet:
    """What would be done to a data set.

    Args:
        name: Name of its folder.
        layout: The layout as which it was read.
        photographs: Number of photographs.
        done: Steps that they have been through.
        new_steps: Steps that they would go through.
        out: Folder of the new data set.
        state: `new`; `unfinished`, if an interrupted run would be resumed; `finished`, if nothing is left to do; or
            `replaced`.
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
    """What `run_preprocess` would do.

    Args:
        datasets: One per data set, in the order given.
    """

    datasets: tuple[PlannedSet, ...]

    def render(self) -> Iterator[str | Table]:
        """Return a table with one row per data set."""
        columns = ("data set", "layout", "photographs", "steps before", "new steps", "output", "state")
        rows = [
            (each.name, each.layout, str(each.photographs), ",".join(each.done) or "none", ",".join(each.new_steps),
             str(each.out), each.state)
            for each in self.datasets
        ]  # fmt: skip
        yield Table("Data sets", columns, rows)


@dataclass(frozen=True)
class _PreprocessJob:
    """A data set that is to go through the steps, and the manifest of a finished run if there is one."""

    labels: Labels
    out: Path
    earlier: Manifest | None
    plan: Plan
    finished: Manifest | None


def run_preprocess(config: PreprocessConfig, engine: EngineOptions = LOCAL) -> PreprocessReport | PreprocessReports:
    """Apply the steps to every photograph of a data set, and write the new data set.

    Several data sets go each into a folder of its name below `out`, after all of them have been checked. An interrupted
    run is resumed; a finished one with the same plan is only reported.

    Raises:
        UsageError: no `out`, unknown steps or parameters, options that do not fit together, or a data set given twice.
        InputError: no data set, no space, or no cluster.
        OutputExistsError: `out` contains something else, or the result of another plan.
        BusyError: another process writes into `out`.
        Interrupted: stopped by the user.
    """
    reports = [_process_dataset(job, config, engine) for job in _plan_jobs(config).values()]
    return reports[0] if len(reports) == 1 else PreprocessReports(tuple(reports))


def plan_preprocess(config: PreprocessConfig) -> PreprocessPlan:
    """Plan what `run_preprocess` would do; nothing is written.

    Raises:
        DrkitError: anything that `run_preprocess` would refuse.
    """
    return PreprocessPlan(tuple(_plan_dataset(name, job, config) for name, job in _plan_jobs(config).items()))


def _plan_dataset(name: str, job: _PreprocessJob, config: PreprocessConfig) -> PlannedSet:
    exists = job.out.is_dir() and records.is_preprocessed(job.out)
    return PlannedSet(
        name=name,
        layout=job.labels.layout,
        photographs=len(job.labels),
        done=job.earlier.steps if job.earlier else (),
        new_steps=job.plan.new_steps,
        out=job.out,
        state="finished" if job.finished else "new" if not exists else "replaced" if config.force else "unfinished",
    )


def _plan_jobs(config: PreprocessConfig) -> dict[str, _PreprocessJob]:
    """Plan and check the jobs, without changing anything; return them by name of their data set."""
    if config.out is None:
        raise UsageError("give the folder of the new data set, e.g. drkit preprocess cropped --steps circle-crop")
    _check_options(config)
    steps = plan_steps(parse_steps(config.steps), config.size, DEFAULT_SIZE)
    datasets = read_each(config.data)
    outs = {name: config.out / name if len(datasets) > 1 else config.out for name in datasets}
    return {name: _plan_job(labels, outs[name], steps, config) for name, labels in datasets.items()}


def _check_options(config: PreprocessConfig) -> None:
    if config.size is not None and not 16 <= config.size <= 8192:
        raise UsageError(f"--size {config.size}: expected 16 to 8192 pixels")
    if config.workers is not None and config.workers < 1:
        raise UsageError(f"--workers {config.workers}: expected at least 1 process")


def _plan_job(labels: Labels, out: Path, steps: Sequence[Step], config: PreprocessConfig) -> _PreprocessJob:
    check_name(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, not a folder: choose another name")
    if out.resolve().is_relative_to(labels.root.resolve()):
        raise UsageError(f"{out} is inside the data set {labels.root}: choose a folder outside it")
    earlier = records.read_manifest(labels.root)
    plan = make_plan(labels, steps, earlier, f".{config.format}")
    finished = find_finished(out, plan, force=config.force)
    if not finished:
        check_free_space(out, len(labels) * (config.size or DEFAULT_SIZE) ** 2 * BYTES_A_PIXEL[config.format])
    return _PreprocessJob(labels, out, earlier, plan, finished)


def _process_dataset(job: _PreprocessJob, config: PreprocessConfig, engine: EngineOptions) -> PreprocessReport:
    """Process the photographs of a data set that are not done yet, and write its manifest."""
    with locking(job.out):
        finished = find_finished(job.out, job.plan, force=config.force)  # another process may have finished it by now
        if finished:
            records.drop_plan(job.out)
            return _report(finished, job.out, len(finished.photographs), config)
        if config.force and job.out.is_dir():
            records.clear(job.out)
        done = begin(job.out, job.plan)
        done_before = len(done)
        tasks = [task for task in list_tasks(job.labels, job.plan, job.earlier, job.out) if task.image_id not in done]
        with (
            _explaining_how_to_resume(job.out, done),  # outermost: on a full disk, closing the ledger fails as well
            records.open_ledger(job.out) as ledger,
            closing(process_photographs(tasks, config.workers, engine.scheduler)) as results,
        ):
            for record in track(results, "photographs", len(tasks)):
                ledger.add(record)
                done[record.image_id] = record
        return _report(finish(job.labels, job.plan, job.earlier, done, job.out), job.out, done_before, config)


@contextmanager
def _explaining_how_to_resume(out: Path, done: Mapping[str, PhotographRecord]) -> Iterator[None]:
    """Add to an interruption or a failure to write that the command resumes when it is repeated."""
    resume = "repeat the command to resume"
    try:
        with needing_room(out / records.IMAGES):
            yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped after {len(done)} photographs in {out}: {resume}") from None
    except DiskFullError as error:
        raise DiskFullError(f"{error}; {resume}") from None
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error}): {resume}") from error


def _report(manifest: Manifest, out: Path, done_before: int, config: PreprocessConfig) -> PreprocessReport:
    counts = Counter(record.status for record in manifest.photographs)
    if failed := counts["failed"]:
        warn(f"{failed} of {len(manifest.photographs)} photographs failed and are not in {out / records.LABELS}")
    return PreprocessReport(
        out=out,
        steps=manifest.steps,
        photographs={status: counts[status] for status in ("ok", "fallback", "failed")},
        not_ok=tuple((r.image_id, r.status, r.reason) for r in manifest.photographs if r.status != "ok"),
        done_before=done_before,
        exit_code=1 if failed and not config.keep_going else 0,
    )
