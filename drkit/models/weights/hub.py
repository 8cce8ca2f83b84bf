"""timm's weights on a hub: the copy of an earlier download, and whether the hub can be reached."""

from pathlib import Path

import timm
import torch
from huggingface_hub import constants, get_session, try_to_load_from_cache

from drkit.errors import InputError

HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # what timm asks its hub for
PATIENCE = 5  # seconds for the hub to answer


def cached_weights(name: str) -> str | None:
    """Path of the weights that an earlier download of timm's model `name` left on this machine, if any."""
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None:
        return None
    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        files = [config.hf_hub_filename] if config.hf_hub_filename else HUB_FILES
        found = (try_to_load_from_cache(repository, file, revision=revision or None) for file in files)
        return next((path for path in found if isinstance(path, str)), None)
    path = Path(torch.hub.get_dir()) / "checkpoints" / str(config.url or "").rpartition("/")[2]
    return str(path) if path.is_file() else None


def check_hub(name: str) -> None:
    """Ask the hub of timm's model `name` once whether it is there: timm asks many times, for half a minute.

    Raises:
        InputError: it does not answer.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    except Exception as error:  # which kind depends on the hub's version and on what is between
        raise InputError(f"{constants.ENDPOINT} does not answer: {str(error) or type(error).__name__}") from None
