"""`drkit synth`: synthetic fundus photographs in the course's layout."""

import csv
import json
import multiprocessing
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drkit
from drkit import progress
from drkit.config.synth import SynthConfig
from drkit.errors import InputError, OutputExistsError, UsageError, first_few
from drkit.grades import GRADE_NAMES, NUM_GRADES, SPLITS
from drkit.images.files import encode_photograph
from drkit.images.synthetic.canvas import encode_mask
from drkit.images.synthetic.cohort import FEWEST_PATIENTS, CohortPatient, draw_cohort
from drkit.images.synthetic.lesions import LesionKind
from drkit.images.synthetic.patient import SyntheticPhotograph, draw_patient, photograph_patient
from drkit.machine import allowed_cpus
from drkit.records.atomic import check_free_space, check_name, needing_room
from drkit.reporting import Table

SCHEMA_VERSION = 1
MANIFEST = "synth.json"
SIZES = (32, 2048)  # pixels
PHOTOGRAPHS_A_PATIENT = 4
BYTES_A_PIXEL = 0.6  # JPEG and mask together, rounded up
PATIENTS_A_WORKER = 24  # for fewer, starting a process takes longer than it saves

COURSE_COLUMNS = (
    "patient_id", "image_id", "img_path", "Overall quality", "left_eye_DR_Level", "right_eye_DR_Level",
    "patient_DR_Level", "Clarity", "Field definition", "Artifact",
)  # fmt: skip
TRUTH_COLUMNS = ("image_id", "patient_id", "eye_grade", "patient_grade")
LESION_COLUMNS = {
    LesionKind.MICROANEURYSM: "microaneurysms",
    LesionKind.HAEMORRHAGE: "haemorrhages",
    LesionKind.HARD_EXUDATE: "hard_exudates",
    LesionKind.COTTON_WOOL_SPOT: "cotton_wool_spots",
    LesionKind.NEW_VESSELS: "new_vessels",
}
_OWN_ENTRIES = {
    *SPLITS, *(f"{split}.csv" for split in SPLITS), "sample_submission.csv", "test_grades.csv",
    "lesions", "lesions.csv", MANIFEST,
}  # fmt: skip

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SynthReport:
    """The data set that was made.

    Args:
        out: Folder of the data set.
        patients: Number of patients.
        photographs: Number of photographs.
        size: Side of the photographs in pixels.
        seed: Random seed; the same seed makes the same files.
        patients_by_grade: Number of patients of grade 0, 1, 2, 3 and 4, by split.
        photographs_with: Number of photographs with at least one lesion, by kind.
    """

    out: Path
    patients: int
    photographs: int
    size: int
    seed: int
    patients_by_grade: dict[str, tuple[int, ...]]
    photographs_with: dict[str, int]

    def render(self) -> Iterator[str | Table]:
        """Return its size, its patients by grade, and where the grades of test and the lesion masks are."""
        yield f"{self.photographs} synthetic photographs of {self.patients} patients, {self.size} px, in {self.out}"
        rows = [[split, *map(str, counts)] for split, counts in self.patients_by_grade.items()]
        yield Table("Patients by the grade of their worse eye", ("split", *GRADE_NAMES), rows)
        yield f"grades of the test split: {self.out / 'test_grades.csv'}; lesion masks: {self.out / 'lesions'}"


def run_synth(config: SynthConfig) -> SynthReport:
    """Make a data set of synthetic eyes; `docs/synthetic.md` describes how they are drawn.

    Raises:
        UsageError: too few patients, or a size, seed or number of workers out of range.
        OutputExistsError: `out` is not empty, or `force` would replace files that synth did not make.
        InputError: `out` is a file or cannot be written, or there is too little space on the disk.
    """
    _check_numbers(config)
    _check_out(config.out, force=config.force)
    check_free_space(
        config.out.absolute().parent, config.patients * PHOTOGRAPHS_A_PATIENT * config.size**2 * BYTES_A_PIXEL
    )
    members = draw_cohort(config.patients, config.seed)
    with needing_room(config.out), _building(config.out) as folder:
        rows = _make_photographs(members, config, folder)
        _write_tables(rows, folder)
        _write_manifest(config, folder)
    return _report(members, rows, config)


def _check_numbers(config: SynthConfig) -> None:
    if config.patients < FEWEST_PATIENTS:
        raise UsageError(
            f"--patients {config.patients}: train, val and test need at least {FEWEST_PATIENTS} patients (with at least"
            " 30, every split has every grade)"
        )
    if not SIZES[0] <= config.size <= SIZES[1]:
        raise UsageError(f"--size {config.size}: expected {SIZES[0]} to {SIZES[1]} pixels")
    if config.seed < 0:
        raise UsageError(f"--seed {config.seed}: expected 0 or more")
    if config.workers is not None and config.workers < 1:
        raise UsageError(f"--workers {config.workers}: expected at least 1 process")


def _check_out(out: Path, *, force: bool) -> None:
    check_name(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, not a folder: choose another name")
    if out.is_dir() and Path.cwd().resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out} is the current folder: choose a new one, such as {out / 'DeepDRiD'}")
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if not names:
        return
    if MANIFEST not in names:
        raise OutputExistsError(
            f"{out} is not empty and was not made by drkit synth: choose another name"
            " (--force replaces only what synth made)"
        )
    if not force:
        raise OutputExistsError(f"{out} exists already: choose another name, or replace it with --force")
    if foreign := sorted(names - _OWN_ENTRIES):
        raise OutputExistsError(
            f"{out} contains files that synth did not make: {first_few(foreign)}: move them away first"
        )


@contextmanager
def _building(out: Path) -> Iterator[Path]:
    """Yield a draft folder beside `out`, which replaces `out` if the block succeeds."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    draft = workshop / "new"
    try:
        draft.mkdir()
        yield draft
        if out.exists():
            out.replace(workshop / "old")
        draft.replace(out)
    finally:
        if not out.exists() and (workshop / "old").exists():
            (workshop / "old").replace(out)
        shutil.rmtree(workshop, ignore_errors=True)


def _make_photographs(members: Sequence[CohortPatient], config: SynthConfig, folder: Path) -> list[Row]:
    """Write photographs and masks, and return the rows of all tables in the order of the patients."""
    (folder / "lesions").mkdir()
    jobs = [_PatientJob(member, config.size, config.seed, folder) for member in members]
    workers = config.workers or min(allowed_cpus(), -(-len(jobs) // PATIENTS_A_WORKER))
    results = map(_make_patient, jobs) if workers == 1 else _make_in_processes(jobs, workers)
    return [row for rows in progress.track(results, "patients", len(jobs)) for row in rows]


def _make_in_processes(jobs: Sequence["_PatientJob"], workers: int) -> Iterator[list[Row]]:
    # Spawned, not forked: a fork of a process in which OpenCV or torch has started threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_leave_interrupts_to_the_parent)
    try:
        yield from pool.map(_make_patient, jobs, chunksize=2)
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class _PatientJob:
    member: CohortPatient
    size: int
    seed: int
    folder: Path


def _make_patient(job: _PatientJob) -> list[Row]:
    """Write the photographs of one patient into the draft folder, and return their rows."""
    patient, split = str(job.member.patient), job.member.split
    home = job.folder / split / patient
    home.mkdir(parents=True)
    rows = []
    for take in photograph_patient(draw_patient(job.seed, job.member.patient, job.member.grade), job.size):
        row = _row(take, job.member)
        (home / f"{row['image_id']}.jpg").write_bytes(encode_photograph(take.photograph, ".jpg"))
        (job.folder / "lesions" / f"{row['image_id']}.png").write_bytes(encode_mask(take.mask))
        rows.append(row)
    return rows


def _row(take: SyntheticPhotograph, member: CohortPatient) -> Row:
    """A photograph's values in all tables, by column."""
    image_id = f"{member.patient}_{take.eye[0]}{take.view}"
    return {
        "split": member.split,
        "patient_id": member.patient,
        "image_id": image_id,
        "img_path": f"{member.patient}/{image_id}.jpg",
        "eye_grade": take.eye_grade,
        "patient_grade": member.grade,
        f"{take.eye}_eye_DR_Level": take.eye_grade,
        "patient_DR_Level": member.grade,
        "Overall quality": take.quality.overall,
        "Clarity": take.quality.clarity,
        "Field definition": take.quality.field_definition,
        "Artifact": take.quality.artifact,
        **{column: take.counts[kind] for kind, column in LESION_COLUMNS.items()},
        "ID": f"{image_id}.jpg",
        "TARGET": 0,
    }


def _write_tables(rows: Sequence[Row], folder: Path) -> None:
    """Write the course's CSVs with CRLF line ends, and drkit's own with LF."""
    by_split = {split: [row for row in rows if row["split"] == split] for split in SPLITS}
    for split in ("train", "val"):
        _write_csv(folder / f"{split}.csv", COURSE_COLUMNS, by_split[split], "\r\n")
    _write_csv(folder / "test.csv", ("image_id", "img_path"), by_split["test"], "\r\n")
    _write_csv(folder / "sample_submission.csv", ("ID", "TARGET"), by_split["test"], "\r\n")
    _write_csv(folder / "test_grades.csv", TRUTH_COLUMNS, by_split["test"], "\n")
    _write_csv(folder / "lesions.csv", ("image_id", *LESION_COLUMNS.values()), rows, "\n")


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[Row], end: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns), restval="", extrasaction="ignore", lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)


def _write_manifest(config: SynthConfig, folder: Path) -> None:
    record = {
        "made_by": "drkit synth",
        "schema_version": SCHEMA_VERSION,
        "drkit_version": drkit.__version__,
        "patients": config.patients,
        "size": config.size,
        "seed": config.seed,
        "mask_values": {"background": 0, **{LESION_COLUMNS[kind]: int(kind) for kind in LesionKind}},
    }
    (folder / MANIFEST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _report(members: Sequence[CohortPatient], rows: Sequence[Row], config: SynthConfig) -> SynthReport:
    counts = Counter[tuple[str, int]]((member.split, member.grade) for member in members)
    return SynthReport(
        out=config.out,
        patients=len(members),
        photographs=len(rows),
        size=config.size,
        seed=config.seed,
        patients_by_grade={s: tuple(counts[s, grade] for grade in range(NUM_GRADES)) for s in SPLITS},
        photographs_with={name: sum(row[name] > 0 for row in rows) for name in LESION_COLUMNS.values()},
    )
