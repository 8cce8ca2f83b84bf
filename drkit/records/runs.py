"""A run: files with a common stem, of which the JSON is written last, with the SHA-256 of the others."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.records.atomic import check_writable
from drkit.records.decoding import check_version, decode
from drkit.records.filenames import is_bare
from drkit.records.json_records import write_json_record
from drkit.records.provenance import sha256_file

SCHEMA_VERSION = 1
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]+")
PACKAGED_RUNS = {"fundus": Path(__file__).parents[1] / "models" / "fundus" / "fundus"}  # name -> stem; never written
COMPARISON_SUFFIX = ".comparison.json"
UNKNOWN_PHOTOGRAPHS = "unknown"  # stands for the photographs that foreign weights were trained on
NETWORK_INFIX = r"(\.fold\d+)?(\.seed\d+)?"
FILE_SUFFIX = re.compile(NETWORK_INFIX + r"\.(safetensors|parquet|history\.csv|resume\.pt|comparison\.json|json)$")


class _RunRecord(TypedDict):
    """The keys of a run's JSON that are always read; there are more."""

    files: dict[str, str]
    folds: int
    seeds: list[int]
    trained_on_photographs: list[str]
    chosen_by_photographs: list[str]
    descends_from: list[str]


class NetworkId(NamedTuple):
    """Identifies one of a run's networks.

    Args:
        fold: The fold that the network is not trained on; None without `--folds`.
        seed: Random seed of the network; None without `--seeds`.
    """

    fold: int | None = None
    seed: int | None = None

    @property
    def infix(self) -> str:
        """The part of its file names after the run's name: `.fold0.seed1`."""
        fold = "" if self.fold is None else f".fold{self.fold}"
        return fold if self.seed is None else f"{fold}.seed{self.seed}"

    def __str__(self) -> str:
        """`fold 0, seed 1`; empty for a run's only network."""
        numbers = (("fold", self.fold), ("seed", self.seed))
        return ", ".join(f"{name} {number}" for name, number in numbers if number is not None)


ONLY_NETWORK = NetworkId()


def list_networks(folds: int = 0, seeds: Sequence[int] = ()) -> tuple[NetworkId, ...]:
    """List the networks of a run in the order of training: all folds of the first seed, then those of the next.

    Args:
        folds: Number of folds, 0 without `--folds`.
        seeds: The seeds; empty without `--seeds`.
    """
    return tuple(NetworkId(fold, seed) for seed in tuple(seeds) or (None,) for fold in tuple(range(folds)) or (None,))


@dataclass(frozen=True)
class Run:
    """The paths of a run's files.

    Args:
        stem: Folder and name: `runs/NAME`.
    """

    stem: Path

    @classmethod
    def of(cls, path: Path) -> "Run":
        """The run with a stem, or with any of its files; it need not exist.

        Raises:
            InputError: `path` is a folder without a name, such as `.` or `..`.
        """
        if path.name in ("", ".."):
            raise InputError(f"{path} is a folder, expected a run: its name or any of its files")
        return cls(path.with_name(FILE_SUFFIX.sub("", path.name)))

    @property
    def name(self) -> str:
        """The run's name."""
        return self.stem.name

    @property
    def is_packaged(self) -> bool:
        """Whether the run is packaged with drkit."""
        return PACKAGED_RUNS.get(self.name) == self.stem

    @property
    def title(self) -> Path:
        """The run's name in messages: its stem, or only its name if it is packaged with drkit."""
        return Path(self.name) if self.is_packaged else self.stem

    def checkpoint(self, network: NetworkId = ONLY_NETWORK) -> Path:
        """The weights of a network; their header has everything that is needed to rebuild model and input."""
        return self._file(f"{network.infix}.safetensors")

    @property
    def predictions(self) -> Path:
        """The predictions, one row for each photograph."""
        return self._file(".parquet")

    @property
    def history(self) -> Path:
        """The figures of the training, one row for each epoch and split."""
        return self._file(".history.csv")

    def resume(self, network: NetworkId = ONLY_NETWORK) -> Path:
        """The state of a network's unfinished training."""
        return self._file(f"{network.infix}.resume.pt")

    @property
    def record(self) -> Path:
        """The JSON record of the run."""
        return self._file(".json")

    @property
    def seen_photographs(self) -> Path:
        """The photographs that a packaged run was trained on; other runs do not have this file."""
        return self._file(".seen.parquet")

    @property
    def comparison(self) -> Path:
        """The comparison with a baseline, if the run has been compared."""
        return self._file(COMPARISON_SUFFIX)

    def outputs(self, networks: Iterable[NetworkId] = (ONLY_NETWORK,)) -> tuple[Path, ...]:
        """The files of a finished run with these networks, in the order of writing."""
        return (*map(self.checkpoint, networks), self.history, self.predictions, self.record)

    def unfinished(self) -> list[Path]:
        """Existing states of an unfinished training."""
        return self._networks_files("resume.pt")

    def checkpoints(self) -> list[Path]:
        """Existing weights, of this run or an earlier run of the same name."""
        return self._networks_files("safetensors")

    def _networks_files(self, suffix: str) -> list[Path]:
        names = re.compile(rf"{re.escape(self.name)}{NETWORK_INFIX}\.{re.escape(suffix)}")
        return sorted(path for path in self.stem.parent.glob(f"*.{suffix}") if names.fullmatch(path.name))

    def _file(self, suffix: str) -> Path:
        return self.stem.with_name(self.name + suffix)


def find_run(path: Path) -> Run:
    """Find a finished run.

    Args:
        path: The run's stem, any of its files, or the name of a packaged run.

    Raises:
        InputError: there is no such run, or it is unfinished.
    """
    run = Run.of(path)
    if run.record.is_file():
        return run
    if run.unfinished():
        raise InputError(f"{run.stem} is unfinished: continue with drkit finetune ... --name {run.name} --resume")
    if names_packaged_run(path):
        return find_packaged_run(run.name)
    own = f", such as {Path('runs') / path}" if Run(Path("runs") / path).record.is_file() else ""
    raise InputError(f"{run.record} does not exist: expected a finished run, by its name or any of its files{own}")


def names_packaged_run(path: Path) -> bool:
    """Whether a path is the name of a packaged run, and not of a run in this folder or in `runs`."""
    own = (Run(path), Run(Path("runs") / path))
    return str(path) in PACKAGED_RUNS and not any(run.record.is_file() or run.unfinished() for run in own)


def find_packaged_run(name: str) -> Run:
    """Find a run that is packaged with drkit.

    Raises:
        InputError: this installation does not have it.
    """
    run = Run(PACKAGED_RUNS[name]) if name in PACKAGED_RUNS else None
    if run is None or not run.record.is_file():
        raise InputError(f"this installation of drkit lacks the packaged run {name}: install a release")
    return run


def new_run(
    runs_dir: Path,
    name: str | None,
    default: str,
    *,
    networks: Sequence[NetworkId] = (ONLY_NETWORK,),
    resume: bool = False,
    force: bool = False,
) -> Run:
    """Choose the name of a run to be trained, and check that it can be written.

    Args:
        runs_dir: Folder of the run.
        name: The name as typed; None for the first free name of `default`, `default-2`, `default-3`, ...
        default: A name that describes the training.
        networks: The networks that the run will have.
        resume: Whether an unfinished run of this name is continued.
        force: Whether an existing run may be overwritten.

    Raises:
        UsageError: the name has characters other than letters, digits, `-` and `_`.
        OutputExistsError: the name is taken.
        InputError: there is nothing to resume, or the folder cannot be written to.
    """
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise UsageError(f"--name '{name}': expected letters, digits, '-' and '_'")
    if resume:
        return _unfinished(Run(runs_dir / (name or default)), force=force)
    run = Run(runs_dir / name) if name else _first_free(runs_dir, default, networks, force=force)
    if run.unfinished() and not force:
        raise OutputExistsError(f"{run.stem} is unfinished: continue with --resume, or start again with --force")
    for path in run.outputs(networks):
        check_writable(path, force=force)
    return run


def write_run_record(run: Run, record: Mapping[str, Any], *, force: bool) -> None:
    """Write the JSON of a run whose other files exist, and remove its resume files.

    Args:
        run: The run.
        record: Content of the JSON, except for the files' hashes and the circumstances; includes `folds` and `seeds`.
        force: Overwrite an existing record.
    """
    outputs = run.outputs(networks_in(record))
    files = {path.name: sha256_file(path) for path in outputs[:-1]}
    content = {"schema_version": SCHEMA_VERSION, "name": run.name, "files": files, **record}
    for leftover in set(run.checkpoints()) - set(outputs):  # weights of an earlier run of this name
        leftover.unlink()
    write_json_record(run.record, content, force=force)
    for state in run.unfinished():
        state.unlink()


def read_run_record(run: Run) -> dict[str, Any]:
    """Read a run's JSON.

    Raises:
        InputError: the file is not a run's record, or is of another version.
    """
    try:
        record = json.loads(run.record.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (ValueError, LookupError, TypeError, OSError, RecursionError):
        raise InputError(f"{run.record} is not a run's record: train again, or restore the file") from None
    check_version(version, SCHEMA_VERSION, run.record)
    defaults: dict[str, Any] = {"files": {}, "folds": 0, "seeds": [], "chosen_by_photographs": [], "descends_from": []}
    record = defaults | record  # records of older versions lack some keys
    decode(record, _RunRecord, run.record, "train again, or restore the file")
    return record


def data_names(record: Mapping[str, Any]) -> list[str]:
    """The names of the data sets in a record; empty if it states none, as an ensemble's."""
    paths = record.get("data")
    return [Path(str(path)).name for path in paths] if isinstance(paths, list) else []


def networks_in(record: Mapping[str, Any]) -> tuple[NetworkId, ...]:
    """The networks of the run with a record."""
    return list_networks(record["folds"], record["seeds"])


def verify_checksums(run: Run, record: Mapping[str, Any], path: Path) -> None:
    """Check that a file of a run has the SHA-256 in the run's record.

    Raises:
        InputError: the file has another SHA-256.
    """
    if record["files"].get(path.name) != sha256_file(path):
        raise InputError(f"{path} does not match its SHA-256 in {run.record}: restore it, or train again")


def read_checksums(record: Path) -> dict[Path, str]:
    """Read the files listed in the JSON of a run, an ensemble or a comparison, with their SHA-256.

    Raises:
        InputError: `record` is another file, or lists a file that is neither beside it nor, for a comparison, a
            predictions file with a relative path.
    """
    try:
        files: dict[str, str] = json.loads(record.read_text(encoding="utf-8")).get("files", {})
        checksums = {record.parent / name: sha256 for name, sha256 in files.items()}
    except (ValueError, AttributeError, TypeError, OSError, RecursionError):
        raise InputError(f"{record} is not the JSON of a run or a comparison: restore it, or create it again") from None
    is_comparison = record.name.endswith(COMPARISON_SUFFIX)
    for name in files:
        is_compared = is_comparison and name.endswith(".parquet") and not Path(name).is_absolute()
        if not (is_bare(name) or is_compared):
            raise InputError(f"{record} lists '{name}', which is not a file beside it: restore it, or create it again")
    return checksums


def _unfinished(run: Run, *, force: bool) -> Run:
    if not run.unfinished():
        state = "is finished" if run.record.is_file() else "was never started"
        raise InputError(f"{run.stem} {state}: there is nothing to resume")
    check_writable(run.record, force=force)  # which may belong to an earlier run of this name
    return run


def _first_free(runs_dir: Path, default: str, networks: Sequence[NetworkId], *, force: bool) -> Run:
    run, number = Run(runs_dir / default), 1
    while not force and (run.unfinished() or any(path.exists() for path in run.outputs(networks))):
        number += 1
        run = Run(runs_dir / f"{default}-{number}")
    return run
