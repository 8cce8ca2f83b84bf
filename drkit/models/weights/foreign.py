"""A network's tensors in a file that somebody else wrote, freed of wrappers and prefixes."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from drkit.catalogue import SHORT_BACKBONES
from drkit.models.weights.finding import find_weights, run_of
from drkit.models.weights.names import dialects, head_norm_name, timm_shapes
from drkit.models.weights.reading import read_tensors
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint
from drkit.records.provenance import METADATA_KEY, sha256_file
from drkit.records.runs import Run

EQUAL = 0.95  # share of the best prefix's tensors from which another prefix holds a network of the same make
SCANT = 0.25  # share of a network's tensors below which a prefix was met by chance
OWN_UPPER_PARTS = ("head.", "auxiliary.", "fusion.")  # of drkit's grader, made anew for another data set
WRAPPINGS = ("module", "_orig_mod", "model", "backbone", "network", "net", "encoder")


@dataclass(frozen=True)
class ForeignWeights:
    """A network's tensors as a file has them.

    Args:
        backbone: timm's architecture that was looked for; of drkit's own checkpoint, the one it holds.
        path: The file that was read.
        sha256: Its hash.
        tensors: By name, without the prefix; on the CPU.
        place: What stood before the names: wrapper and prefix, as in `state_dict: module.backbone.`; often empty.
        second: The tensors of a second network of the same make, as the course's dual template has; else empty.
        second_place: What stood before its names.
        others: Names of the tensors that belong to neither, in full.
        header: Of drkit's own checkpoint, else None.
        run: The run it belongs to; None where its JSON is not beside it, or for files of others.
    """

    backbone: str
    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]
    place: str = ""
    second: Mapping[str, Tensor] | None = None
    second_place: str = ""
    others: tuple[str, ...] = ()
    header: CheckpointHeader | None = None
    run: Run | None = None

    def of_second(self) -> "ForeignWeights":
        """The weights of a second backbone: the file's second network, or the only one again."""
        if self.second is None:
            return self
        return replace(self, tensors=self.second, place=self.second_place, second=None, second_place="")


def read_foreign(path: Path, backbone: str) -> ForeignWeights:
    """Read weights of any make; nothing in the file is executed.

    The network is found by its tensors' names: under whichever wrapper (`state_dict`, `model_ema`) and prefix
    (`module.`, `_orig_mod.backbone.`) most of the names of timm's or torchvision's network stand. Of a running average
    and the plain weights, the average is taken.

    Args:
        path: A file, a folder, or a run; see `find_weights`.
        backbone: What to look for: timm's name, with or without a tag, or the course's.

    Raises:
        InputError: no such file, several that fit, a damaged one, or one with code in it.
    """
    architecture = SHORT_BACKBONES.get(backbone, backbone).partition(".")[0]
    found = find_weights(path, architecture)
    if _is_own(found):
        return _read_own(found)
    groups = read_tensors(found)
    sightings = {where: find_networks(tensors, architecture) for where, tensors in groups.items()}
    where = max(sightings, key=lambda where: (sightings[where].num_names, _is_average(where)))  # the first of equals
    prefixes = sightings[where].prefixes
    if not prefixes:
        where = max(groups, key=lambda where: sum(tensor.numel() for tensor in groups[where].values()))
        prefixes = (_common_prefix(list(groups[where])),)
    return _cut_out(groups[where], where, prefixes, ForeignWeights(architecture, found, sha256_file(found), {}))


@dataclass(frozen=True)
class Sighting:
    """Under which prefixes a network's names stand, and how many of them under the first."""

    prefixes: tuple[str, ...]
    num_names: int


def find_networks(tensors: Mapping[str, Tensor], architecture: str) -> Sighting:
    """Count, for each prefix, the names of the network below it; the prefixes with about as many as the best."""
    best, whole = Counter[str](), len(timm_shapes(architecture))
    for known in dialects(architecture).values():
        counts = Counter(prefix for name in tensors for prefix in _prefixes(name, known))
        best = max(best, counts, key=_highest)
    highest = _highest(best)
    if highest < SCANT * whole:
        return Sighting((), 0)
    equals = [prefix for prefix, count in best.items() if count >= EQUAL * highest]
    return Sighting(tuple(sorted(equals, key=lambda prefix: (not _is_average(prefix), prefix))), highest)


def _prefixes(name: str, known: Mapping[str, str]) -> Iterator[str]:
    """What stands before a known name at the end of `name`: nothing, or something up to a dot."""
    starts = [0, *(dot.end() for dot in re.finditer(r"\.", name))]
    return (name[:start] for start in starts if name[start:] in known)


def _highest(counts: Counter[str]) -> int:
    return max(counts.values(), default=0)


def _is_average(place: str) -> bool:
    return "ema" in re.split(r"[._]", place.lower())


def _common_prefix(names: list[str]) -> str:
    """Usual wrappings that stand before every name."""
    paths = [name.split(".") for name in names]
    shared = takewhile(lambda level: len(set(level)) == 1 and level[0] in WRAPPINGS, zip(*paths, strict=False))
    return "".join(f"{level[0]}." for level in shared)


def _cut_out(
    tensors: Mapping[str, Tensor], where: str, prefixes: tuple[str, ...], foreign: ForeignWeights
) -> ForeignWeights:
    parts = [{n.removeprefix(start): tensors[n] for n in tensors if n.startswith(start)} for start in prefixes]
    places = [f"{where}: {prefix}" if where else prefix for prefix in prefixes]
    rest = [name for name in tensors if not name.startswith(prefixes[:2])]
    return replace(
        foreign,
        tensors=parts[0],
        place=places[0],
        second=parts[1] if len(parts) > 1 else None,
        second_place=places[1] if len(parts) > 1 else "",
        others=tuple(rest),
    )


def _is_own(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return METADATA_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _read_own(path: Path) -> ForeignWeights:
    """A checkpoint of drkit's: its header says which network it holds."""
    tensors, header = read_checkpoint(path)
    architecture = header.architecture.backbone.partition(".")[0]
    prefixes = find_networks(tensors, architecture).prefixes or ("",)
    foreign = ForeignWeights(architecture, path, sha256_file(path), {}, header=header, run=run_of(path))
    cut = _cut_out(tensors, "", prefixes, foreign)
    norm = {n: tensor for n, tensor in tensors.items() if n.startswith("pool.norm.")}
    name = head_norm_name(architecture)
    kept = {n.replace("pool.norm", name): tensor for n, tensor in norm.items()} if name else {}
    others = tuple(n for n in cut.others if n not in norm and not n.startswith(OWN_UPPER_PARTS))
    return replace(cut, tensors={**cut.tensors, **kept}, others=others)
