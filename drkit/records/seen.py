"""The photographs that a packaged run was trained on: content, name and perceptual hashes of each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.records.atomic import writing

_HASH_SHAPE = (3, 4)  # for each photograph, see `drkit.duplicates.hashing`
_BYTES = 8 * _HASH_SHAPE[0] * _HASH_SHAPE[1]
SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
        pa.field("hashes", pa.binary(_BYTES)),
    ]
)


@dataclass(frozen=True)
class SeenPhotographs:
    """S photographs that weights were trained on.

    Args:
        datasets: Data set of each photograph.
        names: File name of each photograph there, without suffix.
        sha256: SHA-256 of each file, in hex.
        hashes: uint64 (S, 3, 4), from `hash_photograph`.
        is_hashed: bool (S,); False for a photograph on which nothing is visible, so that its hashes mean nothing.
    """

    datasets: tuple[str, ...]
    names: tuple[str, ...]
    sha256: tuple[str, ...]
    hashes: NDArray[np.uint64]
    is_hashed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.names)


def write_seen(seen: SeenPhotographs, path: Path, *, force: bool) -> None:
    """Write the table.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
    """
    hashes = [one.tobytes() if known else None for one, known in zip(seen.hashes, seen.is_hashed, strict=True)]
    contents = [bytes.fromhex(sha256) for sha256 in seen.sha256]
    table = pa.table([seen.datasets, seen.names, contents, hashes], schema=SCHEMA)
    with writing(path, force=force) as draft:
        pq.write_table(table, draft, compression="zstd")


def read_seen(path: Path) -> SeenPhotographs:
    """Read the table.

    Raises:
        InputError: the file is missing or is not such a table.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a table of seen photographs: {str(error).splitlines()[0]}") from None
    if not table.schema.equals(SCHEMA):
        raise InputError(f"{path} is not a table of seen photographs: expected columns {', '.join(SCHEMA.names)}")
    hashes = [one or bytes(_BYTES) for one in table["hashes"].to_pylist()]
    return SeenPhotographs(
        datasets=tuple(table["dataset"].to_pylist()),
        names=tuple(table["name"].to_pylist()),
        sha256=tuple(content.hex() for content in table["sha256"].to_pylist()),
        hashes=np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, *_HASH_SHAPE),
        is_hashed=table["hashes"].is_valid().to_numpy(),
    )
