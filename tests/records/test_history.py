"""The history CSV: round trip, and damaged files are refused."""

from dataclasses import asdict
from pathlib import Path

import pytest

from drkit.errors import InputError
from drkit.records.history import COLUMNS, EpochFigures, read_history, write_history

FIGURES = [
    EpochFigures(
        epoch=1,
        split="train",
        fold=None,
        seed=None,
        loss=0.75,
        quadratic_weighted_kappa=0.5,
        plain_kappa=0.25,
        accuracy=0.625,
        learning_rate=1e-3,
    ),
    EpochFigures(
        epoch=1,
        split="val",
        fold=1,
        seed=7,
        loss=0.5,
        quadratic_weighted_kappa=0.75,
        plain_kappa=0.375,
        accuracy=0.5,
        learning_rate=1e-3,
    ),
]


def test_writing_and_reading_changes_nothing(tmp_path: Path) -> None:
    write_history(FIGURES, tmp_path / "a.history.csv", force=False)
    rows = read_history(tmp_path / "a.history.csv")
    assert tuple(rows.columns) == COLUMNS
    known = [asdict(item) for item in FIGURES]
    assert rows.astype(object).where(rows.notna(), None).to_dict("records") == known


def test_a_history_of_an_older_version_has_no_seeds(tmp_path: Path) -> None:
    path = tmp_path / "a.history.csv"
    write_history(FIGURES, path, force=False)
    rows = read_history(path)
    rows.drop(columns="seed").to_csv(path, index=False)
    old = read_history(path)
    assert tuple(old.columns) == COLUMNS
    assert old["seed"].isna().all()
    assert old.drop(columns="seed").equals(rows.drop(columns="seed"))


def test_a_line_that_is_too_long_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.history.csv"
    path.write_text(f"{','.join(COLUMNS)}\n{'1,' * 8}1\n{'1,' * 20}\n")
    with pytest.raises(InputError, match=r"a\.history\.csv") as refused:
        read_history(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x00\xff\xfe", (",".join(COLUMNS) + "\n").encode()])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.history.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.history\.csv"):
        read_history(path)
