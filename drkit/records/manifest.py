"""What preprocessing did to a data set: its plan, its ledger while it works, its manifest when it is done."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TextIO

import drkit
from drkit.catalogue import FILTERS
from drkit.errors import InputError, OutputExistsError, first_few
from drkit.records.atomic import write_bytes
from drkit.records.decoding import decode
from drkit.records.filenames import is_bare, shorten_name
from drkit.records.provenance import canonical_json, sha256_bytes, sha256_file

MAKER = "drkit preprocess"
SCHEMA_VERSION = 1
MANIFEST, PLAN, LEDGER, LABELS, IMAGES = "manifest.json", "plan.json", "ledger.jsonl", "labels.csv", "images"
AGAIN = "preprocess again with --force"
OWN_ENTRIES = frozenset({MANIFEST, PLAN, LEDGER, LABELS, IMAGES})

Status = Literal["ok", "fallback", "failed"]


@dataclass(frozen=True)
class Plan:
    """What is to be done; written before the first photograph.

    Args:
        steps: All since the original photographs, each as it is typed, with every parameter.
        new_steps: Those of them that the input photographs have not seen.
        suffix: Of the written photographs.
        labels_sha256: Hash of the input's labels, quality scores included.
        inputs: SHA-256 of every input file by image_id; empty for a file that cannot be read.
        plugins: Packages that steps or the layout come from, as `drkit.plugins.Registry.packages` names them.
    """

    steps: tuple[str, ...]
    new_steps: tuple[str, ...]
    suffix: str
    labels_sha256: str
    inputs: dict[str, str]
    plugins: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Equal for equal work."""
        content = {name: value for name, value in asdict(self).items() if name != "plugins" or value}
        return sha256_bytes(canonical_json(content).encode())

    def path_of(self, image_id: str) -> str:
        """Where a photograph is written, relative to the data set's folder."""
        return f"{IMAGES}/{shorten_name(image_id)}{self.suffix}"


@dataclass(frozen=True)
class PhotographRecord:
    """What became of one photograph.

    Args:
        image_id: As in labels.csv.
        status: `ok`; `fallback`: the disc could not be told and the whole photograph was taken; `failed`: not written.
        reason: Why it is not `ok`.
        source: The original photograph, relative to its data set's folder.
        source_sha256: Of the original photograph's file.
        source_size: Its width and height; None where it could not be read.
        source_disc: Its fundus disc: x, y, radius_x, radius_y in pixels, and the box that the photograph shows.
        path: What was written, relative to this data set's folder; None where nothing was.
        sha256: Of that file.
        size: Its width and height.
        disc: Its fundus disc.
    """

    image_id: str
    status: Status
    reason: str
    source: str
    source_sha256: str
    source_size: tuple[int, int] | None = None
    source_disc: dict[str, Any] | None = None
    path: str | None = None
    sha256: str | None = None
    size: tuple[int, int] | None = None
    disc: dict[str, Any] | None = None


@dataclass(frozen=True)
class Manifest:
    """A preprocessed data set.

    Args:
        steps: All since the original photographs.
        plan_sha256: Of the plan that it is the outcome of.
        suffix: Of the written photographs.
        photographs: A record for each, failed ones included, in the order of the input's labels.
        plugins: As in `Plan`.
    """

    steps: tuple[str, ...]
    plan_sha256: str
    suffix: str
    photographs: tuple[PhotographRecord, ...]
    plugins: dict[str, str] = field(default_factory=dict)

    def written(self) -> Iterator[PhotographRecord]:
        """The records of photographs that are there."""
        return (record for record in self.photographs if record.path is not None)


def read_steps(dataset: Path) -> tuple[str, ...]:
    """The steps that a data set's photographs have been through; none where preprocess did not make it.

    Args:
        dataset: The data set's folder.

    Raises:
        InputError: preprocess has not finished it, or its manifest is broken.
    """
    if (dataset / PLAN).exists() and not (dataset / MANIFEST).exists() and read_plan(dataset):
        raise InputError(f"{dataset} is unfinished: the `drkit preprocess` that began it goes on where it stopped")
    manifest = read_manifest(dataset)
    return manifest.steps if manifest else ()


def read_shared_steps(datasets: Sequence[Path]) -> tuple[str, ...]:
    """The steps that the photographs of all data sets have been through.

    Args:
        datasets: The data sets' folders.

    Raises:
        InputError: they have been through different steps, or as `read_steps`.
    """
    done = {dataset: read_steps(dataset) for dataset in datasets}
    first, *others = datasets
    for other in others:
        if done[other] != done[first]:
            raise InputError(
                f"{first} went through {_word(done[first])}, {other} through {_word(done[other])}: give both as they"
                " were taken, or preprocess both with the same --steps"
            )
    return done[first]


def steps_to_apply(
    datasets: Sequence[Path], wanted: Sequence[str], plugins: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """What still has to be done to the photographs of data sets, for a run that learned from such after `wanted`.

    Args:
        datasets: The data sets' folders.
        wanted: The steps of the run's own data.
        plugins: Packages that the run's record names.

    Returns:
        All of `wanted` for raw photographs, none for photographs that have been through the same.

    Raises:
        InputError: the photographs have been through other steps, or a package that has to apply one is not installed.
    """
    for dataset in datasets:
        done = read_steps(dataset)
        if done and done != tuple(wanted):
            asked = f"after {','.join(wanted)}" if wanted else "as they were taken"
            then = ", the steps are then applied to them" if wanted else ""
            raise InputError(
                f"{dataset} went through {','.join(done)}, but the run learned from photographs {asked}:"
                f" give the original photographs{then}"
            )
    finished = [dataset for dataset in datasets if read_steps(dataset)]
    if finished and (raw := [dataset for dataset in datasets if dataset not in finished]):
        raise InputError(
            f"{raw[0]} has not been through {','.join(wanted)}, {finished[0]} has: give both as they were taken or both"
            " preprocessed, or one after the other in commands of their own"
        )
    if finished:
        return ()
    FILTERS.check_packages(plugins, [step.partition(":")[0] for step in wanted], "the run")
    return tuple(wanted)


def read_plugins(datasets: Sequence[Path]) -> dict[str, str]:
    """The packages that preprocessing used for data sets, as `drkit.plugins.Registry.packages` names them.

    Args:
        datasets: The data sets' folders.
    """
    manifests = [manifest for dataset in datasets if (manifest := read_manifest(dataset))]
    return {name: package for manifest in manifests for name, package in manifest.plugins.items()}


def read_source_hashes(datasets: Sequence[Path]) -> dict[Path, str]:
    """SHA-256 of the original of every photograph, by the path of what preprocess wrote; none for other data sets.

    Args:
        datasets: The data sets' folders.
    """
    manifests = {dataset: manifest for dataset in datasets if (manifest := read_manifest(dataset))}
    return {
        dataset / str(record.path): record.source_sha256
        for dataset, manifest in manifests.items()
        for record in manifest.written()
    }


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in a data set's folder; None where there is none, or another program's.

    Raises:
        InputError: broken, or of a later drkit.
    """
    content = _read_own(folder / MANIFEST)
    if content is None:
        return None
    manifest = decode(content, Manifest, folder / MANIFEST, AGAIN)
    for record in manifest.written():
        if not _is_inside(record):
            raise InputError(f"{folder / MANIFEST} names '{record.path}', which is no photograph of it: {AGAIN}")
    return manifest


def write_manifest(folder: Path, plan: Plan, records: Sequence[PhotographRecord]) -> Manifest:
    """Write the manifest in place of plan and ledger; the same work writes the same bytes."""
    manifest = Manifest(plan.steps, plan.sha256, plan.suffix, tuple(records), plan.plugins)
    _write(folder / MANIFEST, {"drkit_version": drkit.__version__, **asdict(manifest)})
    drop_plan(folder)
    return manifest


def read_plan(folder: Path) -> Plan | None:
    """The plan of an unfinished data set, or None.

    Raises:
        InputError: broken, or of a later drkit.
    """
    content = _read_own(folder / PLAN)
    return decode(content, Plan, folder / PLAN, AGAIN) if content else None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan, before anything else."""
    _write(folder / PLAN, asdict(plan))


def drop_plan(folder: Path) -> None:
    """Remove plan and ledger of a finished data set; the plan last, as it tells whose the folder is."""
    (folder / LEDGER).unlink(missing_ok=True)
    (folder / PLAN).unlink(missing_ok=True)


def read_ledger(folder: Path) -> dict[str, PhotographRecord]:
    """The finished photographs of an interrupted run whose files are as they were written, by image_id.

    A last line that was cut off is removed, so that the next one starts a line of its own.
    """
    path = folder / LEDGER
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        write_bytes(path, whole, force=True)
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
    except ValueError:
        raise InputError(f"{path} is broken: a line is no JSON: {AGAIN}") from None
    records = [decode(line, PhotographRecord, path, AGAIN) for line in lines]
    return {record.image_id: record for record in records if _is_inside(record) and _is_intact(folder, record)}


@contextmanager
def open_ledger(folder: Path) -> Iterator["LedgerWriter"]:
    """Add to the ledger, a line a photograph."""
    with (folder / LEDGER).open("a", encoding="utf-8", newline="\n") as stream:
        yield LedgerWriter(stream)


class LedgerWriter:
    """The finished photographs of a run, in the order they were finished.

    Args:
        stream: Open for appending.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, record: PhotographRecord) -> None:
        """Write one line, at once."""
        self._stream.write(canonical_json(asdict(record)) + "\n")
        self._stream.flush()


def check_no_link(folder: Path) -> None:
    """Check that what is written and removed in a data set lies in its folder.

    Raises:
        InputError: its photographs' folder is a link to another.
    """
    if (folder / IMAGES).is_symlink():
        raise InputError(f"{folder / IMAGES} is a link: what is written there would lie elsewhere, so remove it first")


def is_preprocessed(folder: Path) -> bool:
    """Whether preprocess made, or has begun, what is in the folder."""
    return _read_own(folder / PLAN) is not None or _read_own(folder / MANIFEST) is not None


def is_vacant(folder: Path) -> bool:
    """Whether a folder holds nothing but what preprocess leaves when it is killed before its plan is written.

    That is an empty folder of photographs, and drafts.
    """
    left = [entry for entry in _entries(folder) if not _is_draft(entry)]
    images = folder / IMAGES
    return not left or (left == [images] and images.is_dir() and not images.is_symlink() and not _entries(images))


def clear(folder: Path) -> None:
    """Remove what preprocess made of a data set, and nothing else.

    Raises:
        OutputExistsError: something else lies there.
    """
    plan, manifest = read_plan(folder), read_manifest(folder)
    planned = {plan.path_of(image_id) for image_id in plan.inputs} if plan else set()
    written = {str(record.path) for record in manifest.written()} if manifest else set()
    names = {Path(path).name for path in planned | written}
    below = [entry for entry in _entries(folder / IMAGES) if entry.name not in names and not _is_draft(entry)]
    foreign = [entry for entry in _entries(folder) if entry.name not in OWN_ENTRIES and not _is_draft(entry)]
    if foreign or below:
        listed = first_few([str(entry.relative_to(folder)) for entry in (*foreign, *below)])
        raise OutputExistsError(f"{folder} holds what preprocess did not make: {listed}: move it away first")
    for entry in (*_entries(folder / IMAGES), folder / LABELS, folder / LEDGER, folder / MANIFEST, folder / PLAN):
        entry.unlink(missing_ok=True)  # the plan last: an interrupted removal is still seen to be preprocess's


def remove_drafts(folder: Path) -> None:
    """Remove half-written files of a killed run."""
    for entry in (*_entries(folder), *_entries(folder / IMAGES)):
        if _is_draft(entry):
            entry.unlink(missing_ok=True)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".") and ".part" in path.suffixes[-2:]


def _is_inside(record: PhotographRecord) -> bool:
    """Whether what was written lies in the folder of photographs, as all does that preprocess writes."""
    folder, _, name = (record.path or f"{IMAGES}/none").partition("/")
    return folder == IMAGES and is_bare(name)


def _is_intact(folder: Path, record: PhotographRecord) -> bool:
    if record.path is None:
        return True
    path = folder / record.path
    return path.is_file() and sha256_file(path) == record.sha256


def _word(steps: Sequence[str]) -> str:
    return ",".join(steps) or "no steps"


def _read_own(path: Path) -> dict[str, Any] | None:
    """A JSON file that preprocess wrote; None where there is none, or another program's."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InputError(f"{path} is no JSON: was it edited?") from None
    if not isinstance(content, dict) or content.get("made_by") != MAKER:
        return None
    if content.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version {content.get('schema_version')}, this drkit reads {SCHEMA_VERSION}: update drkit"
        )
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    record = {"made_by": MAKER, "schema_version": SCHEMA_VERSION, **content}
    write_bytes(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode(), force=True)
