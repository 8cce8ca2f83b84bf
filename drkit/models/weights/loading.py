"""Load foreign tensors into a network and report them, or refuse the file with the tensors that do not match."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath

import timm
import torch
from torch import Tensor, nn

from drkit.errors import InputError, first_few
from drkit.models.networks import timm_name
from drkit.models.weights.pretrained import PACKAGED
from drkit.models.weights.state_dict import (
    TORCHVISION,
    ForeignWeights,
    find_networks,
    head_norm_name,
    naming_schemes,
    timm_shapes,
)
from drkit.reporting import Table

Shape = tuple[int, ...]
ROWS_PER_KIND = 4
MIN_SHARE = 0.95  # share of the backbone's parameters that a file must contain
MAX_SURPLUS = 0.05  # parameters of layers that the backbone does not have, as a share of the backbone's parameters
COUNTER = "num_batches_tracked"  # an unused counter of batch norms
HEADS = ("fc.", "classifier.", "head.", "pre_logits.")  # of the networks that `recognise` knows


@dataclass(frozen=True, kw_only=True)
class WeightsReport:
    """The tensors of a file that were loaded, and those that were not.

    Args:
        backbone: timm's architecture.
        source: Path or address of the file.
        sha256: SHA-256 of the file.
        prefix: Prefix of the names in the file; see `ForeignWeights`.
        matched: Number of tensors that were loaded.
        missing: Tensors of the backbone that the file does not contain, and which are unchanged.
        unexpected: Tensors of the file that timm's network does not have, under the file's names.
        mismatched: Name, shape in the backbone, and shape in the file of the tensors whose shapes differ.
        left_out: Tensors of timm's network that are not part of the backbone, such as the classifier.
        share: Share of the backbone's parameters that were loaded, in [0, 1].
        unused_prefixes: Prefixes of further networks of this architecture, which are not used.
        is_converted: Whether names or shapes were converted, for example from another side or from grey images.
    """

    backbone: str
    source: str
    sha256: str
    prefix: str
    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shape, Shape], ...]
    left_out: tuple[str, ...]
    share: float
    unused_prefixes: tuple[str, ...]
    is_converted: bool

    def render(self) -> Iterator[str | Table]:
        """Return sentences about the tensors that were loaded and those that were not."""
        under = f", under '{self.prefix}'" if self.prefix else ""
        converted = " (converted)" if self.is_converted else ""
        yield (
            f"weights from {self.source}{under}: {self.matched} tensors matched{converted}, {self.share:.1%} of the"
            f" parameters of {self.backbone}; {len(self.missing)} missing, {len(self.mismatched)} of another shape,"
            f" {len(self.unexpected)} unexpected, {len(self.left_out)} of a classifier"
        )
        if self.unused_prefixes:
            yield f"also in the file, not used: {first_few(self.unused_prefixes)}"
        yield from self.reasons()

    def reasons(self) -> Iterator[str]:
        """A sentence for each kind of tensors that do not match."""
        if self.missing:
            yield f"missing, not set: {first_few(self.missing)}"
        if self.mismatched:
            shapes = [f"{name} {actual}, expected {expected}" for name, expected, actual in self.mismatched]
            yield f"of another shape, not set: {first_few(shapes, 3)}"
        if self.unexpected:
            yield f"unexpected, not used: {first_few(self.unexpected)}"

    def table(self) -> Table:
        """The first tensors of each kind that do not match."""
        shapes = ((name, str(expected), str(actual)) for name, expected, actual in self.mismatched)
        missing = ((name, "expected", "missing") for name in self.missing)
        unexpected = ((name, "not expected", "present") for name in self.unexpected)
        rows = [row for kind in (shapes, missing, unexpected) for row in islice(kind, ROWS_PER_KIND)]
        columns = ("tensor", self.backbone, PurePath(self.source).name)
        return Table("tensors that do not match, the first of each kind", columns, rows)


class WeightsMismatchError(InputError):
    """A file contains the weights of another network.

    Args:
        problem: The problem, as the predicate of a sentence about the file.
        report: The tensors that match, and those that do not.
        looks_like: A backbone whose weights the file contains, if one is known.
    """

    def __init__(self, problem: str, report: WeightsReport, looks_like: str | None) -> None:
        advice = (
            f"the file looks like {looks_like}: choose --backbone {looks_like}"
            if looks_like
            else "choose the --backbone that the file was trained with, or another file"
        )
        super().__init__("; ".join([f"{report.source} {problem}", *report.reasons(), advice]))
        self.report = report
        self.looks_like = looks_like
        self.table = report.table()


def load_foreign(
    network: nn.Module, architecture: str, foreign: ForeignWeights, norm: nn.Module | None = None
) -> WeightsReport:
    """Load a network's tensors from a file; if the file contains another network, nothing is changed.

    The names may be timm's or torchvision's, whichever match better. If names or shapes still differ (position
    embeddings of another side, original ViTs), timm's own conversion is tried. A first layer for one channel is spread
    over three channels.

    Args:
        network: timm's network with or without its classifier, whose tensors are overwritten.
        architecture: timm's name of the network, without a tag, with its options.
        foreign: Tensors from `read_foreign`.
        norm: The norm between pool and classifier, which drkit keeps outside of the network; None if there is none.

    Raises:
        WeightsMismatchError: the file contains less than 95 % of the parameters, or more layers than the network.
        InputError: a tensor contains values that are not finite.
    """
    norm_name = head_norm_name(architecture)
    parts = [("", network)] if norm is None or norm_name is None else [("", network), (f"{norm_name}.", norm)]
    tensors = {prefix + name: tensor for prefix, part in parts for name, tensor in part.state_dict().items()}
    trained = frozenset(prefix + name for prefix, part in parts for name, _ in part.named_parameters())
    target = _Target(tensors, trained)
    timm_names = timm_shapes(architecture).keys()
    best = max(  # a tie goes to the first
        _candidates(network, foreign, architecture),
        key=lambda candidate: (target.share(candidate), len(timm_names & candidate.tensors.keys())),
    )
    report = _report(target, best, foreign, architecture)
    _check_match(report, target, best, foreign)
    matching = target.matching(best)
    for name in matching:
        if not torch.isfinite(best.tensors[name]).all():
            raise InputError(f"{foreign}: {name} contains values that are not finite: choose other weights")
    with torch.no_grad():
        for name in matching:
            target.tensors[name].copy_(best.tensors[name])
    return report


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """Recognise the backbone of a file, if torchvision or a package has weights of that backbone.

    Args:
        tensors: Tensors of the file by name, with or without a prefix.

    Returns:
        timm's name of the largest architecture whose tensors are all in the file; None if there is none.
    """
    counts = {name: _count_matching(tensors, name) for name in (*TORCHVISION, *PACKAGED)}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else None


@dataclass(frozen=True)
class _Candidate:
    """A file's tensors by timm's names, under one naming scheme or conversion.

    Args:
        tensors: The tensors by timm's names.
        file_names: The file's name of each tensor, by timm's name; empty if unknown.
        is_converted: Whether names or shapes were converted.
    """

    tensors: Mapping[str, Tensor]
    file_names: Mapping[str, str] = field(default_factory=dict)
    is_converted: bool = False

    def file_name(self, name: str) -> str:
        """The file's name of a tensor."""
        return self.file_names.get(name, name)


@dataclass(frozen=True)
class _Target:
    """The backbone's tensors by timm's names, and the names of those that are trained."""

    tensors: Mapping[str, Tensor]
    trained: frozenset[str]

    def matching(self, candidate: _Candidate) -> list[str]:
        """Names of the tensors that the candidate contains in the same shape."""
        shapes = {name: tensor.shape for name, tensor in candidate.tensors.items()}
        return [name for name, tensor in self.tensors.items() if shapes.get(name) == tensor.shape]

    def share(self, candidate: _Candidate) -> float:
        """Share of the parameters that the candidate contains in the same shape."""
        return self.count(self.matching(candidate)) / self.count(self.tensors)

    def count(self, names: Iterable[str]) -> int:
        """Number of parameters."""
        return sum(self.tensors[name].numel() for name in names if name in self.trained)


def _candidates(network: nn.Module, foreign: ForeignWeights, architecture: str) -> Iterator[_Candidate]:
    """The file's tensors under each naming scheme, and after timm's conversion."""
    own = network.state_dict()
    for timm_name_of in naming_schemes(architecture).values():
        file_names = {timm_name_of.get(name, name): name for name in foreign.tensors}
        tensors = {name: foreign.tensors[file_name] for name, file_name in file_names.items()}
        yield _Candidate(tensors, file_names)
        if grey := [name for name in tensors if name in own and _is_grey(tensors[name], own[name])]:
            spread = {name: tensors[name].expand_as(own[name]) / 3 for name in grey}  # the same output for R = G = B
            yield _Candidate(tensors | spread, file_names, is_converted=True)
    module = sys.modules[timm.models.model_entrypoint(timm_name(architecture)).__module__]
    convert = getattr(module, "checkpoint_filter_fn", None)
    if convert is None:
        return
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns about timm's indexing
            converted = convert(dict(foreign.tensors), network)
    except Exception:  # the conversion may raise any error for a file of another network; it is then not used
        return
    yield _Candidate({name: item for name, item in converted.items() if isinstance(item, Tensor)}, is_converted=True)


def _is_grey(tensor: Tensor, own: Tensor) -> bool:
    """Whether a file's convolution has one input channel where the backbone's has three."""
    return tensor.ndim == 4 and tensor.shape[1] == 1 and own.shape == (tensor.shape[0], 3, *tensor.shape[2:])


def _report(target: _Target, candidate: _Candidate, foreign: ForeignWeights, architecture: str) -> WeightsReport:
    matching, timm_names = set(target.matching(candidate)), timm_shapes(architecture)
    surplus = [name for name in candidate.tensors if name not in target.tensors]
    mismatched = [name for name in target.tensors if name in candidate.tensors and name not in matching]
    return WeightsReport(
        backbone=architecture,
        source=str(foreign),
        sha256=foreign.sha256,
        prefix=foreign.prefix,
        matched=len(matching),
        missing=tuple(name for name in target.tensors if name not in candidate.tensors and not name.endswith(COUNTER)),
        unexpected=(*(candidate.file_name(name) for name in surplus if name not in timm_names), *foreign.others),
        mismatched=tuple(
            (name, tuple(target.tensors[name].shape), tuple(candidate.tensors[name].shape)) for name in mismatched
        ),
        left_out=tuple(candidate.file_name(name) for name in surplus if name in timm_names),
        share=target.share(candidate),
        unused_prefixes=foreign.unused_prefixes,
        is_converted=candidate.is_converted,
    )


def _check_match(report: WeightsReport, target: _Target, candidate: _Candidate, foreign: ForeignWeights) -> None:
    if foreign.header is not None and foreign.backbone != report.backbone:
        raise WeightsMismatchError(
            f"is a run of {foreign.backbone}, not of {report.backbone}", report, foreign.backbone
        )
    if report.share < MIN_SHARE:
        problem = f"contains {report.share:.1%} of the parameters of {report.backbone}, {MIN_SHARE:.0%} are needed"
        raise WeightsMismatchError(problem, report, recognise(foreign.tensors))
    surplus = _count_surplus(report, target, candidate)
    if surplus > MAX_SURPLUS * target.count(target.tensors):
        problem = (
            f"contains a larger network than {report.backbone}, with {surplus:,} parameters of layers that"
            f" {report.backbone} does not have"
        )
        raise WeightsMismatchError(problem, report, recognise(foreign.tensors))


def _count_surplus(report: WeightsReport, target: _Target, candidate: _Candidate) -> int:
    """Number of parameters of further layers of the backbone's kinds, as a resnet34 has beside those of a resnet18."""
    timm_names = timm_shapes(report.backbone)
    kinds = {candidate.file_name(name).partition(".")[0] for name in target.tensors} - {"head"}
    surplus = [name for name in candidate.tensors if name not in target.tensors and name not in timm_names]
    return sum(
        candidate.tensors[name].numel() for name in surplus if candidate.file_name(name).partition(".")[0] in kinds
    )


def _count_matching(tensors: Mapping[str, Tensor], architecture: str) -> int:
    """Number of parameters that match a network in name and shape; 0 unless all match except those of the head."""
    prefixes = find_networks(tensors, architecture).prefixes
    if not prefixes:
        return 0
    shapes = {
        name: shape
        for name, shape in timm_shapes(architecture).items()
        if not name.startswith(HEADS) and not name.endswith(COUNTER)
    }
    for timm_name_of in naming_schemes(architecture).values():
        file_shapes = {
            timm_name_of.get(name.removeprefix(prefixes[0]), name): tuple(item.shape) for name, item in tensors.items()
        }
        if all(file_shapes.get(name) == shape for name, shape in shapes.items()):
            return sum(torch.Size(shape).numel() for shape in shapes.values())
    return 0
