"""Parquet tables, read only once their headers say that they are what is expected, and no larger than they can be."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drkit.errors import InputError

MOST_VALUES = 2**28  # in a table: a few bytes can stand for any number of equal ones
MOST_LETTERS = 2**28  # in a column of text, likewise


def read_table(path: Path, check: Callable[[pa.Schema], None]) -> pa.Table:
    """Read a whole table.

    Args:
        path: The parquet.
        check: Refuses a schema, metadata included, that is not the one that is expected.

    Raises:
        InputError: missing, no parquet, not a whole one, or more in it than fits; and what `check` raises.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            check(schema)
            _check_amount(file.metadata, path)
        texts = [item.name for item in schema if pa.types.is_string(item.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read()  # each different text once
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a parquet file, or not a whole one: {reason}") from None
    for name in texts:
        _check_letters(table[name], name, path)
    return table.cast(schema)


def _check_amount(metadata: pq.FileMetaData, path: Path) -> None:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    if max(values, metadata.num_rows) > MOST_VALUES:
        raise _too_much(f"{values} values", path)


def _check_letters(column: pa.ChunkedArray, name: str, path: Path) -> None:
    longest = max((pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0 for chunk in column.chunks), default=0)
    if longest * len(column) > MOST_LETTERS:
        raise _too_much(f"texts of {longest} letters in {name}", path)


def _too_much(what: str, path: Path) -> InputError:
    return InputError(f"{path} holds {what}, more than drkit writes: make it again")
