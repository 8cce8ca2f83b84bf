"""Quality warnings of photographs."""

from collections.abc import Sequence
from pathlib import Path

from drkit.engine import map_items
from drkit.images.files import read_photograph
from drkit.images.quality import measure_quality


def find_quality_warnings(
    paths: Sequence[Path], workers: int | None = None, scheduler: str | None = None
) -> list[tuple[str, ...]]:
    """Find the quality warnings of N photographs; see `drkit.images.quality`.

    Args:
        paths: Files of the photographs, without preprocessing.
        workers: Number of threads; None for one per processor.
        scheduler: Address of a Dask cluster to use instead; None for this machine.

    Raises:
        UsageError: Dask is not installed.
        InputError: a photograph cannot be read, or the cluster cannot be used.
    """
    return map_items(_find_warnings, paths, "measuring the photographs' quality", workers, scheduler)


def _find_warnings(path: Path) -> tuple[str, ...]:
    return measure_quality(read_photograph(path)).warnings()
