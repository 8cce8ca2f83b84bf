"""The photograph bank: decoded once, refused together, kept on disk when large."""

import errno
import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from reporters import Recorder

from drkit import progress
from drkit.data import bank
from drkit.data.bank import build_bank
from drkit.data.cache import open_cached
from drkit.errors import DiskFullError, InputError
from drkit.images.disc import square_about_disc
from drkit.images.files import encode_photograph, read_photograph
from drkit.images.filters import apply_steps
from drkit.progress import reporting_to
from drkit.records.labels import Labels, build_rows


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    found = []
    for name in "abc":
        photograph = np.zeros((60, 90, 3), np.uint8)
        photograph[10:50, 20:70] = generator.integers(60, 255, (40, 50, 3))
        found.append(tmp_path / f"{name}.png")
        found[-1].write_bytes(encode_photograph(photograph, ".png"))
    return found


def _labels(paths: list[Path]) -> Labels:
    names = [path.stem for path in paths]
    rows = build_rows(image_id=names, path=[str(path) for path in paths], split=["train"] * len(names))
    return Labels(rows, paths[0].parent, "test", ())


def test_a_bank_holds_each_photograph_and_its_hash(paths: list[Path], tmp_path: Path) -> None:
    made = build_bank(_labels(paths), 32, tmp_path / "cache")
    for row, path in enumerate(paths):
        assert np.array_equal(made.pixels[row], square_about_disc(read_photograph(path), 32))
        assert made.hashes[row] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not (tmp_path / "cache").exists()


def test_a_large_bank_is_kept_on_disk_until_a_photograph_changes(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = build_bank(_labels(paths), 32, tmp_path / "cache")
    monkeypatch.setattr(bank, "MEMORY_SHARE", 0.0)
    on_disk = build_bank(_labels(paths), 32, tmp_path / "cache")
    assert isinstance(on_disk.pixels, np.memmap)
    assert np.array_equal(on_disk.pixels, in_memory.pixels)
    assert on_disk.hashes == in_memory.hashes
    first = sorted((tmp_path / "cache").iterdir())
    build_bank(_labels(paths), 32, tmp_path / "cache")
    assert sorted((tmp_path / "cache").iterdir()) == first
    os.utime(paths[0], (0, 0))
    build_bank(_labels(paths), 32, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2 * len(first)


def test_a_bank_that_fails_leaves_nothing_in_the_cache(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "MEMORY_SHARE", 0.0)
    paths[1].write_bytes(b"no photograph")
    with pytest.raises(InputError, match=r"b\.png is no photograph"):
        build_bank(_labels(paths), 32, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_all_unreadable_photographs_are_counted_and_five_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(7)]
    for path in paths[:6]:
        path.write_bytes(b"")
    with pytest.raises(InputError) as refused:
        build_bank(_labels(paths), 32, tmp_path / "cache")
    message = str(refused.value)
    assert message.startswith("7 photographs cannot be used")
    assert message.count("is empty") == 5
    assert message.endswith("and 2 more: drkit check lists all")


def test_guesses_about_files_are_reported_once(paths: list[Path], tmp_path: Path) -> None:
    recorder = Recorder()
    for path in paths[:2]:
        deep = read_photograph(path).astype(np.uint16) << 4
        path.write_bytes(cv2.imencode(".png", deep)[1].tobytes())
    with reporting_to(recorder):
        build_bank(_labels(paths), 32, tmp_path / "cache")
    (message,) = recorder.notices
    assert message.startswith("the bit depth of 2 photographs was inferred from the largest value: a.png (read as 12")


def test_discs_are_made_round_and_kept_apart_from_those_that_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, columns = np.mgrid[:90, :120]
    disc = ((columns - 60) / 30) ** 2 + ((rows - 45) / 42) ** 2 < 1
    path = tmp_path / "a.png"
    path.write_bytes(encode_photograph((disc[..., None] * np.array([150, 90, 50])).astype(np.uint8), ".png"))
    monkeypatch.setattr(bank, "MEMORY_SHARE", 0.0)  # keeps both on disk
    squashed, made_round = (
        build_bank(_labels([path]), 64, tmp_path / "cache", round_discs=is_round).pixels[0]
        for is_round in (False, True)
    )
    lit = made_round.max(axis=2) > 40
    assert lit.any(axis=0).sum() == pytest.approx(lit.any(axis=1).sum(), abs=2)
    assert np.array_equal(squashed, square_about_disc(read_photograph(path), 64))
    assert np.array_equal(made_round, square_about_disc(read_photograph(path), 64, round_disc=True))


def test_steps_are_applied_before_the_square(paths: list[Path], tmp_path: Path) -> None:
    steps = ("green", "gamma:gamma=2")
    made = build_bank(_labels(paths), 32, tmp_path / "cache", steps=steps)
    for row, path in enumerate(paths):
        assert np.array_equal(made.pixels[row], square_about_disc(apply_steps(read_photograph(path), steps), 32))
    assert not np.array_equal(made.pixels, build_bank(_labels(paths), 32, tmp_path / "cache").pixels)


def test_a_new_version_of_a_step_from_a_package_needs_another_bank(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "MEMORY_SHARE", 0.0)
    for version in ("lab 1.0", "lab 1.0", "lab 2.0"):
        monkeypatch.setattr(bank.FILTERS, "packages", lambda names, version=version: dict.fromkeys(names, version))
        build_bank(_labels(paths), 32, tmp_path / "cache", steps=("gamma:gamma=2",))
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


def test_a_cache_allocates_its_disk_space_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing to a mapped file that does not fit on the disk would kill the process."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskFullError, match=r"key\.npy cannot be written, the disk is full"):
        open_cached(tmp_path, "key", (4, 4), lambda _: pytest.fail("was filled"))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_preallocation_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    array, notes = open_cached(tmp_path, "key", (2, 2), lambda array: (str(array.sum()),))
    assert (array.tolist(), notes) == ([[0, 0], [0, 0]], ("0",))


@pytest.mark.parametrize(
    "damage",
    [
        lambda array, notes: array.unlink(),
        lambda array, notes: array.write_bytes(array.read_bytes()[:-1]),
        lambda array, notes: array.write_bytes(array.read_bytes()[:-1] + b"x"),
        lambda array, notes: array.write_bytes(b""),
        lambda array, notes: notes.write_bytes(b""),
        lambda array, notes: notes.write_text("[]"),
        lambda array, notes: notes.write_text('{"array_sha256": 3}'),
        lambda array, notes: notes.write_text('{"array_sha256": "' + "0" * 64 + '", "notes": []}'),
        lambda array, notes: notes.write_bytes(b"\xff\xfe"),
        lambda array, notes: notes.write_text("[" * 100_000),
    ],
)
def test_a_damaged_cache_is_rebuilt_with_a_message(tmp_path: Path, damage: Callable[[Path, Path], object]) -> None:
    def fill(array: np.ndarray) -> tuple[str, ...]:
        array[:] = 7
        return ("note",)

    open_cached(tmp_path, "key", (2, 3), fill)
    damage(tmp_path / "key.npy", tmp_path / "key.json")
    reported = Recorder()
    with progress.reporting_to(reported):
        array, notes = open_cached(tmp_path, "key", (2, 3), fill)
    assert (array.tolist(), notes) == ([[7] * 3] * 2, ("note",))
    assert reported.notices == [
        f"{tmp_path / 'key.npy'} is damaged, or from an older version of drkit: it is made again"
    ]
    open_cached(tmp_path, "key", (2, 3), lambda _: pytest.fail("was filled again"))


def test_two_processes_build_the_same_cache_once(tmp_path: Path) -> None:
    filled = []

    def fill(array: np.ndarray) -> tuple[str, ...]:
        filled.append(True)
        time.sleep(0.5)
        array[:] = 1
        return ()

    with ThreadPoolExecutor(2) as pool:
        arrays = list(pool.map(lambda _: open_cached(tmp_path, "key", (3,), fill)[0], range(2)))
    assert (len(filled), [array.tolist() for array in arrays]) == (1, [[1] * 3] * 2)
