"""A question put to a network about some photographs, and the network laid bare to answer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.errors import UsageError, did_you_mean
from drkit.explaining.questions import Question
from drkit.models.backbones import NoFeatureMapError, as_map
from drkit.models.grader import Grader

MAX_VARIANTS = 32  # changed copies of a photograph in one batch


@dataclass(frozen=True)
class Inquiry:
    """What is asked of a network about the photographs of some units.

    Args:
        grader: In evaluation mode.
        images: (P, 3, S, S), as the grader is fed.
        baseline: (P, 3, S, S), the same without detail inside the disc: what "taken away" means.
        discs: (P, S, S) bool, the fundus discs.
        places: Where each photograph belongs.
        question: Asked of each unit.
        layer: The module whose map is looked at; None: the backbone's last map.
    """

    grader: Grader
    images: Tensor
    baseline: Tensor
    discs: Tensor
    places: UnitIndex
    question: Question
    layer: str | None = None

    @property
    def side(self) -> int:
        """Of the images in pixels."""
        return self.images.shape[-1]

    def logits(self, images: Tensor) -> Tensor:
        """What the grader answers (B, num_outputs) for changed images (P, 3, S, S), without gradient."""
        with torch.no_grad():
            return self.grader(images, self.places)

    def maps(self) -> Tensor:
        """The backbone's maps (P, C, h, w), without gradient."""
        with torch.no_grad():
            return self.grader.maps(self.images, self.places)

    def value(self, images: Tensor) -> Tensor:
        """The question's value (B,) in [0, 1] for changed images (P, 3, S, S)."""
        return self.question.value(self.logits(images))

    def about(self, question: Question) -> "Inquiry":
        """The same photographs, asked something else."""
        return replace(self, question=question)

    def with_grader(self, grader: Grader) -> "Inquiry":
        """The same question put to another grader."""
        return replace(self, grader=grader)


@dataclass(frozen=True)
class Exposure:
    """A layer's map and what the answer makes of it.

    Args:
        activations: (P, C, h, w).
        gradients: (P, C, h, w) of the answer, summed over units, by the activations.
        logits: (B, num_outputs).
    """

    activations: Tensor
    gradients: Tensor
    logits: Tensor


def expose(inquiry: Inquiry) -> Exposure:
    """Run the network without gradient up to the layer, and with it from there on.

    Raises:
        UsageError: no such layer, or one whose output is no map.
    """
    with _without_parameter_gradients(inquiry.grader):
        leaf, logits = _run_last(inquiry) if inquiry.layer is None else _run_named(inquiry, inquiry.layer)
        with torch.enable_grad():
            answer = inquiry.question.ask(logits).sum()
        (gradient,) = torch.autograd.grad(answer, leaf)
    num_prefix_tokens = getattr(inquiry.grader.backbone, "num_prefix_tokens", 0)
    try:
        activations, gradients = (as_map(values, num_prefix_tokens) for values in (leaf.detach(), gradient))
    except NoFeatureMapError as error:
        raise UsageError(f"--layer {inquiry.layer}: {error}: choose another") from None
    return Exposure(activations, gradients, logits.detach())


def activations_of(inquiry: Inquiry) -> Tensor:
    """The layer's map (P, C, h, w) alone."""
    if inquiry.layer is None:
        return inquiry.maps()
    return expose(inquiry).activations


def ask_variants(inquiry: Inquiry, maps: Tensor, photograph: int, variants: Tensor) -> Tensor:
    """What the answer becomes when one photograph of a unit is changed and the others stay.

    Args:
        inquiry: The unchanged photographs.
        maps: (P, C, h, w), the backbone's maps of them.
        photograph: Which of the P is changed.
        variants: (V, 3, S, S), what it is changed to.

    Returns:
        (V,) of the question's answer.
    """
    places = inquiry.places
    unit = places.unit[photograph]
    rows = torch.nonzero(places.unit == unit)[:, 0]  # (R,) the unit's photographs
    num, size = len(variants), len(rows)
    own_slot = replace(UnitIndex.alone(num, maps.device), slot=places.slot[photograph].expand(num))
    with torch.no_grad():
        changed = maps[rows].repeat(num, 1, 1, 1)  # (V * R, C, h, w)
        copies = torch.arange(num, device=maps.device) * size + int((rows == photograph).nonzero())
        changed[copies] = inquiry.grader.maps(variants, own_slot)
        logits = inquiry.grader.grade(changed, _repeated(places, rows, num))
        return inquiry.question.of(unit.cpu().expand(num)).ask(logits)


def find_layer(grader: nn.Module, name: str) -> nn.Module:
    """The module called `name`, as seen from the grader, its backbone or the backbone's network.

    Raises:
        UsageError: no such module; the sentence names the near ones.
    """
    modules = dict(grader.named_modules())
    for prefix in ("backbone.network.", "backbone.", ""):
        if prefix + name in modules:
            return modules[prefix + name]
    own = [path.removeprefix("backbone.network.") for path in modules if path.startswith("backbone.network.")]
    near = [path for path in own if path.count(".") <= max(1, name.count("."))]
    raise UsageError(f"--layer {name}: the network has no such layer: {_hint(name, near)}")


def _hint(name: str, known: list[str]) -> str:
    hint = did_you_mean(name, known)
    tops = [path for path in known if "." not in path]
    return hint if hint.startswith("did") else f"its stations are {', '.join(tops)}"


def _run_last(inquiry: Inquiry) -> tuple[Tensor, Tensor]:
    leaf = inquiry.maps().detach().requires_grad_()
    with torch.enable_grad():
        return leaf, inquiry.grader.grade(leaf, inquiry.places)


def _run_named(inquiry: Inquiry, name: str) -> tuple[Tensor, Tensor]:
    """No parameter and no image needs a gradient, so the graph begins at the layer's output."""
    leaves: list[Tensor] = []

    def begin_here(module: nn.Module, given: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise UsageError(f"--layer {name} gives no map but a {type(output).__name__}: choose another")
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # what follows may work in place

    hook = find_layer(inquiry.grader, name).register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            logits = inquiry.grader(inquiry.images, inquiry.places)
    finally:
        hook.remove()
    if len(leaves) != 1:
        raise UsageError(
            f"--layer {name} is run {len(leaves)} times for one photograph: choose a layer that is run once"
        )
    return leaves[0], logits


def _repeated(places: UnitIndex, rows: Tensor, num: int) -> UnitIndex:
    """`num` copies of the unit made of `rows`, each a unit of its own."""
    eyes, eye = places.eye[rows].unique(return_inverse=True)
    copy = torch.arange(num, device=rows.device).repeat_interleave(len(rows))
    return UnitIndex(copy, places.slot[rows].repeat(num), eye.repeat(num) + copy * len(eyes), num, num * len(eyes))


@contextmanager
def _without_parameter_gradients(module: nn.Module) -> Iterator[None]:
    asked = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in asked:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asked:
            parameter.requires_grad_(True)
