"""The history CSV comes back as it was written."""

from dataclasses import asdict
from pathlib import Path

import pytest

from drkit.errors import InputError
from drkit.records.history import COLUMNS, EpochFigures, read_history, write_history

FIGURES = [
    EpochFigures(1, "train", None, 0.75, 0.5, 0.25, 0.625, 1e-3),
    EpochFigures(1, "val", None, 0.5, 0.75, 0.375, 0.5, 1e-3),
]


def test_writing_and_reading_changes_nothing(tmp_path: Path) -> None:
    write_history(FIGURES, tmp_path / "a.history.csv", force=False)
    rows = read_history(tmp_path / "a.history.csv")
    assert tuple(rows.columns) == COLUMNS
    known = [{key: value for key, value in asdict(item).items() if key != "fold"} for item in FIGURES]
    assert rows.drop(columns="fold").to_dict("records") == known
    assert rows["fold"].isna().all()


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x00\xff\xfe", (",".join(COLUMNS) + "\n").encode()])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.history.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.history\.csv"):
        read_history(path)
