"""The state dict of a foreign file: its wrappers and prefixes removed, under the names of timm or torchvision."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from drkit.catalogue import SHORT_BACKBONES
from drkit.models.networks import architecture_of, create_network
from drkit.models.weights.files import (
    fetch_from_repository,
    find_in_repository,
    find_weights,
    read_tensors,
    run_of,
    sha256_weights,
)
from drkit.models.weights.repository import parse_address
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint
from drkit.records.provenance import METADATA_KEY, sha256_file
from drkit.records.runs import Run

Modules = Mapping[str, str]  # timm's path of a module -> another library's
DENSE_LAYER = re.compile(r"(layer\d+\.(?:norm|conv))(?=\d\.)")
EQUAL = 0.95  # share of the best prefix's tensors from which another prefix holds a network of the same make
SCANT = 0.25  # share of a network's tensors below which a prefix was met by chance
OWN_UPPER_PARTS = ("head.", "auxiliary.", "fusion.")  # of drkit's grader, made anew for another data set
AVERAGES = frozenset({"ema", "swa", "teacher", "averaged"})  # of the weights that a training moves
TRAILING = ("encoder_k", "momentum_encoder", "target_network", "target_encoder")  # in self-supervised trainings
PLAIN = 1
WRAPPINGS = ("module", "_orig_mod", "model", "backbone", "network", "net", "encoder")


@dataclass(frozen=True)
class ForeignWeights:
    """A network's tensors as a file has them.

    Args:
        backbone: timm's architecture that was looked for; of drkit's own checkpoint, the one it holds.
        path: The file that was read.
        sha256: Its hash; of an index, of all its shards.
        tensors: By name, without the prefix; on the CPU.
        place: What stood before the names: wrapper and prefix, as in `state_dict: module.backbone.`; often empty.
        second: The tensors of a second network of the same make, as the course's dual template has; else empty.
        second_place: What stood before its names.
        others: Names of the tensors that belong to no network of this make, in full.
        passed_over: What stood before the names of further networks of this make, which are not used.
        header: Of drkit's own checkpoint, else None.
        run: The run it belongs to; None where its JSON is not beside it, or for files of others.
        address: Of a repository's file, as `hf-hub:OWNER/NAME:FILE`; of a run that comes with drkit its name; else "".
    """

    backbone: str
    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]
    place: str = ""
    second: Mapping[str, Tensor] | None = None
    second_place: str = ""
    others: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    header: CheckpointHeader | None = None
    run: Run | None = None
    address: str = ""

    def __str__(self) -> str:
        """What messages call the file."""
        return self.address or str(self.path)

    def of_second(self) -> "ForeignWeights":
        """The weights of a second backbone: the file's second network, or the only one again."""
        if self.second is None:
            return self
        return replace(self, tensors=self.second, place=self.second_place, second=None, second_place="")


def read_foreign(place: str | Path, backbone: str) -> ForeignWeights:
    """Read weights of any make; nothing in the file is executed.

    The network is found by its tensors' names: under whichever wrapper (`state_dict`, `model_ema`) and prefix
    (`module.`, `_orig_mod.backbone.`) most of the names of timm's or torchvision's network stand. Of a running average
    (`ema`, or the teacher of a student) and the plain weights, the average is taken.

    Args:
        place: A file, a folder, or a run (see `find_weights`), or a repository (see `parse_address`).
        backbone: What to look for: timm's name, with or without a tag, or the course's.

    Raises:
        InputError: no such file, several that fit, a damaged one, or one with code in it.
    """
    architecture = architecture_of(SHORT_BACKBONES.get(backbone, backbone))
    if (named := parse_address(str(place))) is None:
        return _read(find_weights(Path(place), architecture), architecture)
    repository, file = named
    chosen = find_in_repository(repository, file, architecture)
    return replace(_read(fetch_from_repository(repository, chosen), architecture), address=repository.address(chosen))


def _read(found: Path, architecture: str) -> ForeignWeights:
    if _is_own(found):
        return _read_own(found)
    groups = read_tensors(found)
    sightings = {where: find_networks(tensors, architecture) for where, tensors in groups.items()}
    most = max(sighting.num_names for sighting in sightings.values())
    whole = [where for where, sighting in sightings.items() if sighting.num_names >= EQUAL * most]
    spots = [(where, prefix) for where in whole for prefix in sightings[where].prefixes]
    foreign = ForeignWeights(architecture, found, sha256_weights(found), {})
    if not spots:
        where = max(groups, key=lambda where: sum(tensor.numel() for tensor in groups[where].values()))
        paths = [name.split(".") for name in groups[where]]
        shared = takewhile(lambda level: len(set(level)) == 1 and level[0] in WRAPPINGS, zip(*paths, strict=False))
        return _cut_out(groups[where], where, ("".join(f"{level[0]}." for level in shared),), foreign)
    where = min(spots, key=lambda spot: _rank(_place(*spot)))[0]  # the first of equals
    cut = _cut_out(groups[where], where, sightings[where].prefixes, foreign)
    passed_over = [place for spot in spots if (place := _place(*spot)) not in (cut.place, cut.second_place)]
    return replace(cut, passed_over=tuple(passed_over))


@dataclass(frozen=True)
class PrefixMatch:
    """Under which prefixes a network's names stand, and how many of them under the first."""

    prefixes: tuple[str, ...]
    num_names: int


def find_networks(tensors: Mapping[str, Tensor], architecture: str) -> PrefixMatch:
    """Count, for each prefix, the names of the network below it; the prefixes with about as many as the best."""
    best, whole = Counter[str](), len(timm_shapes(architecture))
    for known in dialects(architecture).values():
        counts = Counter(prefix for name in tensors for prefix in _prefixes(name, known))
        best = max(best, counts, key=_highest)
    highest = _highest(best)
    if highest < SCANT * whole:
        return PrefixMatch((), 0)
    equals = [prefix for prefix, count in best.items() if count >= EQUAL * highest]
    return PrefixMatch(tuple(sorted(equals, key=lambda prefix: (_rank(prefix), prefix))), highest)


def _prefixes(name: str, known: Mapping[str, str]) -> Iterator[str]:
    """What stands before a known name at the end of `name`: nothing, or something up to a dot."""
    starts = [0, *(dot.end() for dot in re.finditer(r"\.", name))]
    return (name[:start] for start in starts if name[start:] in known)


def _highest(counts: Counter[str]) -> int:
    return max(counts.values(), default=0)


def _rank(place: str) -> int:
    """Which of several networks is taken: an average of the one that was trained, that one, one that trailed behind."""
    words = re.split(r"[._: ]+", place.lower())
    if not AVERAGES.isdisjoint(words):
        return 0
    return 2 if any(name in place.lower() for name in TRAILING) else PLAIN


def _place(where: str, prefix: str) -> str:
    return f"{where}: {prefix}" if where else prefix


def _cut_out(
    tensors: Mapping[str, Tensor], where: str, prefixes: tuple[str, ...], foreign: ForeignWeights
) -> ForeignWeights:
    """The network under the first prefix, and that of another slot under the next; an average has no slot."""
    of_slots = [prefix for prefix in prefixes[:2] if _rank(prefix) == PLAIN] if _rank(where) == PLAIN else []
    taken = of_slots if len(of_slots) == 2 else prefixes[:1]
    parts = [{n.removeprefix(start): tensors[n] for n in tensors if n.startswith(start)} for start in taken]
    return replace(
        foreign,
        tensors=parts[0],
        place=_place(where, taken[0]),
        second=parts[1] if len(parts) > 1 else None,
        second_place=_place(where, taken[1]) if len(parts) > 1 else "",
        others=tuple(name for name in tensors if not name.startswith(prefixes)),
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
    architecture = architecture_of(header.architecture.backbone)
    prefixes = find_networks(tensors, architecture).prefixes or ("",)
    run = run_of(path)
    address = run.name if run and run.is_packaged else ""
    foreign = ForeignWeights(architecture, path, sha256_file(path), {}, header=header, run=run, address=address)
    cut = _cut_out(tensors, "", prefixes, foreign)
    norm = {n: tensor for n, tensor in tensors.items() if n.startswith("pool.norm.")}
    name = head_norm_name(architecture)
    kept = {n.replace("pool.norm", name): tensor for n, tensor in norm.items()} if name else {}
    others = tuple(n for n in cut.others if n not in norm and not n.startswith(OWN_UPPER_PARTS))
    return replace(cut, tensors={**cut.tensors, **kept}, others=others)


@cache
def timm_shapes(architecture: str) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of all tensors of timm's network, classifier included; nothing is allocated.

    Args:
        architecture: timm's name without a tag, with its options.
    """
    with torch.device("meta"):
        network = create_network(architecture)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@cache
def dialects(architecture: str) -> Mapping[str, Mapping[str, str]]:
    """Ways in which files name the tensors of a network.

    Args:
        architecture: timm's name without a tag, with its options.

    Returns:
        Whose names -> (name in the file -> timm's name). timm's own are always there. torchvision's are, too, for
        resnet18/34/50, vgg16, vgg16_bn, densenet121, efficientnet_b0 and mobilenetv2_100; where both are the same,
        they stand once.
    """
    names = list(timm_shapes(architecture))
    told: dict[str, Mapping[str, str]] = {"timm": {name: name for name in names}}
    if architecture in TORCHVISION and (modules := TORCHVISION[architecture]):
        told["torchvision"] = {_rename(name, modules): name for name in names}
    if architecture.startswith("densenet"):  # files of 2017 say denselayer1.norm.1, which torchvision itself rewrites
        told["torchvision's first"] = {DENSE_LAYER.sub(r"\1.", name): name for name in names}
    return told


def head_norm_name(architecture: str) -> str | None:
    """What timm calls the norm between pool and classifier (ConvNeXt, some ViTs), if there is one."""
    names = timm_shapes(architecture)
    return next((name for name in ("head.norm", "fc_norm") if f"{name}.weight" in names), None)


def _rename(name: str, modules: Modules) -> str:
    module, _, leaf = name.rpartition(".")
    return f"{modules.get(module, module)}.{leaf}"


def _mobilenet_v2() -> Iterator[tuple[str, str]]:
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", "features.18.0"), ("bn2", "features.18.1"), ("classifier", "classifier.1"))
    blocks = [(stage, block) for stage, depth in enumerate((1, 2, 3, 4, 3, 3, 1)) for block in range(depth)]
    first = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}  # it does not expand
    others = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"}
    for number, (stage, block) in enumerate(blocks, start=1):
        for ours, theirs in (first if stage == 0 else others).items():
            yield f"blocks.{stage}.{block}.{ours}", f"features.{number}.conv.{theirs}"


def _efficientnet_b0() -> Iterator[tuple[str, str]]:
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", "features.8.0"), ("bn2", "features.8.1"), ("classifier", "classifier.1"))
    first = {"conv_dw": "0.0", "bn1": "0.1", **_squeeze(1), "conv_pw": "2.0", "bn2": "2.1"}  # it does not expand
    others = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", **_squeeze(2)}
    others |= {"conv_pwl": "3.0", "bn3": "3.1"}
    for stage, depth in enumerate((1, 2, 2, 3, 3, 4, 1)):
        for block in range(depth):
            for ours, theirs in (first if stage == 0 else others).items():
                yield f"blocks.{stage}.{block}.{ours}", f"features.{stage + 1}.{block}.block.{theirs}"


def _squeeze(place: int) -> dict[str, str]:
    return {"se.conv_reduce": f"{place}.fc1", "se.conv_expand": f"{place}.fc2"}


_VGG16 = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}

# timm's architecture -> what torchvision calls its modules; empty: the same.
TORCHVISION: Mapping[str, Modules] = {
    "resnet18": {},
    "resnet34": {},
    "resnet50": {},
    "vgg16": _VGG16,
    "vgg16_bn": _VGG16,
    "densenet121": {},
    "efficientnet_b0": dict(_efficientnet_b0()),
    "mobilenetv2_100": dict(_mobilenet_v2()),
}
