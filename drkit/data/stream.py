"""Photographs decoded in threads, a few batches ahead of the work that uses them, and then dropped."""

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

NUM_TIMED = 8  # photographs that the time of decoding is estimated from
MIN_AHEAD = 2  # batches that are decoded while one is used


@dataclass(frozen=True)
class SquarePhotograph:
    """A decoded photograph.

    Args:
        pixels: uint8 (S, S, 3) RGB, squared about the fundus disc.
        sha256: Of the file.
        remarks: What should be known of the file.
    """

    pixels: Photograph
    sha256: str
    remarks: tuple[FileRemark, ...]


@dataclass(frozen=True)
class SquareDecoder:
    """Decodes photographs, filters them, and cuts each to the square about its fundus disc.

    Args:
        side: Side of the squares in pixels.
        steps: What `drkit preprocess` would still have to do to the photographs.
        round_discs: Undo the squashing of photographs whose discs are ellipses.
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
    """Measure the seconds that a thread takes for one photograph: the median of a few, spread over the data set.

    Args:
        paths: N photographs.
        decoder: Makes squares of them.

    Returns:
        None where none of the few can be read.
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
        paths: N photographs.
        decoder: Makes squares of them.
        workers: Threads; None: one per allowed CPU.

    Attributes:
        hashes: SHA-256 of the file of every photograph that was read, by row number.
        errors: Why the others could not be read, by row number.
        remarks: What should be known of the files, by path.
    """

    def __init__(self, paths: Sequence[Path], decoder: SquareDecoder, workers: int | None = None) -> None:
        self.paths, self.decoder, self.workers = paths, decoder, workers
        self.hashes: dict[int, str] = {}
        self.errors: dict[int, DrkitError] = {}
        self.remarks: dict[str, tuple[FileRemark, ...]] = {}

    def read(self, batches: Sequence[np.ndarray]) -> Iterator[Mapping[int, Photograph]]:
        """Decode batches of photographs, each given by its row numbers.

        Yields:
            For each batch the squares (S, S, 3) of its readable photographs, by row number.
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
        """Include the notes of the stream of the photographs with the row numbers (P,)."""
        self.hashes |= {int(rows[row]): sha256 for row, sha256 in part.hashes.items()}
        self.errors |= {int(rows[row]): error for row, error in part.errors.items()}
        self.remarks |= part.remarks

    def contents(self, originals: Mapping[Path, str]) -> tuple[str, ...]:
        """SHA-256 of each readable photograph, in the order of the rows.

        Args:
            originals: SHA-256 of what preprocess made a photograph from, which then counts instead of the file.
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
