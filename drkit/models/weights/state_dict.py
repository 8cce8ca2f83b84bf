"""Find a network's tensors in a foreign file, and remove the prefixes of their names."""

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
from drkit.models.weights.files import read_tensors, sha256_weights
from drkit.models.weights.repository import parse_address
from drkit.models.weights.search import fetch_from_repository, find_in_repository, find_weights, run_of
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint
from drkit.records.provenance import METADATA_KEY, sha256_file
from drkit.records.runs import Run

Modules = Mapping[str, str]  # another library's path of a module, by timm's path
DENSE_LAYER = re.compile(r"(layer\d+\.(?:norm|conv))(?=\d\.)")
SAME_NETWORK = 0.95  # a prefix with this share of the best prefix's names also has a complete network
CHANCE = 0.25  # a prefix with less than this share of a network's names does not have that network
GRADER_PARTS = ("head.", "auxiliary.", "fusion.")  # the parts of drkit's grader that every training builds anew
AVERAGES = frozenset({"ema", "swa", "teacher", "averaged"})  # names of averaged weights
TRAILING = ("encoder_k", "momentum_encoder", "target_network", "target_encoder")  # in self-supervised trainings
TRAINED = 1
WRAPPERS = ("module", "_orig_mod", "model", "backbone", "network", "net", "encoder")


@dataclass(frozen=True, kw_only=True)
class ForeignWeights:
    """A network's tensors in a file.

    Args:
        backbone: timm's name of the requested architecture; for a drkit checkpoint, the architecture that it contains.
        path: The file.
        sha256: SHA-256 of the file; for an index, of all its shards.
        tensors: Tensors by name, without the prefix, on the CPU.
        prefix: Keys and prefix before the names in the file, such as `state_dict: module.backbone.`; often empty.
        second: Tensors of a second network of the same architecture, as in the course's dual template; None if there
            is none.
        second_prefix: Keys and prefix before the names of the second network.
        others: Full names of the tensors that do not belong to a network of this architecture.
        unused_prefixes: Keys and prefixes of further networks of this architecture, which are not used.
        header: Header of a drkit checkpoint; None for other files.
        run: Run that a drkit checkpoint belongs to; None if its JSON is not beside it, and for other files.
        address: Address of a file in a repository, such as `hf-hub:OWNER/NAME:FILE`, or name of a run that is part of
            drkit; empty for other files.
    """

    backbone: str
    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]
    prefix: str = ""
    second: Mapping[str, Tensor] | None = None
    second_prefix: str = ""
    others: tuple[str, ...] = ()
    unused_prefixes: tuple[str, ...] = ()
    header: CheckpointHeader | None = None
    run: Run | None = None
    address: str = ""

    def __str__(self) -> str:
        """Name of the file in messages."""
        return self.address or str(self.path)

    def of_second(self) -> "ForeignWeights":
        """Weights for a second backbone: the file's second network if there is one, otherwise the same network."""
        if self.second is None:
            return self
        return replace(self, tensors=self.second, prefix=self.second_prefix, second=None, second_prefix="")


def read_foreign(source: str | Path, backbone: str) -> ForeignWeights:
    """Read weights from any file, without executing code in it.

    The network is found by the names of its tensors: the keys (`state_dict`, `model_ema`) and the prefix (`module.`,
    `_orig_mod.backbone.`) with the most names of timm's or torchvision's network are used. If the file contains both
    trained weights and their running average (`ema`, or the teacher of a student), the average is used.

    Args:
        source: A file, folder or run (see `find_weights`), or a repository (see `parse_address`).
        backbone: timm's name of the network, with or without a tag, or the course's name.

    Raises:
        InputError: the file does not exist, is damaged or contains code, or several files are suitable.
    """
    architecture = architecture_of(SHORT_BACKBONES.get(backbone, backbone))
    if (address := parse_address(str(source))) is None:
        return _read(find_weights(Path(source), architecture), architecture)
    repository, requested = address
    file = find_in_repository(repository, requested, architecture)
    return replace(_read(fetch_from_repository(repository, file), architecture), address=repository.address(file))


def _read(path: Path, architecture: str) -> ForeignWeights:
    if _is_drkit_checkpoint(path):
        return _read_drkit_checkpoint(path)
    groups = read_tensors(path)
    matches = {keys: find_networks(tensors, architecture) for keys, tensors in groups.items()}
    most = max(match.num_names for match in matches.values())
    complete = [keys for keys, match in matches.items() if match.num_names >= SAME_NETWORK * most]
    networks = [(keys, prefix) for keys in complete for prefix in matches[keys].prefixes]
    foreign = ForeignWeights(backbone=architecture, path=path, sha256=sha256_weights(path), tensors={})
    if not networks:
        keys = max(groups, key=lambda keys: sum(tensor.numel() for tensor in groups[keys].values()))
        levels = zip(*(name.split(".") for name in groups[keys]), strict=False)
        shared = takewhile(lambda level: len(set(level)) == 1 and level[0] in WRAPPERS, levels)
        return _select(groups[keys], keys, ("".join(f"{level[0]}." for level in shared),), foreign)
    keys = min(networks, key=lambda network: _rank(_full_prefix(*network)))[0]  # a tie goes to the first
    selected = _select(groups[keys], keys, matches[keys].prefixes, foreign)
    prefixes = [_full_prefix(*network) for network in networks]
    used = (selected.prefix, selected.second_prefix)
    return replace(selected, unused_prefixes=tuple(prefix for prefix in prefixes if prefix not in used))


@dataclass(frozen=True)
class PrefixMatch:
    """Prefixes of a network's names in a file, and the number of its names under the best prefix."""

    prefixes: tuple[str, ...]
    num_names: int


def find_networks(tensors: Mapping[str, Tensor], architecture: str) -> PrefixMatch:
    """Find the prefixes under which a network's names are complete, or nearly as complete as under the best prefix."""
    best = Counter[str]()
    for timm_name_of in naming_schemes(architecture).values():
        counts = Counter(prefix for name in tensors for prefix in _prefixes(name, timm_name_of))
        best = max(best, counts, key=_highest)
    highest = _highest(best)
    if highest < CHANCE * len(timm_shapes(architecture)):
        return PrefixMatch((), 0)
    complete = [prefix for prefix, count in best.items() if count >= SAME_NETWORK * highest]
    return PrefixMatch(tuple(sorted(complete, key=lambda prefix: (_rank(prefix), prefix))), highest)


def _prefixes(name: str, known: Mapping[str, str]) -> Iterator[str]:
    """Prefixes of a name, empty or ending with a dot, that are followed by a known name."""
    starts = [0, *(dot.end() for dot in re.finditer(r"\.", name))]
    return (name[:start] for start in starts if name[start:] in known)


def _highest(counts: Counter[str]) -> int:
    return max(counts.values(), default=0)


def _rank(prefix: str) -> int:
    """Order of preference: averages of trained weights, trained weights, weights that trail behind those."""
    words = re.split(r"[._: ]+", prefix.lower())
    if not AVERAGES.isdisjoint(words):
        return 0
    return 2 if any(name in prefix.lower() for name in TRAILING) else TRAINED


def _full_prefix(keys: str, prefix: str) -> str:
    return f"{keys}: {prefix}" if keys else prefix


def _select(
    tensors: Mapping[str, Tensor], keys: str, prefixes: tuple[str, ...], foreign: ForeignWeights
) -> ForeignWeights:
    """Select the network under the first prefix and, if two trained networks come first, that under the second."""
    trained = [prefix for prefix in prefixes[:2] if _rank(prefix) == TRAINED] if _rank(keys) == TRAINED else []
    selected = trained if len(trained) == 2 else prefixes[:1]
    parts = [{n.removeprefix(start): tensors[n] for n in tensors if n.startswith(start)} for start in selected]
    return replace(
        foreign,
        tensors=parts[0],
        prefix=_full_prefix(keys, selected[0]),
        second=parts[1] if len(parts) > 1 else None,
        second_prefix=_full_prefix(keys, selected[1]) if len(parts) > 1 else "",
        others=tuple(name for name in tensors if not name.startswith(prefixes)),
    )


def _is_drkit_checkpoint(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return METADATA_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _read_drkit_checkpoint(path: Path) -> ForeignWeights:
    tensors, header = read_checkpoint(path)
    architecture = architecture_of(header.architecture.backbone)
    prefixes = find_networks(tensors, architecture).prefixes or ("",)
    run = run_of(path)
    address = run.name if run and run.is_packaged else ""
    foreign = ForeignWeights(
        backbone=architecture, path=path, sha256=sha256_file(path), tensors={}, header=header, run=run, address=address
    )
    selected = _select(tensors, "", prefixes, foreign)
    norm = {name: tensor for name, tensor in tensors.items() if name.startswith("pool.norm.")}
    norm_name = head_norm_name(architecture)
    renamed = {name.replace("pool.norm", norm_name): tensor for name, tensor in norm.items()} if norm_name else {}
    others = tuple(name for name in selected.others if name not in norm and not name.startswith(GRADER_PARTS))
    return replace(selected, tensors={**selected.tensors, **renamed}, others=others)


@cache
def timm_shapes(architecture: str) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of all tensors of timm's network, including its classifier, without allocating them.

    Args:
        architecture: timm's name without a tag, with its options.
    """
    with torch.device("meta"):
        network = create_network(architecture)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@cache
def naming_schemes(architecture: str) -> Mapping[str, Mapping[str, str]]:
    """The naming schemes of files with a network's tensors.

    Args:
        architecture: timm's name without a tag, with its options.

    Returns:
        timm's names by the names in the file, for each scheme. The scheme `timm` always exists. The scheme
        `torchvision` exists for those of resnet18/34/50, vgg16, vgg16_bn, densenet121, efficientnet_b0 and
        mobilenetv2_100 for which torchvision's names differ from timm's.
    """
    names = list(timm_shapes(architecture))
    schemes: dict[str, Mapping[str, str]] = {"timm": {name: name for name in names}}
    if architecture in TORCHVISION and (modules := TORCHVISION[architecture]):
        parts = {name: name.rpartition(".") for name in names}
        schemes["torchvision"] = {f"{modules.get(path, path)}.{leaf}": name for name, (path, _, leaf) in parts.items()}
    if architecture.startswith("densenet"):  # files from 2017 contain denselayer1.norm.1, which torchvision renames
        schemes["torchvision 2017"] = {DENSE_LAYER.sub(r"\1.", name): name for name in names}
    return schemes


def head_norm_name(architecture: str) -> str | None:
    """Name in timm of the norm between pool and classifier (ConvNeXt, some ViTs); None if there is none."""
    names = timm_shapes(architecture)
    return next((name for name in ("head.norm", "fc_norm") if f"{name}.weight" in names), None)


def _mobilenet_v2() -> Iterator[tuple[str, str]]:
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", "features.18.0"), ("bn2", "features.18.1"), ("classifier", "classifier.1"))
    blocks = [(stage, block) for stage, depth in enumerate((1, 2, 3, 4, 3, 3, 1)) for block in range(depth)]
    first = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}  # without expansion
    others = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"}
    for number, (stage, block) in enumerate(blocks, start=1):
        for timm_path, path in (first if stage == 0 else others).items():
            yield f"blocks.{stage}.{block}.{timm_path}", f"features.{number}.conv.{path}"


def _efficientnet_b0() -> Iterator[tuple[str, str]]:
    yield from (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))
    yield from (("conv_head", "features.8.0"), ("bn2", "features.8.1"), ("classifier", "classifier.1"))
    first = {"conv_dw": "0.0", "bn1": "0.1", **_squeeze(1), "conv_pw": "2.0", "bn2": "2.1"}  # without expansion
    others = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", **_squeeze(2)}
    others |= {"conv_pwl": "3.0", "bn3": "3.1"}
    for stage, depth in enumerate((1, 2, 2, 3, 3, 4, 1)):
        for block in range(depth):
            for timm_path, path in (first if stage == 0 else others).items():
                yield f"blocks.{stage}.{block}.{timm_path}", f"features.{stage + 1}.{block}.block.{path}"


def _squeeze(number: int) -> dict[str, str]:
    return {"se.conv_reduce": f"{number}.fc1", "se.conv_expand": f"{number}.fc2"}


_VGG16 = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}

# torchvision's paths of modules by timm's architecture and path; empty if the paths are the same.
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
