"""The photograph bank: every photograph is decoded once, into one uint8 array."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drkit.catalogue import FILTERS
from drkit.data.cache import MappedFile, delete_temporary, make_temporary, name_array, open_cached
from drkit.data.file_remarks import report_file_remarks
from drkit.data.stream import PhotographStream, SquareDecoder
from drkit.machine import allowed_memory
from drkit.progress import notify, track
from drkit.records.labels import Labels
from drkit.records.preprocessed import read_source_hashes

MEMORY_SHARE = 0.4  # share of the allowed memory that a bank may take; larger banks are kept on disk
ROOM_FOR_ZOOM = 1.15  # ratio of bank side to network input side, so that zooming in does not upsample
VERSION = 4  # of the way photographs are decoded and squared: part of a cached bank's key


@dataclass(frozen=True)
class PhotographBank:
    """The decoded photographs of a data set.

    Args:
        pixels: uint8 (N, S, S, 3) RGB, in memory or memory-mapped.
        hashes: SHA-256 of the file of each photograph, or of its original if the photograph is preprocessed.
    """

    pixels: np.ndarray
    hashes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.hashes)

    def __reduce__(self) -> tuple[Callable[..., "PhotographBank"], tuple[Any, ...]]:
        """Send the path of a memory-mapped bank to another process, instead of its pixels."""
        if isinstance(self.pixels, np.memmap):
            return _map_bank, (MappedFile.of(self.pixels), self.hashes)
        return PhotographBank, (self.pixels, self.hashes)


def _map_bank(file: MappedFile, hashes: tuple[str, ...]) -> PhotographBank:
    return PhotographBank(file.open(), hashes)


def bank_side(input_side: int) -> int:
    """Default side in pixels of a bank's photographs, for a network input of `input_side` pixels."""
    return round(input_side * ROOM_FOR_ZOOM)


def bank_bytes(num_photographs: int, side: int) -> int:
    """Size of a bank in bytes."""
    return num_photographs * side * side * 3


def fits_in_memory(num_bytes: int) -> bool:
    """Whether a bank of this size is kept in memory."""
    return num_bytes <= MEMORY_SHARE * allowed_memory()


def build_bank(
    labels: Labels,
    side: int,
    cache_dir: Path,
    *,
    workers: int | None = None,
    steps: Sequence[str] = (),
    round_discs: bool = False,
    in_file: bool = False,
) -> PhotographBank:
    """Decode and filter photographs, and cut each to the square about its fundus disc.

    A bank that does not fit in memory is kept in a file below `cache_dir`, which the next training with the same
    photographs (path, size and modification time) opens.

    Args:
        labels: N photographs.
        side: Side of the squares in pixels.
        cache_dir: Folder of a bank that does not fit in memory.
        workers: Number of decoding threads. None: one per core.
        steps: Preprocessing steps to apply to the photographs.
        round_discs: Whether to make squashed discs round.
        in_file: Whether to keep a bank that fits in memory in a temporary file below `cache_dir`, which other processes
            can map and the caller deletes.

    Raises:
        UnreadablePhotographsError: photographs cannot be read; the message has their number and names five of them.
    """
    paths, shape = labels.paths(), (len(labels), side, side, 3)
    fill = partial(_fill, PhotographStream(paths, SquareDecoder(side, steps, round_discs), workers))
    if fits_in_memory(bank_bytes(len(labels), side)):
        pixels = make_temporary(cache_dir, shape, np.uint8) if in_file else np.empty(shape, np.uint8)
        try:
            hashes = fill(pixels)
        except BaseException:
            delete_temporary(pixels)
            raise
        pixels.flags.writeable = False
    else:
        notify(f"the decoded photographs take {bank_bytes(len(labels), side) / 2**30:.1f} GiB: kept in {cache_dir}")
        made_by = {"side": side, "steps": list(steps), "round_discs": round_discs}
        made_by["keep_going"] = False  # no longer an option, but in the keys of banks that exist
        made_by |= FILTERS.packages(step.partition(":")[0] for step in steps)  # none for drkit's own steps
        pixels, hashes = open_cached(cache_dir, name_array(paths, version=VERSION, **made_by), shape, fill)
    originals = read_source_hashes(labels.roots)
    return PhotographBank(pixels, tuple(map(originals.get, paths, hashes)))


def _fill(stream: PhotographStream, pixels: np.ndarray) -> tuple[str, ...]:
    """Decode all photographs of a stream into `pixels` (N, S, S, 3), and return the SHA-256 of their files."""
    rows = list(np.arange(len(pixels))[:, None])  # one by one
    for squares in track(stream.read(rows), "reading photographs", len(rows)):
        for row, square in squares.items():
            pixels[row] = square
    stream.check_readable()
    report_file_remarks(stream.remarks)
    return stream.contents({})
