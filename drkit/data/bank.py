"""The photograph bank: every photograph decoded once, into one uint8 array."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drkit.data.cache import MappedFile, delete_temporary, make_temporary, name_array, open_cached
from drkit.data.file_remarks import report_file_remarks
from drkit.data.stream import SquareDecoder
from drkit.data.unreadable import describe_unreadable
from drkit.errors import DrkitError, UnreadablePhotographsError
from drkit.images.decoders import FileRemark
from drkit.machine import allowed_cpus, allowed_memory
from drkit.progress import notify, track
from drkit.records.labels import Labels
from drkit.records.preprocessed import read_source_hashes

MEMORY_SHARE = 0.4  # of the allowed memory that a bank may take before it goes to disk
ROOM_FOR_ZOOM = 1.15  # bank side / network input side, so that zooming in does not upsample
VERSION = 4  # of the way photographs are decoded and squared: part of a cached bank's key

_UNREADABLE = "unreadable: "  # before a reason, where a hash would stand


@dataclass(frozen=True)
class PhotographBank:
    """The decoded photographs of a data set.

    Args:
        pixels: uint8 (N, S, S, 3) RGB, in memory or memory-mapped; unreadable photographs are left out.
        hashes: SHA-256 of each original photograph's file, before any preprocessing; likewise.
        unreadable: Row number in the labels to why the photograph there could not be read.
    """

    pixels: np.ndarray
    hashes: tuple[str, ...]
    unreadable: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.hashes)

    def __reduce__(self) -> tuple[Callable[..., "PhotographBank"], tuple[Any, ...]]:
        """Send a bank in a file to another process as the file's path."""
        if isinstance(self.pixels, np.memmap):
            return _map_bank, (MappedFile.of(self.pixels), self.hashes, dict(self.unreadable))
        return PhotographBank, (self.pixels, self.hashes, dict(self.unreadable))


def _map_bank(file: MappedFile, hashes: tuple[str, ...], unreadable: Mapping[int, str]) -> PhotographBank:
    return PhotographBank(file.open(), hashes, unreadable)


def bank_side(input_side: int) -> int:
    """Default side in pixels of a bank's photographs, for a network input of `input_side` pixels."""
    return round(input_side * ROOM_FOR_ZOOM)


def bank_bytes(num_photographs: int, side: int) -> int:
    """Size of a bank in bytes."""
    return num_photographs * side * side * 3


def fits_in_memory(num_bytes: int) -> bool:
    """Whether a bank of this size stays in memory."""
    return num_bytes <= MEMORY_SHARE * allowed_memory()


def build_bank(
    labels: Labels,
    side: int,
    cache_dir: Path,
    *,
    workers: int | None = None,
    steps: Sequence[str] = (),
    round_discs: bool = False,
    keep_going: bool = False,
    in_file: bool = False,
) -> PhotographBank:
    """Decode a data set's photographs, filter them, and cut each to the square about its fundus disc.

    Small banks live in memory; larger ones in a file below `cache_dir` that the next run with the same
    photographs (path, size, time of change) opens as it is.

    Args:
        labels: N photographs.
        side: Side of the kept photographs in pixels.
        cache_dir: Where a bank that does not fit in memory is kept.
        workers: Decoding threads; one a core by default.
        steps: What `drkit preprocess` would still have to do to the photographs.
        round_discs: Undo the squashing of photographs whose discs are ellipses.
        keep_going: Leave photographs out that cannot be read.
        in_file: Keep a bank that fits in memory in a temporary file below `cache_dir`, which other processes can map
            and the caller deletes.

    Raises:
        UnreadablePhotographsError: unreadable photographs, all counted, five named; with `keep_going` only where no
            other is left.
    """
    paths, shape = labels.paths(), (len(labels), side, side, 3)
    decoder = SquareDecoder(side, steps, round_discs)
    fill = partial(_fill, paths=paths, workers=workers or allowed_cpus(), decoder=decoder, keep_going=keep_going)
    if fits_in_memory(bank_bytes(len(labels), side)):
        pixels = make_temporary(cache_dir, shape, np.uint8) if in_file else np.empty(shape, np.uint8)
        try:
            notes = fill(pixels)
        except BaseException:
            delete_temporary(pixels)
            raise
        pixels.flags.writeable = False
    else:
        notify(f"the decoded photographs take {bank_bytes(len(labels), side) / 2**30:.1f} GiB: kept in {cache_dir}")
        made_by = {"side": side, "steps": list(steps), "round_discs": round_discs, "keep_going": keep_going}
        pixels, notes = open_cached(cache_dir, name_array(paths, version=VERSION, **made_by), shape, fill)
    originals = read_source_hashes(labels.roots)
    noted = list(zip(paths, notes, strict=True))
    hashes = tuple(originals.get(path, note) for path, note in noted if not note.startswith(_UNREADABLE))
    reasons = {row: note[len(_UNREADABLE) :] for row, note in enumerate(notes) if note.startswith(_UNREADABLE)}
    return PhotographBank(pixels[: len(hashes)], hashes, reasons)


def _fill(
    pixels: np.ndarray, *, paths: Sequence[Path], workers: int, decoder: SquareDecoder, keep_going: bool
) -> tuple[str, ...]:
    """Decode into `pixels` (N, S, S, 3), readable photographs first; the files' hashes, or why one is unreadable."""
    remarks: dict[str, tuple[FileRemark, ...]] = {}

    def decode(index: int) -> str | DrkitError:
        try:
            photograph = decoder.decode(paths[index])
        except DrkitError as error:
            return error
        pixels[index] = photograph.pixels
        remarks[str(paths[index])] = photograph.remarks
        return photograph.sha256

    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(track(pool.map(decode, range(len(paths))), "reading photographs", len(paths)))
    readable = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, str)]
    if len(readable) < len(paths) and not (keep_going and readable):
        raise UnreadablePhotographsError(describe_unreadable([each for each in outcomes if not isinstance(each, str)]))
    report_file_remarks(remarks)
    for place, index in enumerate(readable):
        if place != index:
            pixels[place] = pixels[index]
    return tuple(each if isinstance(each, str) else f"{_UNREADABLE}{each}" for each in outcomes)
