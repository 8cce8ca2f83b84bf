"""Foreign tensors into a network: all that fit are set and reported, or the file is refused with what does not fit."""

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
    dialects,
    find_networks,
    head_norm_name,
    timm_shapes,
)
from drkit.reporting import Table

Shape = tuple[int, ...]
ROWS_OF_A_KIND = 4
SHARE_WANTED = 0.95  # of the backbone's parameters
SURPLUS_ALLOWED = 0.05  # parameters of layers that the backbone lacks, as a share of its own
COUNTER = "num_batches_tracked"  # of batch norms; nothing is computed with it
HEADS = ("fc.", "classifier.", "head.", "pre_logits.")  # of the networks that `recognise` knows


@dataclass(frozen=True)
class WeightsReport:
    """What became of a file's tensors.

    Args:
        backbone: timm's architecture.
        source: The file, by its path or its address.
        sha256: Its hash.
        place: What stood before the names in the file; see `ForeignWeights`.
        matched: Number of tensors that were set.
        missing: Tensors of the backbone that the file lacks: they stay as they were.
        unexpected: Tensors of the file that timm's network has no place for, under the file's names.
        mismatched: Tensors of another shape: (name, the backbone's, the file's).
        left_out: Tensors of the classifier and what comes before it, which a backbone no longer has.
        share: Of the backbone's parameters that were set, 0 to 1; counted over what drkit keeps of timm's network.
        passed_over: What stood before the names of further networks of this make, which are not used.
        is_converted: Whether names or shapes had to be brought to the backbone's, as from another side or from grey.
    """

    backbone: str
    source: str
    sha256: str
    place: str
    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, Shape, Shape], ...]
    left_out: tuple[str, ...]
    share: float
    passed_over: tuple[str, ...]
    is_converted: bool

    def render(self) -> Iterator[str | Table]:
        """What was set and what was not, in sentences."""
        under = f", under '{self.place}'" if self.place else ""
        way = " (converted)" if self.is_converted else ""
        yield (
            f"weights from {self.source}{under}: {self.matched} tensors matched{way}, {self.share:.1%} of the"
            f" parameters of {self.backbone}; {len(self.missing)} missing, {len(self.mismatched)} of another shape,"
            f" {len(self.unexpected)} unexpected, {len(self.left_out)} of a classifier"
        )
        if self.passed_over:
            yield f"also in the file, not used: {first_few(self.passed_over)}"
        yield from self.reasons()

    def reasons(self) -> Iterator[str]:
        """What was not set or not used, a sentence a kind."""
        if self.missing:
            yield f"missing, not set: {first_few(self.missing)}"
        if self.mismatched:
            shapes = [f"{name} {theirs}, expected {ours}" for name, ours, theirs in self.mismatched]
            yield f"of another shape, not set: {first_few(shapes, 3)}"
        if self.unexpected:
            yield f"unexpected, not used: {first_few(self.unexpected)}"

    def table(self) -> Table:
        """The first few tensors of each kind that do not fit."""
        shapes = ((name, str(ours), str(theirs)) for name, ours, theirs in self.mismatched)
        missing = ((name, "expected", "missing") for name in self.missing)
        unexpected = ((name, "no place for it", "there") for name in self.unexpected)
        rows = [row for kind in (shapes, missing, unexpected) for row in islice(kind, ROWS_OF_A_KIND)]
        columns = ("tensor", self.backbone, PurePath(self.source).name)
        return Table("what does not fit, the first of each kind", columns, rows)


class WeightsMismatchError(InputError):
    """A file of weights that is not the backbone's.

    Args:
        complaint: What is wrong.
        report: What would have become of the file's tensors.
        looks_like: A backbone that the file does fit, if one is known.
    """

    def __init__(self, complaint: str, report: WeightsReport, looks_like: str | None) -> None:
        advice = (
            f"the file looks like {looks_like}: choose --backbone {looks_like}"
            if looks_like
            else "choose the --backbone that the file was trained as, or another file"
        )
        super().__init__("; ".join([f"{report.source} {complaint}", *report.reasons(), advice]))
        self.report = report
        self.looks_like = looks_like
        self.table = report.table()


def load_foreign(
    network: nn.Module, architecture: str, foreign: ForeignWeights, norm: nn.Module | None = None
) -> WeightsReport:
    """Set a network's tensors from a file; a file of another network changes nothing.

    Names are timm's or torchvision's, whichever fit better. Where names or shapes differ still (position embeddings of
    another side, original ViTs), timm's own conversion is tried. A first layer of one channel is spread over three.

    Args:
        network: timm's, with or without its classifier; its tensors are set in place.
        architecture: timm's name of it, without a tag, with its options.
        foreign: From `read_foreign`.
        norm: The norm between pool and classifier, which drkit keeps outside of the network; None where there is none.

    Raises:
        WeightsMismatchError: less than 95 % of the parameters are in the file, or the file has more layers of the
            network's kind than the network.
        InputError: a tensor with values that are not finite.
    """
    norm_name = head_norm_name(architecture)
    parts = [("", network)] if norm is None or norm_name is None else [("", network), (f"{norm_name}.", norm)]
    tensors = {prefix + name: tensor for prefix, part in parts for name, tensor in part.state_dict().items()}
    slots = _Slots(tensors, frozenset(prefix + name for prefix, part in parts for name, _ in part.named_parameters()))
    whole = timm_shapes(architecture).keys()
    fits = _fits(network, foreign, architecture)
    fit = max(fits, key=lambda fit: (slots.share(fit), len(whole & fit.tensors.keys())))  # the first of equals
    report = _report(slots, fit, foreign, architecture)
    _check_fit(report, slots, fit, foreign)
    settable = slots.settable(fit)
    for name in settable:
        if not torch.isfinite(fit.tensors[name]).all():
            raise InputError(f"{foreign}: {name} holds values that are not finite: choose other weights")
    with torch.no_grad():
        for name in settable:
            slots.tensors[name].copy_(fit.tensors[name])
    return report


def recognise(tensors: Mapping[str, Tensor]) -> str | None:
    """The backbone that tensors of a file belong to, of those with names known from torchvision or a package.

    Args:
        tensors: By name, with or without a prefix.

    Returns:
        timm's architecture whose tensors are there in name and shape, the largest of several; None: none is whole.
    """
    counts = {name: _count_agreeing(tensors, name) for name in (*TORCHVISION, *PACKAGED)}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else None


@dataclass(frozen=True)
class _Fit:
    """A file's tensors under timm's names, and the file's names of them where these are known."""

    tensors: Mapping[str, Tensor]
    sources: Mapping[str, str] = field(default_factory=dict)
    is_converted: bool = False

    def source(self, name: str) -> str:
        """What the file calls it."""
        return self.sources.get(name, name)


@dataclass(frozen=True)
class _Slots:
    """A backbone's tensors by timm's names, and which of them are learned."""

    tensors: Mapping[str, Tensor]
    learned: frozenset[str]

    def settable(self, fit: _Fit) -> list[str]:
        """Names of the tensors that a file has in the same shape."""
        return [n for n, own in self.tensors.items() if n in fit.tensors and fit.tensors[n].shape == own.shape]

    def share(self, fit: _Fit) -> float:
        """Share of the parameters that a file has in the same shape."""
        return self.count(self.settable(fit)) / self.count(self.tensors)

    def count(self, names: Iterable[str]) -> int:
        """Number of parameters."""
        return sum(self.tensors[name].numel() for name in names if name in self.learned)


def _fits(network: nn.Module, foreign: ForeignWeights, architecture: str) -> Iterator[_Fit]:
    """The file's tensors as each dialect names them, and as timm would convert them."""
    own = network.state_dict()
    for known in dialects(architecture).values():
        sources = {known.get(name, name): name for name in foreign.tensors}
        named = {ours: foreign.tensors[theirs] for ours, theirs in sources.items()}
        yield _Fit(named, sources)
        if grey := [name for name in named if name in own and _is_grey(named[name], own[name])]:
            spread = {name: named[name].expand_as(own[name]) / 3 for name in grey}  # the same answer to R = G = B
            yield _Fit(named | spread, sources, is_converted=True)
    module = sys.modules[timm.models.model_entrypoint(timm_name(architecture)).__module__]
    convert = getattr(module, "checkpoint_filter_fn", None)
    if convert is None:
        return
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, about timm's way of indexing
            converted = convert(dict(foreign.tensors), network)
    except Exception:  # fed a file of unknown making it may fail in any way; the names are then told as they are
        return
    yield _Fit({name: item for name, item in converted.items() if isinstance(item, Tensor)}, is_converted=True)


def _is_grey(found: Tensor, own: Tensor) -> bool:
    """Whether a layer was trained on one channel and is wanted for three."""
    return found.ndim == 4 and found.shape[1] == 1 and own.shape == (found.shape[0], 3, *found.shape[2:])


def _report(slots: _Slots, fit: _Fit, foreign: ForeignWeights, architecture: str) -> WeightsReport:
    settable, whole = set(slots.settable(fit)), timm_shapes(architecture)
    homeless = [name for name in fit.tensors if name not in slots.tensors]
    both = [name for name in slots.tensors if name in fit.tensors and name not in settable]
    return WeightsReport(
        backbone=architecture,
        source=str(foreign),
        sha256=foreign.sha256,
        place=foreign.place,
        matched=len(settable),
        missing=tuple(name for name in slots.tensors if name not in fit.tensors and not name.endswith(COUNTER)),
        unexpected=(*(fit.source(name) for name in homeless if name not in whole), *foreign.others),
        mismatched=tuple((name, tuple(slots.tensors[name].shape), tuple(fit.tensors[name].shape)) for name in both),
        left_out=tuple(fit.source(name) for name in homeless if name in whole),
        share=slots.share(fit),
        passed_over=foreign.passed_over,
        is_converted=fit.is_converted,
    )


def _check_fit(report: WeightsReport, slots: _Slots, fit: _Fit, foreign: ForeignWeights) -> None:
    if foreign.header is not None and foreign.backbone != report.backbone:
        raise WeightsMismatchError(
            f"is a run of {foreign.backbone}, not of {report.backbone}", report, foreign.backbone
        )
    if report.share < SHARE_WANTED:
        complaint = f"holds {report.share:.1%} of the parameters of {report.backbone}, {SHARE_WANTED:.0%} are needed"
        raise WeightsMismatchError(complaint, report, recognise(foreign.tensors))
    surplus = sum(fit.tensors[name].numel() for name in _surplus(report, slots, fit))
    if surplus > SURPLUS_ALLOWED * slots.count(slots.tensors):
        complaint = f"holds a larger network than {report.backbone}: {surplus:,} parameters of layers that it lacks"
        raise WeightsMismatchError(complaint, report, recognise(foreign.tensors))


def _surplus(report: WeightsReport, slots: _Slots, fit: _Fit) -> list[str]:
    """Tensors of more layers of the backbone's kind: a resnet34's, where a resnet18 is wanted; no heads."""
    whole = timm_shapes(report.backbone)
    kinds = {fit.source(name).partition(".")[0] for name in slots.tensors} - {"head"}
    homeless = [name for name in fit.tensors if name not in slots.tensors and name not in whole]
    return [name for name in homeless if fit.source(name).partition(".")[0] in kinds]


def _count_agreeing(tensors: Mapping[str, Tensor], architecture: str) -> int:
    """Parameters that agree in name and shape with a network of which, but for its head, all is there; else 0."""
    prefixes = find_networks(tensors, architecture).prefixes
    shapes = timm_shapes(architecture)
    wanted = {
        name: shape for name, shape in shapes.items() if not name.startswith(HEADS) and not name.endswith(COUNTER)
    }
    if not prefixes:
        return 0
    for known in dialects(architecture).values():
        named = {known.get(n.removeprefix(prefixes[0]), n): tuple(item.shape) for n, item in tensors.items()}
        agreeing = [name for name, shape in wanted.items() if named.get(name) == shape]
        if len(agreeing) == len(wanted):
            return sum(torch.Size(shapes[name]).numel() for name in agreeing)
    return 0
