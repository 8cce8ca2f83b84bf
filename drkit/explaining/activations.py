"""The input of an attribution method, and the activations and gradients of a layer for it."""

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


@dataclass(frozen=True, kw_only=True)
class AttributionInput:
    """A network, a target, and the P photographs of B units for which the target is attributed.

    Args:
        grader: The network, in evaluation mode.
        images: (P, 3, S, S), normalised.
        baseline: (P, 3, S, S), the images blurred inside their discs, which replace pixels that are removed.
        discs: (P, S, S) bool, the fundus discs.
        index: Unit, slot and eye of each photograph.
        target: Function of each unit's logits.
        layer: Name of the module whose feature map is used; None for the backbone's last map.
    """

    grader: Grader
    images: Tensor
    baseline: Tensor
    discs: Tensor
    index: UnitIndex
    target: AttributionTarget
    layer: str | None = None

    @property
    def side(self) -> int:
        """Side of the images in pixels."""
        return self.images.shape[-1]

    def logits(self, images: Tensor) -> Tensor:
        """Logits (B, num_outputs) of changed images (P, 3, S, S), without gradient."""
        with torch.no_grad():
            return self.grader(images, self.index)

    def maps(self) -> Tensor:
        """The backbone's maps (P, C, h, w), without gradient."""
        with torch.no_grad():
            return self.grader.maps(self.images, self.index)

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
        gradients: (P, C, h, w), of the target, summed over units, with respect to the activations.
        logits: (B, num_outputs).
    """

    activations: Tensor
    gradients: Tensor
    logits: Tensor


def activations_and_gradients(inputs: AttributionInput) -> LayerActivations:
    """Run the network without gradients up to the layer, and with gradients from the layer on.

    Raises:
        UsageError: there is no such layer, or its output is not a feature map.
    """
    with _without_parameter_gradients(inputs.grader):
        if inputs.layer is None:
            leaf = inputs.maps().detach().requires_grad_()
            with torch.enable_grad():
                logits = inputs.grader.grade(leaf, inputs.index)
        else:
            leaf, logits = _run_from_layer(inputs, inputs.layer)
        with torch.enable_grad():
            target = inputs.target(logits).sum()
        (gradient,) = torch.autograd.grad(target, leaf)
    num_prefix_tokens = getattr(inputs.grader.backbone, "num_prefix_tokens", 0)
    try:
        activations, gradients = (as_map(values, num_prefix_tokens) for values in (leaf.detach(), gradient))
    except NoFeatureMapError as error:
        raise UsageError(f"--layer {inputs.layer}: {error}: choose another layer") from None
    return LayerActivations(activations, gradients, logits.detach())


def layer_activations(inputs: AttributionInput) -> Tensor:
    """The layer's feature map (P, C, h, w)."""
    if inputs.layer is None:
        return inputs.maps()
    return activations_and_gradients(inputs).activations


def target_of_variants(inputs: AttributionInput, maps: Tensor, photograph: int, variants: Tensor) -> Tensor:
    """The target of a unit for each variant of one of its photographs; the others stay unchanged.

    Args:
        inputs: The unchanged photographs.
        maps: (P, C, h, w), the backbone's maps of them.
        photograph: Position of the changed photograph among the P.
        variants: (V, 3, S, S), the images that replace it.

    Returns:
        The target (V,).
    """
    index, num = inputs.index, len(variants)
    unit = index.unit[photograph]
    rows = torch.nonzero(index.unit == unit)[:, 0]  # (R,) the unit's photographs
    own_slot = replace(UnitIndex.alone(num, maps.device), slot=index.slot[photograph].expand(num))
    with torch.no_grad():
        changed = maps[rows].repeat(num, 1, 1, 1)  # (V * R, C, h, w)
        copies = torch.arange(num, device=maps.device) * len(rows) + int((rows == photograph).nonzero())
        changed[copies] = inputs.grader.maps(variants, own_slot)
        logits = inputs.grader.grade(changed, _repeat_unit(index, rows, num))
        return inputs.target.of(unit.cpu().expand(num))(logits)


def find_layer(grader: nn.Module, name: str) -> nn.Module:
    """Find the module called `name` in the grader, in its backbone or in the backbone's network.

    Raises:
        UsageError: there is no such module; the message suggests similar names.
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


def _run_from_layer(inputs: AttributionInput, name: str) -> tuple[Tensor, Tensor]:
    """Run the network from the layer on; return the layer's output, where the graph begins, and the logits."""
    leaves: list[Tensor] = []

    def cut_graph(module: nn.Module, arguments: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise UsageError(f"--layer {name} gives a {type(output).__name__}, not a feature map: choose another layer")
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()  # the next module may work in place

    hook = find_layer(inputs.grader, name).register_forward_hook(cut_graph)
    try:
        with torch.enable_grad():
            logits = inputs.grader(inputs.images, inputs.index)
    finally:
        hook.remove()
    if len(leaves) != 1:
        raise UsageError(
            f"--layer {name} is run {len(leaves)} times for one photograph: choose a layer that is run once"
        )
    return leaves[0], logits


def _repeat_unit(index: UnitIndex, rows: Tensor, num: int) -> UnitIndex:
    """The index of `num` copies of the unit made of `rows`, each of which is a unit."""
    eyes, eye = index.eye[rows].unique(return_inverse=True)
    copy = torch.arange(num, device=rows.device).repeat_interleave(len(rows))
    return UnitIndex(copy, index.slot[rows].repeat(num), eye.repeat(num) + copy * len(eyes), num, num * len(eyes))


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
