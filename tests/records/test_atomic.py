"""Files appear complete or not at all, and never replace another without force."""

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from drkit.errors import DiskFullError, InputError, OutputExistsError
from drkit.records.atomic import check_writable, write_bytes, writing


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    def fail_half_way(draft: Path) -> None:
        draft.write_text("half")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"), writing(tmp_path / "a.txt", force=False) as draft:
        fail_half_way(draft)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_bytes(path, b"first", force=False)
    with pytest.raises(OutputExistsError, match="--force"):
        write_bytes(path, b"second", force=False)
    assert path.read_bytes() == b"first"
    write_bytes(path, b"second", force=True)
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_came_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def be_overtaken(draft: Path) -> None:
        draft.write_text("mine")
        path.write_text("theirs")

    with pytest.raises(OutputExistsError, match="meanwhile"), writing(path, force=False) as draft:
        be_overtaken(draft)
    assert path.read_text() == "theirs"


def test_a_folder_and_a_file_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path, force=True)
    with pytest.raises(InputError, match="is a file, so"):
        check_writable(tmp_path / "file" / "x" / "y.csv", force=True)


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / f"{'é' * 125}.jpg"  # 254 bytes
    write_bytes(path, b"content", force=False)
    assert path.read_bytes() == b"content"


def test_a_name_that_is_too_long_is_refused_early(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"too long\): choose another name"):
        check_writable(tmp_path / f"{'x' * 256}.csv", force=True)


# A full disk.


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=["full", "quota", "a library's words"],
)
def test_a_full_disk_is_reported_and_existing_files_are_kept(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    message = r"a\.txt cannot be written, the disk is full: .* were free: free some space"

    def fail(draft: Path) -> None:
        draft.write_text("half")
        raise error

    with pytest.raises(DiskFullError, match=message), writing(path, force=True) as draft:
        fail(draft)
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_the_missing_disk_space_is_reported_for_the_errors_of_all_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=700_000))
    message = r"700 kB were free, 2\.1 MB are needed and 1\.4 MB missing"
    with pytest.raises(DiskFullError, match=message), writing(tmp_path / "a", force=False, size=2_100_000):
        raise RuntimeError("unexpected pos 64 vs 0")
    with pytest.raises(RuntimeError, match="a bug"), writing(tmp_path / "a", force=False, size=600_000):
        raise RuntimeError("a bug")
