"""Read and write ensembles: NAME.parquet holds the predictions, NAME.json all parameters."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

from drkit.catalogue import METHODS
from drkit.ensembling.bag import Bag, BaggedCombiner
from drkit.ensembling.blend import Blend
from drkit.ensembling.boost import Trees
from drkit.ensembling.combiner import Combiner, Method
from drkit.ensembling.nested_cv import DecisionRule
from drkit.ensembling.ordinal import Ordinal
from drkit.ensembling.pooling import Pooling, pooling_from_json
from drkit.ensembling.ridge import Linear, Ridge
from drkit.errors import InputError
from drkit.records.decoding import check_version, decode
from drkit.records.ensembles import KIND, record_path
from drkit.records.json_records import write_json_record
from drkit.records.provenance import sha256_file
from drkit.records.runs import read_checksums
from drkit.specs import parse_spec

SCHEMA_VERSION = 1
READERS: Mapping[str, Callable[[Mapping[str, Any]], Combiner]] = {
    "blend": Blend.from_json,
    "ridge": Ridge.from_json,
    "ordinal": Ordinal.from_json,
    "trees": Trees.from_json,
}


@dataclass(frozen=True)
class SavedMember:
    """A member in an ensemble's record.

    Args:
        name: Name of the member.
        path: Path of its predictions file, relative to the ensemble's JSON.
        sha256: SHA-256 of that file.
        checkpoint_sha256: SHA-256 of its weights; None for an ensemble.
        model: One-line description of the network.
    """

    name: str
    path: str
    sha256: str
    checkpoint_sha256: str | None
    model: str


class _EnsembleRecord(TypedDict):
    """The keys of an ensemble's JSON that are read, without the parameters of its method."""

    files: dict[str, str]
    members: list[SavedMember]
    unit: str
    model: str
    chosen_on: str
    decision: str
    cut_points: tuple[float, float, float, float] | None
    fusion: dict[str, Any]
    fitted: dict[str, Any]
    is_fitted: bool


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A finished ensemble.

    Args:
        path: The ensemble's JSON.
        members: The members, in the order in which they are combined.
        pooling: How photographs are pooled before the members are combined.
        learned: Pooling regression of each member; empty unless pooling is learned.
        combiner: The fitted method.
        rule: How predictions become grades.
        record: The content of the JSON.
    """

    path: Path
    members: tuple[SavedMember, ...]
    pooling: Pooling
    learned: tuple[Linear, ...]
    combiner: Combiner
    rule: DecisionRule
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the ensemble."""
        return self.path.stem

    @property
    def predictions(self) -> Path:
        """Path of the ensemble's predictions file."""
        return self.path.with_suffix(".parquet")

    def path_of(self, member: SavedMember) -> Path:
        """Path of a member's predictions file."""
        return Path(os.path.normpath(self.path.parent / member.path))


def write_ensemble(path: Path, record: Mapping[str, Any], *, force: bool) -> None:
    """Write the JSON of an ensemble whose predictions file has been written."""
    predictions = path.with_suffix(".parquet")
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "name": path.stem,
        "files": {predictions.name: sha256_file(predictions)},
        **record,
    }
    write_json_record(path, content, force=force)


def read_ensemble(path: Path) -> Ensemble:
    """Read an ensemble.

    Args:
        path: Stem of the ensemble, or any of its files.

    Raises:
        InputError: the ensemble does not exist, its JSON is broken or of another version, or its predictions file has
            changed.
    """
    source = record_path(path)
    try:
        record = json.loads(source.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{source} does not exist: expected an ensemble, by its name or any of its files") from None
    except ValueError:
        raise InputError(f"{source} is not an ensemble's record: restore the file, or combine again") from None
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise InputError(f"{source} is not an ensemble's record: restore the file, or combine again")
    check_version(record.get("schema_version"), SCHEMA_VERSION, source)
    decode(record, _EnsembleRecord, source, "combine again")
    METHODS.check_packages(record.get("plugins", {}), _kinds_of(record["fitted"]), source)
    try:
        ensemble = _restore(source, record)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{source} is broken ({type(error).__name__}: {error}): combine again") from None
    for file, sha256 in read_checksums(ensemble.path).items():
        if not file.is_file() or sha256_file(file) != sha256:
            raise InputError(f"{file} does not match its SHA-256 in {source}: restore it, or combine again")
    return ensemble


def restore_combiner(record: Mapping[str, Any]) -> Combiner:
    """Restore a fitted method from the output of its `to_json`."""
    kind = record["kind"]
    if kind == "averaged":
        return BaggedCombiner(tuple(map(restore_combiner, record["parts"])))
    if kind in READERS:
        return READERS[kind](record)
    restored: Combiner = METHODS[kind].load_restore()(record)
    return restored


def build_method(spec: str) -> Method:
    """Build a method from a spec such as `weight`, or `trimmed:share=0.2` for a method of an installed package.

    Raises:
        UsageError: the method or a parameter is unknown, or a value is out of range.
    """
    parsed = parse_spec(METHODS, METHODS.kind, spec)
    method: Method = METHODS[parsed.name].load()(**dict(parsed.parameters))
    return method


def name_method(method: Method) -> str:
    """Name of a method on the command line: `stack`, `boost`, ..."""
    build = f"{type(method).__module__}:{type(method).__qualname__}"
    added = (name for name, _, entry in METHODS.added() if getattr(entry, "build", "") == build)
    return next(added, type(method).__name__.lower())


def packages_of(method: Any) -> dict[str, str]:
    """The packages that provide a method and the method that it bags, by method."""
    bagged = packages_of(method.of) if isinstance(method, Bag) else {}
    return bagged | METHODS.packages([name_method(method)])


def describe_method(method: Any) -> dict[str, Any]:
    """Describe a method by its name and options, including those of a bagged method."""
    options = {"method": name_method(method), **asdict(method)}
    if "of" in options:
        options["of"] = describe_method(method.of)
    return options


def _kinds_of(fitted: Mapping[str, Any]) -> set[str]:
    """The kinds of a fitted method and of the parts of a bag."""
    parts = fitted.get("parts", []) if fitted.get("kind") == "averaged" else []
    return {str(fitted.get("kind"))}.union(*(_kinds_of(part) for part in parts))


def _restore(path: Path, record: dict[str, Any]) -> Ensemble:
    pooling, learned = pooling_from_json(record["fusion"])
    cut_points = record["cut_points"]
    return Ensemble(
        path=path,
        members=tuple(SavedMember(**member) for member in record["members"]),
        pooling=pooling,
        learned=learned,
        combiner=restore_combiner(record["fitted"]),
        rule=DecisionRule(str(record["decision"]), None if cut_points is None else tuple(map(float, cut_points))),
        record=record,
    )
