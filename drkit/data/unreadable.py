"""Find photographs that cannot be read before they are needed, and describe them in one sentence."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drkit.errors import DrkitError
from drkit.images.files import read_photograph
from drkit.machine import allowed_cpus


def find_unreadable(paths: Iterable[Path], workers: int | None = None) -> dict[Path, str]:
    """Decode photographs, and return why some cannot be read.

    Args:
        paths: Paths of the photographs.
        workers: Number of threads. None: one per allowed CPU.
    """
    once = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(workers or allowed_cpus()) as pool:
        return {path: why for path, why in zip(once, pool.map(_why_unreadable, once), strict=True) if why}


def describe_unreadable(refused: Sequence[object], shown: int = 5) -> str:
    """Describe photographs that cannot be read in one sentence, with their number and the first reasons."""
    if len(refused) == 1:
        return str(refused[0])
    more = f"; and {len(refused) - shown} more: drkit check lists all" if len(refused) > shown else ""
    return f"{len(refused)} photographs cannot be used: " + "; ".join(map(str, refused[:shown])) + more


def _why_unreadable(path: Path) -> str:
    try:
        read_photograph(path)
    except DrkitError as error:
        return str(error)
    return ""
