"""Files whose content differs from what a record states."""

import json
from pathlib import Path

import pytest

from drkit.auditing.integrity import find_changed_files
from drkit.errors import InputError
from drkit.records.comparisons import write_comparison


@pytest.fixture
def comparison(tmp_path: Path) -> Path:
    """Files of a run, one of them in another folder; their contents do not matter."""
    files = [tmp_path / "runs" / "a.parquet", tmp_path / "old" / "a.parquet"]
    for number, path in enumerate(files):
        path.parent.mkdir()
        path.write_text(str(number))
    record = tmp_path / "runs" / "a.comparison.json"
    write_comparison(record, {"comparison": {"difference": 0.1}}, files, force=False)
    return record


def _told(record: Path) -> list[str]:
    return [finding.sentence for finding in find_changed_files(record)]


def test_unchanged_files_are_no_finding(comparison: Path) -> None:
    assert _told(comparison) == []
    assert list(json.loads(comparison.read_text())["files"]) == ["a.parquet", "../old/a.parquet"]


def test_a_changed_file_and_a_missing_one_are_found(comparison: Path) -> None:
    comparison.with_name("a.parquet").write_text("another")
    (comparison.parent.parent / "old" / "a.parquet").unlink()
    changed, gone = _told(comparison)
    assert "a.parquet does not match its SHA-256" in changed
    assert "which does not exist" in gone


@pytest.mark.parametrize("content", ["[]", "{", '{"files": ["a.parquet"]}'])
def test_other_files_are_refused_as_a_record(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.comparison.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not the JSON of a run or a comparison"):
        _told(path)
