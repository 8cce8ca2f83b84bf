"""Photographs that are decoded in threads a few batches before they are used, and not kept afterwards."""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drkit.data.unreadable import describe_unreadable
from drkit.errors import DrkitError, UnreadablePhotographsError
from drkit.images.decoders import FileRemark
from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph, decode_with_remarks, read_content
from drkit.images.filters import apply_steps
from drkit.machine import allowed_cpus
from drkit.records.provenance import sha256_bytes

NUM_TIMED = 8  # photographs from which the time of decoding is estimated
MIN_AHEAD = 2  # batches that are decoded while another one is used


@dataclass(frozen=True)
class SquarePhotograph:
    """A decoded photograph.

    Args:
        pixels: uint8 (S, S, 3) RGB, squared about the fundus disc.
        sha256: SHA-256 of the file.
        remarks: Remarks of the decoder on the file.
    """

    pixels: Photograph
    sha256: str
    remarks: tuple[FileRemark, ...]


@dataclass(frozen=True)
class SquareDecoder:
    """Decodes photographs, filters them, and cuts each to the square about its fundus disc.

    Args:
        side: Side of the squares in pixels.
        steps: Preprocessing steps to apply to the photographs.
        round_discs: Whether to make squashed discs round.
    """

    side: int
    steps: Sequence[str] = ()
    round_discs: bool = False

    def decode(self, path: Path) -> SquarePhotograph:
        """Decode one photograph.

        Raises:
            DrkitError: it cannot be read, or a step cannot be applied to it.
        """
        content = read_content(path)
        decoded = decode_with_remarks(content, str(path))
        photograph = apply_steps(decoded.pixels, self.steps)
        square = square_about_disc(photograph, size=self.side, round_disc=self.round_discs)
        return SquarePhotograph(square, sha256_bytes(content), decoded.remarks)


def time_decoding(paths: Sequence[Path], decoder: SquareDecoder) -> float | None:
    """Measure the time that a thread takes to decode a photograph, as the median of a few photographs.

    Args:
        paths: Paths of the photographs, from which a few are chosen at equal distances.
        decoder: Decoder of the photographs.

    Returns:
        Seconds; None if none of these photographs can be read.
    """
    seconds = []
    for row in np.unique(np.linspace(0, len(paths) - 1, NUM_TIMED).round().astype(int)):
        start = time.perf_counter()
        try:
            decoder.decode(paths[row])
        except DrkitError:
            continue
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) if seconds else None


class PhotographStream:
    """Decodes photographs batch by batch; the batch in use and the next few are in memory.

    Args:
        paths: Paths of N photographs.
        decoder: Decoder of the photographs.
        workers: Number of threads. None: one per allowed CPU.

    Attributes:
        hashes: SHA-256 of the files of all photographs that have been read, by row number.
        errors: Errors of the photographs that could not be read, by row number.
        remarks: Remarks of the decoder on the files, by path.
    """

    def __init__(self, paths: Sequence[Path], decoder: SquareDecoder, workers: int | None = None) -> None:
        self.paths, self.decoder, self.workers = paths, decoder, workers
        self.hashes: dict[int, str] = {}
        self.errors: dict[int, DrkitError] = {}
        self.remarks: dict[str, tuple[FileRemark, ...]] = {}

    def read(self, batches: Sequence[np.ndarray]) -> Iterator[Mapping[int, Photograph]]:
        """Decode batches of photographs, each given by its row numbers.

        Yields:
            For each batch, the squares (S, S, 3) of its readable photographs by row number.
        """
        largest, num_threads = max(map(len, batches), default=1), self.workers or allowed_cpus()
        num_ahead = max(MIN_AHEAD, -(-2 * num_threads // largest))
        waiting: deque[tuple[np.ndarray, list[Future[SquarePhotograph]]]] = deque()
        pool = ThreadPoolExecutor(num_threads, "decode")
        try:
            for rows in batches:
                waiting.append((rows, [pool.submit(self.decoder.decode, self.paths[row]) for row in rows]))
                if len(waiting) > num_ahead:
                    yield self._collect(*waiting.popleft())
            while waiting:
                yield self._collect(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def check_readable(self) -> None:
        """Check that no photograph has been unreadable so far.

        Raises:
            UnreadablePhotographsError: some cannot be read; the message has their number and names five of them.
        """
        if self.errors:
            raise UnreadablePhotographsError(describe_unreadable([self.errors[row] for row in sorted(self.errors)]))

    def part(self, rows: np.ndarray) -> "PhotographStream":
        """Return a stream of the photographs with the row numbers (P,), which are numbered from 0 in it."""
        return PhotographStream([self.paths[row] for row in rows], self.decoder, self.workers)

    def include(self, part: "PhotographStream", rows: np.ndarray) -> None:
        """Add the hashes, errors and remarks of a stream from `part`, whose photographs have the row numbers (P,)."""
        self.hashes |= {int(rows[row]): sha256 for row, sha256 in part.hashes.items()}
        self.errors |= {int(rows[row]): error for row, error in part.errors.items()}
        self.remarks |= part.remarks

    def contents(self, originals: Mapping[Path, str]) -> tuple[str, ...]:
        """SHA-256 of each readable photograph, in the order of the rows.

        Args:
            originals: SHA-256 of the originals of preprocessed files, by path, which replace those of the files.
        """
        return tuple(originals.get(self.paths[row], self.hashes[row]) for row in sorted(self.hashes))

    def _collect(self, rows: np.ndarray, decoded: Sequence[Future[SquarePhotograph]]) -> dict[int, Photograph]:
        squares: dict[int, Photograph] = {}
        for row, future in zip(rows.tolist(), decoded, strict=True):
            try:
                photograph = future.result()
            except DrkitError as error:
                self.errors[row] = error
                continue
            self.hashes[row] = photograph.sha256
            self.remarks[str(self.paths[row])] = photograph.remarks
            squares[row] = photograph.pixels
        return squares
