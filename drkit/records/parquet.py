"""Reading of parquet tables whose headers are checked first for schema and size."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drkit.errors import InputError

MAX_VALUES = 2**28  # in a table, because a few bytes can encode any number of equal values
MAX_CHARACTERS = 2**28  # in a column of text, for the same reason


def read_table(path: Path, check: Callable[[pa.Schema], None]) -> pa.Table:
    """Read a table.

    Args:
        path: The parquet file.
        check: Raises an error if the schema, with its metadata, is not the expected one.

    Raises:
        InputError: the file is missing, not parquet, truncated or too large, or an error of `check`.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            check(schema)
            file.scan_contents()  # of damaged columns it raises errors; reading their metadata would end the process
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
            if max(values, file.metadata.num_rows) > MAX_VALUES:
                raise _too_large(f"{values} values", path)
        texts = [item.name for item in schema if pa.types.is_string(item.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read()  # stores each distinct text once
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a parquet file, or is truncated: {reason}") from None
    for name in texts:
        lengths = [pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0 for chunk in table[name].chunks]
        longest = max(lengths, default=0)
        if longest * len(table) > MAX_CHARACTERS:
            raise _too_large(f"texts of {longest} characters in {name}", path)
    return table.cast(schema)


def _too_large(content: str, path: Path) -> InputError:
    return InputError(f"{path} holds {content}, more than drkit writes: make it again")
