"""Quality warnings of photographs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drkit.images.files import read_photograph
from drkit.images.quality import measure_quality
from drkit.progress import track


def find_quality_warnings(paths: Sequence[Path], workers: int | None = None) -> list[tuple[str, ...]]:
    """The quality warnings of N photographs; see `drkit.images.quality`.

    Args:
        paths: Files of the photographs, without preprocessing.
        workers: Number of threads; None for Python's default.

    Raises:
        InputError: a photograph that cannot be read.
    """
    with ThreadPoolExecutor(workers) as pool:
        warnings = pool.map(_find_warnings, paths)
        return list(track(warnings, "measuring the photographs' quality", len(paths)))


def _find_warnings(path: Path) -> tuple[str, ...]:
    return measure_quality(read_photograph(path)).warnings()
