"""The records of a preprocessed data set: plan, ledger of finished photographs, and manifest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import drkit
from drkit.errors import InputError, OutputExistsError, first_few
from drkit.records.atomic import is_draft, write_bytes
from drkit.records.decoding import check_version, decode
from drkit.records.filenames import is_bare, shorten_name
from drkit.records.provenance import canonical_json, sha256_bytes, sha256_file

MAKER = "drkit preprocess"
SCHEMA_VERSION = 1
MANIFEST, PLAN, LEDGER, LABELS, IMAGES = "manifest.json", "plan.json", "ledger.jsonl", "labels.csv", "images"
AGAIN = "preprocess again with --force"
OWN_ENTRIES = frozenset({MANIFEST, PLAN, LEDGER, LABELS, IMAGES})

Status = Literal["ok", "fallback", "failed"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The work of a preprocessing, written before the first photograph.

    Args:
        steps: All steps since the original photographs, as typed, with every parameter.
        new_steps: The steps among them that still have to be applied to the input photographs.
        suffix: Suffix of the written photographs.
        labels_sha256: Hash of the input's labels, including quality scores.
        inputs: SHA-256 of every input file, by image_id; empty for a file that cannot be read.
        plugins: Packages that add steps or the layout, by the names of `drkit.plugins.Registry.packages`.
    """

    steps: tuple[str, ...]
    new_steps: tuple[str, ...]
    suffix: str
    labels_sha256: str
    inputs: dict[str, str]
    plugins: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the plan; equal for equal work."""
        content = {name: value for name, value in asdict(self).items() if name != "plugins" or value}
        return sha256_bytes(canonical_json(content).encode())

    def path_of(self, image_id: str) -> str:
        """Where a photograph is written, relative to the data set's folder."""
        return f"{IMAGES}/{shorten_name(image_id)}{self.suffix}"


@dataclass(frozen=True, kw_only=True)
class PhotographRecord:
    """The result for one photograph.

    Args:
        image_id: Id in labels.csv.
        status: `ok`; `fallback` if no disc was found, so that the whole photograph was used; `failed` if nothing was
            written.
        reason: Why the status is not `ok`.
        source: Path of the original photograph, relative to its data set's folder.
        source_sha256: SHA-256 of the original photograph's file.
        source_size: Width and height of the original in pixels; None if it could not be read.
        source_disc: Fundus disc of the original: x, y, radius_x, radius_y in pixels, and the box that it shows.
        path: Path of the written photograph, relative to this data set's folder; None if nothing was written.
        sha256: SHA-256 of the written file.
        size: Width and height of the written photograph in pixels.
        disc: Fundus disc of the written photograph.
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
        steps: All steps since the original photographs.
        plan_sha256: Hash of its plan.
        suffix: Suffix of the written photographs.
        photographs: The record of each photograph, including failed ones, in the order of the input's labels.
        plugins: Packages that add steps or the layout, as in `Plan`.
    """

    steps: tuple[str, ...]
    plan_sha256: str
    suffix: str
    photographs: tuple[PhotographRecord, ...]
    plugins: dict[str, str] = field(default_factory=dict)

    def written(self) -> Iterator[PhotographRecord]:
        """The records of photographs that were written."""
        return (record for record in self.photographs if record.path is not None)


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest in a data set's folder; None if there is none, or it is another program's.

    Raises:
        InputError: the manifest is damaged or of a later version.
    """
    content = _read_own(folder / MANIFEST)
    if content is None:
        return None
    manifest = decode(content, Manifest, folder / MANIFEST, AGAIN)
    for record in manifest.written():
        if not _is_inside(record):
            raise InputError(f"{folder / MANIFEST} lists '{record.path}', which is not in {IMAGES}: {AGAIN}")
    return manifest


def write_manifest(folder: Path, plan: Plan, records: Sequence[PhotographRecord]) -> Manifest:
    """Write the manifest, and remove plan and ledger; equal work gives equal bytes."""
    manifest = Manifest(plan.steps, plan.sha256, plan.suffix, tuple(records), plan.plugins)
    _write(folder / MANIFEST, {"drkit_version": drkit.__version__, **asdict(manifest)})
    drop_plan(folder)
    return manifest


def read_plan(folder: Path) -> Plan | None:
    """Read the plan of an unfinished data set, or None.

    Raises:
        InputError: the plan is damaged or of a later version.
    """
    content = _read_own(folder / PLAN)
    return decode(content, Plan, folder / PLAN, AGAIN) if content else None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan, which is the first file of its folder to be written."""
    _write(folder / PLAN, asdict(plan))


def drop_plan(folder: Path) -> None:
    """Remove ledger and then plan of a finished data set; the plan marks the folder as drkit's until then."""
    (folder / LEDGER).unlink(missing_ok=True)
    (folder / PLAN).unlink(missing_ok=True)


def read_ledger(folder: Path) -> dict[str, PhotographRecord]:
    """Read the finished photographs of an interrupted run whose files exist unchanged, by image_id.

    An incomplete last line is removed from the ledger, so that the next record starts on a new line.
    """
    path = folder / LEDGER
    if not path.exists():
        return {}
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        write_bytes(path, complete, force=True)
    try:
        lines = [json.loads(line) for line in complete.splitlines()]
    except ValueError:
        raise InputError(f"{path} is damaged: a line is not JSON: {AGAIN}") from None
    records = [decode(line, PhotographRecord, path, AGAIN) for line in lines]
    return {record.image_id: record for record in records if _is_inside(record) and _is_intact(folder, record)}


@contextmanager
def open_ledger(folder: Path) -> Iterator["LedgerWriter"]:
    """Open the ledger to append records."""
    with (folder / LEDGER).open("a", encoding="utf-8", newline="\n") as stream:
        yield LedgerWriter(stream)


class LedgerWriter:
    """Appends the records of finished photographs, one line for each.

    Args:
        stream: Text stream that is open for appending.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, record: PhotographRecord) -> None:
        """Write and flush one line."""
        self._stream.write(canonical_json(asdict(record)) + "\n")
        self._stream.flush()


def check_no_link(folder: Path) -> None:
    """Check that photographs are written to and removed from the data set's own folder.

    Raises:
        InputError: the folder of photographs is a link.
    """
    if (folder / IMAGES).is_symlink():
        raise InputError(
            f"{folder / IMAGES} is a link to another folder, so no photographs are written there: remove it first"
        )


def is_preprocessed(folder: Path) -> bool:
    """Whether a folder has a data set that preprocess finished or started."""
    return _read_own(folder / PLAN) is not None or _read_own(folder / MANIFEST) is not None


def is_vacant(folder: Path) -> bool:
    """Whether a folder has nothing except an empty folder of photographs and drafts.

    Preprocess leaves these if it is killed before its plan is written.
    """
    entries = [entry for entry in _entries(folder) if not is_draft(entry)]
    images = folder / IMAGES
    return not entries or (entries == [images] and images.is_dir() and not images.is_symlink() and not _entries(images))


def clear(folder: Path) -> None:
    """Remove the files that preprocess wrote.

    Raises:
        OutputExistsError: the folder has other files; nothing is removed.
    """
    plan, manifest = read_plan(folder), read_manifest(folder)
    planned = {plan.path_of(image_id) for image_id in plan.inputs} if plan else set()
    written = {str(record.path) for record in manifest.written()} if manifest else set()
    names = {Path(path).name for path in planned | written}
    below = [entry for entry in _entries(folder / IMAGES) if entry.name not in names and not is_draft(entry)]
    foreign = [entry for entry in _entries(folder) if entry.name not in OWN_ENTRIES and not is_draft(entry)]
    if foreign or below:
        listed = first_few([str(entry.relative_to(folder)) for entry in (*foreign, *below)])
        raise OutputExistsError(f"{folder} holds files that preprocess did not write: {listed}: move them away first")
    for entry in (*_entries(folder / IMAGES), folder / LABELS, folder / LEDGER, folder / MANIFEST, folder / PLAN):
        entry.unlink(missing_ok=True)  # the plan is last, so that an interrupted removal can be continued


def remove_drafts(folder: Path) -> None:
    """Remove the partly written files of a killed run, or of killed workers."""
    for entry in (*_entries(folder), *_entries(folder / IMAGES)):
        if is_draft(entry):
            entry.unlink(missing_ok=True)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_inside(record: PhotographRecord) -> bool:
    """Whether a written photograph lies in the data set's folder of photographs."""
    folder, _, name = (record.path or f"{IMAGES}/none").partition("/")
    return folder == IMAGES and is_bare(name)


def _is_intact(folder: Path, record: PhotographRecord) -> bool:
    if record.path is None:
        return True
    path = folder / record.path
    return path.is_file() and sha256_file(path) == record.sha256


def _read_own(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that preprocess wrote; None if there is none, or it is another program's."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not valid JSON: restore the file, or remove it") from None
    if not isinstance(content, dict) or content.get("made_by") != MAKER:
        return None
    check_version(content.get("schema_version"), SCHEMA_VERSION, path)
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    record = {"made_by": MAKER, "schema_version": SCHEMA_VERSION, **content}
    write_bytes(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode(), force=True)
