"""Photographs that cannot be read: found before the work that needs them, and told in one sentence."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drkit.errors import DrkitError
from drkit.images.files import read_photograph


def find_unreadable(paths: Iterable[Path], workers: int | None = None) -> dict[Path, str]:
    """Decode photographs, and tell of those that cannot be read, why.

    Args:
        paths: Of their files.
        workers: Threads; None: as many as Python thinks fit.
    """
    once = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(workers) as pool:
        return {path: why for path, why in zip(once, pool.map(_why_unreadable, once), strict=True) if why}


def describe_unreadable(refused: Sequence[object], shown: int = 5) -> str:
    """One sentence about photographs that cannot be read; how many, and the reasons of the first."""
    if len(refused) == 1:
        return str(refused[0])
    more = f"; and {len(refused) - shown} more: drkit check names all" if len(refused) > shown else ""
    return f"{len(refused)} photographs cannot be used: " + "; ".join(map(str, refused[:shown])) + more


def _why_unreadable(path: Path) -> str:
    try:
        read_photograph(path)
    except DrkitError as error:
        return str(error)
    return ""
