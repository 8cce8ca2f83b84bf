"""Parquet tables that would need more memory than is available are refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drkit.errors import InputError
from drkit.records.parquet import read_table

READER = """
import sys
from pathlib import Path
from drkit.errors import InputError
from drkit.records.predictions import read_predictions
try:
    read_predictions(Path(sys.argv[1]))
    print("read")
except InputError:
    print("refused")
"""
COMPATIBILITY = Path(__file__).parents[1] / "compatibility" / "version_1"
SCHEMA = pa.schema([pa.field("name", pa.string()), pa.field("grade", pa.int8())], metadata={"drkit": "{}"})


def accept(schema: pa.Schema) -> None:
    assert schema == SCHEMA


def test_a_table_is_read_back_unchanged(tmp_path: Path) -> None:
    table = pa.table([["a", None, "ä" * 300, ""], [0, 1, None, 4]], schema=SCHEMA)
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    table_read = read_table(path, accept)
    assert table_read.equals(table)
    assert table_read.schema.equals(SCHEMA, check_metadata=True)


def test_an_empty_table_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(SCHEMA.empty_table(), path)
    assert read_table(path, accept).equals(SCHEMA.empty_table())


def test_rows_that_are_not_there_are_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drkit.records.parquet.MAX_VALUES", 2**22)
    path = tmp_path / "a.parquet"
    rows = pa.table([pa.array(["a"] * 2**21), pa.array(np.zeros(2**21, np.int8))], schema=SCHEMA)
    pq.write_table(rows, path, compression="zstd")
    assert path.stat().st_size < 50_000
    assert len(read_table(path, accept)) == 2**21
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 1)]), path, compression="zstd")
    with pytest.raises(InputError, match=r"a\.parquet holds 4194306 values, more than drkit writes"):
        read_table(path, accept)


def test_damaged_sizes_of_a_column_do_not_end_the_process(tmp_path: Path) -> None:
    """pyarrow 26 aborts when it describes this column; older versions ignore its sizes."""
    content = bytearray((COMPATIBILITY / "one.parquet").read_bytes())
    content[2254] ^= 0x44  # the length of a histogram of levels
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", READER, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("read", "refused")


def test_a_long_text_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    index = pa.DictionaryArray.from_arrays(pa.array(np.zeros(3000, np.int32)), pa.array(["a" * 100_000]))
    written = pa.table([index, pa.array(np.zeros(3000, np.int8))], names=SCHEMA.names)
    pq.write_table(written.replace_schema_metadata(SCHEMA.metadata), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 10_000
    with pytest.raises(
        InputError, match=r"a\.parquet holds texts of 100000 characters in name, more than drkit writes"
    ):
        read_table(path, accept)


def test_a_table_that_is_refused_by_its_schema_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(schema: pa.Schema) -> None:
        raise InputError("not this one")

    def read(*_: object) -> None:
        raise AssertionError

    path = tmp_path / "a.parquet"
    pq.write_table(SCHEMA.empty_table(), path)
    monkeypatch.setattr(pq.ParquetFile, "read", read)
    with pytest.raises(InputError, match="not this one"):
        read_table(path, refuse)
