"""A run: files of one stem, and the JSON, written last, with the SHA-256 of the others."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from drkit.errors import InputError, OutputExistsError, UsageError
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.decoding import decode
from drkit.records.filenames import is_bare
from drkit.records.provenance import circumstances, sha256_file

SCHEMA_VERSION = 1
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]+")
PACKAGED_RUNS = {"fundus": Path(__file__).parents[1] / "models" / "fundus" / "fundus"}  # name -> stem, read only
COMPARISON_SUFFIX = ".comparison.json"
UNKNOWN_PHOTOGRAPHS = "unknown"  # among the photographs that foreign weights were trained on
NETWORK_INFIX = r"(\.fold\d+)?(\.seed\d+)?"
FILE_SUFFIX = re.compile(NETWORK_INFIX + r"\.(safetensors|parquet|history\.csv|resume\.pt|comparison\.json|json)$")


class _RunRecord(TypedDict):
    """What is read of a run's JSON, which holds more."""

    files: dict[str, str]
    folds: int
    seeds: list[int]
    trained_on_photographs: list[str]
    chosen_by_photographs: list[str]
    descends_from: list[str]


class NetworkId(NamedTuple):
    """Which of a run's networks is meant.

    Args:
        fold: Whose patients it is not trained on; None without `--folds`.
        seed: It is trained with; None without `--seeds`.
    """

    fold: int | None = None
    seed: int | None = None

    @property
    def infix(self) -> str:
        """What its files are called after the run's name: `.fold0.seed1`."""
        fold = "" if self.fold is None else f".fold{self.fold}"
        return fold if self.seed is None else f"{fold}.seed{self.seed}"

    def __str__(self) -> str:
        """`fold 0, seed 1`; empty for a run's only network."""
        named = (("fold", self.fold), ("seed", self.seed))
        return ", ".join(f"{what} {number}" for what, number in named if number is not None)


ONLY_NETWORK = NetworkId()


def list_networks(folds: int = 0, seeds: Sequence[int] = ()) -> tuple[NetworkId, ...]:
    """The networks of a run in the order of training: all folds of a seed, then those of the next.

    Args:
        folds: How many, 0 without.
        seeds: All of them; empty without `--seeds`.
    """
    return tuple(NetworkId(fold, seed) for seed in tuple(seeds) or (None,) for fold in tuple(range(folds)) or (None,))


@dataclass(frozen=True)
class Run:
    """Where a run's files lie.

    Args:
        stem: Folder and name, as in `runs/NAME`.
    """

    stem: Path

    @classmethod
    def of(cls, path: Path) -> "Run":
        """The run that a stem or any file of it belongs to, whether or not it is there.

        Raises:
            InputError: `path` is no name but a way, such as `.` or `..`.
        """
        if path.name in ("", ".."):
            raise InputError(f"{path} is a folder, expected a run: its name or any of its files")
        return cls(path.with_name(FILE_SUFFIX.sub("", path.name)))

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.stem.name

    @property
    def is_packaged(self) -> bool:
        """Whether it comes with drkit."""
        return PACKAGED_RUNS.get(self.name) == self.stem

    @property
    def title(self) -> Path:
        """How sentences call it: its stem, of a run that comes with drkit its name alone."""
        return Path(self.name) if self.is_packaged else self.stem

    def checkpoint(self, network: NetworkId = ONLY_NETWORK) -> Path:
        """The weights, with all that rebuilds model and input in their header."""
        return self._file(f"{network.infix}.safetensors")

    @property
    def predictions(self) -> Path:
        """A row a photograph."""
        return self._file(".parquet")

    @property
    def history(self) -> Path:
        """A row an epoch and split."""
        return self._file(".history.csv")

    def resume(self, network: NetworkId = ONLY_NETWORK) -> Path:
        """The state of an unfinished training."""
        return self._file(f"{network.infix}.resume.pt")

    @property
    def record(self) -> Path:
        """The JSON that is the run."""
        return self._file(".json")

    @property
    def seen_photographs(self) -> Path:
        """What a run that comes with drkit has seen, a row a photograph; other runs have no such file."""
        return self._file(".seen.parquet")

    @property
    def comparison(self) -> Path:
        """How it compares with a baseline, where it has been compared."""
        return self._file(COMPARISON_SUFFIX)

    def outputs(self, networks: Iterable[NetworkId] = (ONLY_NETWORK,)) -> tuple[Path, ...]:
        """What a finished run of these networks consists of, in the order of writing."""
        return (*map(self.checkpoint, networks), self.history, self.predictions, self.record)

    def unfinished(self) -> list[Path]:
        """States of an unfinished training that are there."""
        return self._networks_files("resume.pt")

    def checkpoints(self) -> list[Path]:
        """Weights that are there, of this or an earlier run of the name."""
        return self._networks_files("safetensors")

    def _networks_files(self, suffix: str) -> list[Path]:
        names = re.compile(rf"{re.escape(self.name)}{NETWORK_INFIX}\.{re.escape(suffix)}")
        return sorted(path for path in self.stem.parent.glob(f"*.{suffix}") if names.fullmatch(path.name))

    def _file(self, suffix: str) -> Path:
        return self.stem.with_name(self.name + suffix)


def find_run(path: Path) -> Run:
    """The run that a stem, any of a run's files, or the name of a run that comes with drkit stands for.

    Raises:
        InputError: there is no such run, or it is unfinished.
    """
    run = Run.of(path)
    if run.record.is_file():
        return run
    if run.unfinished():
        raise InputError(f"{run.stem} is unfinished: go on with drkit finetune ... --name {run.name} --resume")
    if names_packaged_run(path):
        return find_packaged_run(run.name)
    own = f", such as {Path('runs') / path}" if Run(Path("runs") / path).record.is_file() else ""
    raise InputError(f"{run.record} does not exist: expected a finished run, by its name or any of its files{own}")


def names_packaged_run(path: Path) -> bool:
    """Whether a path is the name of a run that comes with drkit, and no run here or in `runs` is called so."""
    own = (Run(path), Run(Path("runs") / path))
    return str(path) in PACKAGED_RUNS and not any(run.record.is_file() or run.unfinished() for run in own)


def find_packaged_run(name: str) -> Run:
    """A run that comes with drkit.

    Raises:
        InputError: this installation lacks it.
    """
    run = Run(PACKAGED_RUNS[name]) if name in PACKAGED_RUNS else None
    if run is None or not run.record.is_file():
        raise InputError(f"no packaged network {name} is present in this installation of drkit: install a release")
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
    """Name a run that is to be trained.

    Args:
        runs_dir: Its folder.
        name: As typed, never changed; None: `default`, then `default-2`, `default-3`, whichever is free.
        default: A name made of what is trained.
        networks: Those it will have.
        resume: The run is expected to be there, unfinished.
        force: It may be overwritten.

    Raises:
        UsageError: a name with other characters than letters, digits, `-` and `_`.
        OutputExistsError: the name is taken.
        InputError: nothing to resume, or the folder cannot be written to.
    """
    if name is not None and not NAME_PATTERN.fullmatch(name):
        raise UsageError(f"--name '{name}': letters, digits, '-' and '_' are expected")
    if resume:
        return _unfinished(Run(runs_dir / (name or default)), force=force)
    run = Run(runs_dir / name) if name else _first_free(runs_dir, default, networks, force=force)
    if run.unfinished() and not force:
        raise OutputExistsError(f"{run.stem} is unfinished: go on with --resume, or start again with --force")
    for path in run.outputs(networks):
        check_writable(path, force=force)
    return run


def write_run_record(run: Run, record: Mapping[str, Any], *, force: bool) -> None:
    """Write the JSON of a run whose other files are there, and drop its resume files.

    Args:
        run: The run.
        record: What belongs in it beside the files' hashes and the circumstances; `folds` and `seeds` among it.
        force: Overwrite one that is there.
    """
    outputs = run.outputs(networks_in(record))
    files = {path.name: sha256_file(path) for path in outputs[:-1]}
    content = {
        "schema_version": SCHEMA_VERSION,
        "name": run.name,
        "files": files,
        **record,
        "made": circumstances(),
    }
    for leftover in set(run.checkpoints()) - set(outputs):  # of an earlier run of this name
        leftover.unlink()
    write_bytes(run.record, (json.dumps(content, indent=1) + "\n").encode(), force=force)
    for state in run.unfinished():
        state.unlink()


def read_run_record(run: Run) -> dict[str, Any]:
    """Read a run's JSON.

    Raises:
        InputError: not a run's JSON.
    """
    try:
        record = json.loads(run.record.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except (ValueError, LookupError, TypeError, OSError, RecursionError):
        raise InputError(f"{run.record} is not a run's record: train again, or restore the file") from None
    if version != SCHEMA_VERSION:
        raise InputError(f"{run.record}: schema version {version}, this drkit reads {SCHEMA_VERSION}: update drkit")
    absent: dict[str, Any] = {"files": {}, "folds": 0, "seeds": [], "chosen_by_photographs": [], "descends_from": []}
    record = absent | record  # of older versions
    decode(record, _RunRecord, run.record, "train again, or restore the file")
    return record


def networks_in(record: Mapping[str, Any]) -> tuple[NetworkId, ...]:
    """The networks of the run whose record this is."""
    return list_networks(record["folds"], record["seeds"])


def verify_checksums(run: Run, record: Mapping[str, Any], path: Path) -> None:
    """Check that a file of a run has the SHA-256 in its record.

    Raises:
        InputError: it has another.
    """
    if record["files"].get(path.name) != sha256_file(path):
        raise InputError(f"{path} does not match its SHA-256 in {run.record}: restore it, or train again")


def read_checksums(record: Path) -> dict[Path, str]:
    """The files listed in the JSON of a run, an ensemble or a comparison, with their SHA-256.

    Raises:
        InputError: it is none of these, or names what none of them does: they name files beside them, and a comparison
            predictions in other folders.
    """
    try:
        named: dict[str, str] = json.loads(record.read_text(encoding="utf-8")).get("files", {})
        found = {record.parent / name: sha256 for name, sha256 in named.items()}
    except (ValueError, AttributeError, TypeError, OSError, RecursionError):
        raise InputError(f"{record} is not the JSON of a run or a comparison: restore it, or make it anew") from None
    is_comparison = record.name.endswith(COMPARISON_SUFFIX)
    for name in named:
        elsewhere = is_comparison and name.endswith(".parquet") and not Path(name).is_absolute()
        if not (is_bare(name) or elsewhere):
            raise InputError(f"{record} names '{name}', which is no file beside it: restore it, or make it anew")
    return found


def _unfinished(run: Run, *, force: bool) -> Run:
    if not run.unfinished():
        state = "is finished" if run.record.is_file() else "was never begun"
        raise InputError(f"{run.stem} {state}: there is nothing to resume")
    check_writable(run.record, force=force)  # an earlier run of this name; files without it are leftovers
    return run


def _first_free(runs_dir: Path, default: str, networks: Sequence[NetworkId], *, force: bool) -> Run:
    run, number = Run(runs_dir / default), 1
    while not force and (run.unfinished() or any(path.exists() for path in run.outputs(networks))):
        number += 1
        run = Run(runs_dir / f"{default}-{number}")
    return run
