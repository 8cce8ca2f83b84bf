"""What is attributed, and the activations and gradients of a layer for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from drkit.data.units import UnitIndex
from drkit.errors import UsageError, did_you_mean
from drkit.explaining.targets import AttributionTarget
from drkit.models.backbones import NoFeatureMapError, as_map
from drkit.models.grader import Grader

MAX_VARIANTS = 32  # changed copies of a photograph in one batch


@dataclass(frozen=True)
class AttributionInput:
    """What is attributed: the target of a network, for the photographs of B units.

    Args:
        grader: The network, in evaluation mode.
        images: (P, 3, S, S), normalised.
        baseline: (P, 3, S, S), the images blurred inside their discs: what is shown where detail is taken away.
        discs: (P, S, S) bool, the fundus discs.
        places: Unit, slot and eye of each photograph.
        target: Of each unit's logits.
        layer: Name of the module whose map is taken; None: the backbone's last map.
    """

    grader: Grader
    images: Tensor
    baseline: Tensor
    discs: Tensor
    places: UnitIndex
    target: AttributionTarget
    layer: str | None = None

    @property
    def side(self) -> int:
        """Of the images in pixels."""
        return self.images.shape[-1]

    def logits(self, images: Tensor) -> Tensor:
        """Logits (B, num_outputs) of changed images (P, 3, S, S), without gradient."""
        with torch.no_grad():
            return self.grader(images, self.places)

    def maps(self) -> Tensor:
        """The backbone's maps (P, C, h, w), without gradient."""
        with torch.no_grad():
            return self.grader.maps(self.images, self.places)

    def normalised(self, images: Tensor) -> Tensor:
        """The target (B,), scaled to [0, 1], of changed images (P, 3, S, S)."""
        return self.target.normalised(self.logits(images))

    def with_target(self, target: AttributionTarget) -> "AttributionInput":
        """The same for another target."""
        return replace(self, target=target)

    def with_grader(self, grader: Grader) -> "AttributionInput":
        """The same for another network."""
        return replace(self, grader=grader)


@dataclass(frozen=True)
class LayerActivations:
    """Activations and gradients of a layer.

    Args:
        activations: (P, C, h, w).
        gradients: (P, C, h, w) of the target, summed over units, by the activations.
        logits: (B, num_outputs).
    """

    activations: Tensor
    gradients: Tensor
    logits: Tensor


def activations_and_gradients(inputs: AttributionInput) -> LayerActivations:
    """Run the network without gradient up to the layer, and with it from there on.

    Raises:
        UsageError: no such layer, or one whose output is no map.
    """
    with _without_parameter_gradients(inputs.grader):
        leaf, logits = _run_from_backbone(inputs) if inputs.layer is None else _run_from_layer(inputs, inputs.layer)
        with torch.enable_grad():
            target = inputs.target(logits).sum()
        (gradient,) = torch.autograd.grad(target, leaf)
    num_prefix_tokens = getattr(inputs.grader.backbone, "num_prefix_tokens", 0)
    try:
        activations, gradients = (as_map(values, num_prefix_tokens) for values in (leaf.detach(), gradient))
    except NoFeatureMapError as error:
        raise UsageError(f"--layer {inputs.layer}: {error}: choose another") from None
    return LayerActivations(activations, gradients, logits.detach())


def layer_activations(inputs: AttributionInput) -> Tensor:
    """The layer's map (P, C, h, w) alone."""
    if inputs.layer is None:
        return inputs.maps()
    return activations_and_gradients(inputs).activations


def target_of_variants(inputs: AttributionInput, maps: Tensor, photograph: int, variants: Tensor) -> Tensor:
    """The target where one photograph of a unit is changed and the others are not.

    Args:
        inputs: The unchanged photographs.
        maps: (P, C, h, w), the backbone's maps of them.
        photograph: Which of the P is changed.
        variants: (V, 3, S, S), what it is changed to.

    Returns:
        (V,) of the target.
    """
    places = inputs.places
    unit = places.unit[photograph]
    rows = torch.nonzero(places.unit == unit)[:, 0]  # (R,) the unit's photographs
    num, size = len(variants), len(rows)
    own_slot = replace(UnitIndex.alone(num, maps.device), slot=places.slot[photograph].expand(num))
    with torch.no_grad():
        changed = maps[rows].repeat(num, 1, 1, 1)  # (V * R, C, h, w)
        copies = torch.arange(num, device=maps.device) * size + int((rows == photograph).nonzero())
        changed[copies] = inputs.grader.maps(variants, own_slot)
        logits = inputs.grader.grade(changed, _repeated(places, rows, num))
        return inputs.target.of(unit.cpu().expand(num))(logits)


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
    hint = did_you_mean(name, near)
    if not hint.startswith("did"):
        hint = f"its layers are {', '.join(path for path in near if '.' not in path)}"
    raise UsageError(f"--layer {name}: the network has no such layer: {hint}")


def _run_from_backbone(inputs: AttributionInput) -> tuple[Tensor, Tensor]:
    leaf = inputs.maps().detach().requires_grad_()
    with torch.enable_grad():
        return leaf, inputs.grader.grade(leaf, inputs.places)


def _run_from_layer(inputs: AttributionInput, name: str) -> tuple[Tensor, Tensor]:
    """No parameter and no image needs a gradient, so the graph begins at the layer's output."""
    leaves: list[Tensor] = []

    def cut_graph(module: nn.Module, given: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise UsageError(f"--layer {name} gives no feature map but a {type(output).__name__}: choose another")
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # what follows may work in place

    hook = find_layer(inputs.grader, name).register_forward_hook(cut_graph)
    try:
        with torch.enable_grad():
            logits = inputs.grader(inputs.images, inputs.places)
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
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
