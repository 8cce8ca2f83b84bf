"""The options of `drkit info`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option


@dataclass(frozen=True)
class InfoConfig:
    """Which cache is described, and whether it is emptied first."""

    clear_cache: Annotated[
        bool, Option("--clear-cache", help="Delete the photographs and activations that drkit has cached.")
    ] = False
    cache_dir: Annotated[Path | None, Option(help="drkit's cache folder. Default: the user's cache.")] = None
