"""Quality warnings of photographs, read from their files."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from drkit.images.files import read_photograph
from drkit.images.quality import measure_quality
from drkit.progress import track


def find_quality_warnings(paths: Sequence[Path], workers: int | None = None) -> list[tuple[str, ...]]:
    """Why the grade of each photograph deserves less trust, in sentences; see `drkit.images.quality`.

    Args:
        paths: Of N photographs as they were taken.
        workers: Threads that read them.

    Raises:
        InputError: a photograph that cannot be read.
    """
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(_find_warnings, paths)
        return list(track(found, "measuring the photographs' quality", len(paths)))


def _find_warnings(path: Path) -> tuple[str, ...]:
    return measure_quality(read_photograph(path)).warnings()
