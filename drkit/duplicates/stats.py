"""Statistics of photograph files: size, hashes, and whether they are readable or blank."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drkit.duplicates.hashing import Hashes, hash_photograph
from drkit.engine import map_items
from drkit.errors import InputError
from drkit.images.decoders import FileRemark
from drkit.images.files import Photograph
from drkit.images.reduced import decode_reduced
from drkit.images.surround import surround_colour
from drkit.records.provenance import sha256_bytes

DECODED_SIDE = 256  # pixels: minimum of the shorter side when a large photograph is decoded at reduced size
BLANK_SPREAD = 4.0  # grey levels: a photograph is blank if the standard deviation of every channel is lower
LIGHT_SURROUND = 160  # grey levels of the darkest channel, which a retina that fills the corners never has


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotographStats:
    """Statistics of one photograph file.

    Args:
        path: Path of the file.
        sha256: SHA-256 of the file; empty if it could not be opened.
        size: Width and height in pixels (a reduced decoding rounds them up by at most 7).
        bits: Perceptual hashes, uint64 (3, 4); None for a blank photograph.
        is_light: Whether the surround is white or light.
        refusal: Why the file could not be read; None if it could.
        remarks: Remarks on how the file was read.
    """

    path: str
    sha256: str = ""
    size: tuple[int, int] = (0, 0)
    bits: Hashes | None = None
    is_light: bool = False
    refusal: str | None = None
    remarks: tuple[FileRemark, ...] = ()


def measure_photographs(
    paths: Sequence[str], workers: int | None = None, scheduler: str | None = None
) -> dict[str, PhotographStats]:
    """Measure photographs in parallel, each path once.

    Args:
        paths: Image files.
        workers: Number of threads; None for one per processor.
        scheduler: Address of a Dask cluster to use instead; None for this machine.

    Returns:
        Statistics by path.

    Raises:
        UsageError: Dask is not installed.
        InputError: the cluster cannot be used.
    """
    once = list(dict.fromkeys(paths))
    return dict(zip(once, map_items(measure_photograph, once, "reading photographs", workers, scheduler), strict=True))


def measure_photograph(path: str) -> PhotographStats:
    """Read and hash one photograph; for a file that cannot be read, `refusal` has the reason."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a Path takes longer to make than a file to open
            content = stream.read()
    except OSError as error:
        return PhotographStats(path=path, refusal=f"{path} cannot be read: {error.strerror}")
    try:
        decoded, size = decode_reduced(content, path, DECODED_SIDE)
    except InputError as error:
        return PhotographStats(path=path, sha256=sha256_bytes(content), refusal=str(error))
    photograph = decoded.pixels
    bits = None if is_blank(photograph) else hash_photograph(photograph)
    return PhotographStats(
        path=path,
        sha256=sha256_bytes(content),
        size=size,
        bits=bits,
        is_light=has_light_surround(photograph),
        remarks=decoded.remarks,
    )


def is_blank(photograph: Photograph) -> bool:
    """Whether every channel of a photograph (H, W, 3) is nearly constant."""
    return bool((photograph.reshape(-1, 3).std(axis=0, dtype=np.float32) < BLANK_SPREAD).all())


def has_light_surround(photograph: Photograph) -> bool:
    """Whether the corners of a photograph (H, W, 3) are white or light grey."""
    return bool(surround_colour(photograph).min() >= LIGHT_SURROUND)
