"""Photographs are decoded at most a few batches ahead, however many there are."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drkit.data.stream import MIN_AHEAD, PhotographStream, SquareDecoder, SquarePhotograph
from drkit.images.disc import square_about_disc
from drkit.images.files import encode_photograph, read_photograph
from drkit.images.filters import apply_steps

NUM_PHOTOGRAPHS = 12
BATCHES = np.arange(NUM_PHOTOGRAPHS).reshape(6, 2)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    generator, paths = np.random.default_rng(0), []
    for number in range(NUM_PHOTOGRAPHS):
        photograph = np.zeros((40, 60, 3), np.uint8)
        photograph[5:35, 10:45] = generator.integers(60, 255, (30, 35, 3))
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encode_photograph(photograph, ".png"))
    return paths


class CountingDecoder(SquareDecoder):
    """Counts the photographs that it was given."""

    started = 0

    def decode(self, path: Path) -> SquarePhotograph:
        CountingDecoder.started += 1
        return super().decode(path)


def test_a_stream_gives_the_squares_and_hashes_of_the_files(paths: list[Path]) -> None:
    stream = PhotographStream(paths, SquareDecoder(32, ("gamma:gamma=2",)), workers=3)
    order = np.random.default_rng(1).permutation(NUM_PHOTOGRAPHS).reshape(4, 3)
    for rows, squares in zip(order, stream.read(list(order)), strict=True):
        assert list(squares) == rows.tolist()
        for row, square in squares.items():
            filtered = apply_steps(read_photograph(paths[row]), ("gamma:gamma=2",))
            assert np.array_equal(square, square_about_disc(filtered, 32))
    hashes = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    assert stream.contents({}) == hashes
    assert stream.contents({paths[1]: "original"}) == (hashes[0], "original", *hashes[2:])


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_is_decoded_than_the_next_batches(paths: list[Path], workers: int) -> None:
    CountingDecoder.started = 0
    stream = PhotographStream(paths, CountingDecoder(32), workers)
    for number, _ in enumerate(stream.read(list(BATCHES))):
        assert CountingDecoder.started <= (number + 1 + MIN_AHEAD) * BATCHES.shape[1]


def test_photographs_that_are_no_longer_needed_are_not_decoded(paths: list[Path]) -> None:
    CountingDecoder.started = 0
    squares = PhotographStream(paths, CountingDecoder(32), workers=1).read(list(BATCHES))
    next(squares)
    squares.close()  # type: ignore[attr-defined]
    assert CountingDecoder.started < NUM_PHOTOGRAPHS
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_unreadable_photographs_are_left_out_and_reported(paths: list[Path]) -> None:
    for row in (0, 1, 7):
        paths[row].write_bytes(b"no photograph")
    stream = PhotographStream(paths, SquareDecoder(32), workers=2)
    readable = [list(squares) for squares in stream.read(list(BATCHES))]
    assert readable == [[], [2, 3], [4, 5], [6], [8, 9], [10, 11]]
    assert sorted(stream.errors) == [0, 1, 7]
    assert "7.png is no photograph" in str(stream.errors[7])
    assert len(stream.contents({})) == NUM_PHOTOGRAPHS - 3


def test_a_fault_that_is_no_refusal_is_raised(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    broken: Callable[..., None] = fail
    monkeypatch.setattr(SquareDecoder, "decode", broken)
    with pytest.raises(ZeroDivisionError):
        list(PhotographStream(paths, SquareDecoder(32)).read(list(BATCHES)))
