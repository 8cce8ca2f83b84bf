"""The photographs that a packaged run was trained on: round trip."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drkit.errors import InputError, OutputExistsError
from drkit.records.seen import SeenPhotographs, read_seen, write_seen


@pytest.fixture
def seen() -> SeenPhotographs:
    hashes = np.random.default_rng(0).integers(0, 2**63, (3, 3, 4), dtype=np.uint64)
    hashes[1] = 0
    contents = tuple(f"{number:064x}" for number in (1, 2, 2**200))
    return SeenPhotographs(
        ("APTOS2019", "IDRiD", "IDRiD"), ("0a", "b", "c"), contents, hashes, np.array([True, False, True])
    )


def test_writing_and_reading_change_nothing(seen: SeenPhotographs, tmp_path: Path) -> None:
    write_seen(seen, tmp_path / "x.seen.parquet", force=False)
    again = read_seen(tmp_path / "x.seen.parquet")
    assert (again.datasets, again.names, again.sha256) == (seen.datasets, seen.names, seen.sha256)
    assert np.array_equal(again.hashes, seen.hashes)
    assert again.is_hashed.tolist() == [True, False, True]
    assert len(again) == 3


def test_a_table_that_is_there_is_kept(seen: SeenPhotographs, tmp_path: Path) -> None:
    write_seen(seen, tmp_path / "x.seen.parquet", force=False)
    with pytest.raises(OutputExistsError):
        write_seen(seen, tmp_path / "x.seen.parquet", force=False)


@pytest.mark.parametrize("broken", ["missing", "text", "another table"])
def test_other_files_are_refused_as_a_table_of_seen_photographs(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "x.seen.parquet"
    if broken == "text":
        path.write_text("seen")
    if broken == "another table":
        pq.write_table(pa.table({"image_id": ["a"]}), path)
    with pytest.raises(InputError, match=r"x\.seen\.parquet is not a table of seen photographs"):
        read_seen(path)
