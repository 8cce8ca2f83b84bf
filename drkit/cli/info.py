"""`drkit info`: what a bug report should say of the machine."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.reporting import Report

EXAMPLES = (
    "drkit info",
    "drkit info --clear-cache",
)


def info(
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="Remove the photographs and activations that drkit has cached.")
    ] = False,
    cache_dir: Annotated[Path | None, typer.Option(help="drkit's cache folder, where another one was chosen.")] = None,
) -> Report:
    """Show versions, devices, memory, caches and weights at hand, to be pasted into a bug report.

    Reads: nothing but this machine. Writes: nothing. The home folder is shown as ~.
    """
    from drkit.recipes.info import run_info

    return run_info(cache_dir, clear_cache=clear_cache)
