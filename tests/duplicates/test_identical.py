"""Identical files are found without reading files of different sizes."""

from pathlib import Path

import pytest

from drkit.duplicates.identical import number_contents


def test_only_files_of_one_size_are_read_and_equal_bytes_have_equal_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for path, content in zip(paths, (b"xx", b"yy", b"longer", b"xx"), strict=True):
        path.write_bytes(content)
    assert number_contents(paths).tolist() == [0, 1, 2, 0]
    assert number_contents(paths, {paths[0]: "1", paths[2]: "1"}).tolist() == [0, 1, 0, 2]
    read = []
    monkeypatch.setattr("drkit.duplicates.identical.read_content", lambda path: read.append(path) or b"")
    number_contents(paths)
    assert read == [paths[0], paths[1], paths[3]]


def test_a_file_that_cannot_be_opened_is_like_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"xx")
    (tmp_path / "b").write_bytes(b"xx")
    paths = [tmp_path / name for name in ("gone", "a", "lost", "b")]
    assert number_contents(paths).tolist() == [0, 1, 2, 1]
