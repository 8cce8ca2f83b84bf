"""Under which names timm and torchvision keep a network's tensors."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

import torch

from drkit.models.networks import create_network

Modules = Mapping[str, str]  # timm's path of a module -> another library's
DENSE_LAYER = re.compile(r"(layer\d+\.(?:norm|conv))(?=\d\.)")


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
