"""Columns of predictions.parquet with an array in each cell: embeddings, and what each seed's networks say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from drkit.errors import InputError
from drkit.grades import MAX_GRADE, NUM_GRADES
from drkit.records.prediction_columns import PROBABILITY_COLUMNS, SUM_TOLERANCE, refuse_rows

EMBEDDING = "embedding"
SEED_SCORE = "seed_score"
SEED_PROBABILITIES = "seed_probabilities"
SEED_COLUMNS = (SEED_SCORE, SEED_PROBABILITIES)
# What a cell holds: the type of its numbers, and how many axes: (D,), (S,) and (S, 5).
LISTS: dict[str, tuple[pa.DataType, int]] = {
    EMBEDDING: (pa.float16(), 1),
    SEED_SCORE: (pa.float32(), 1),
    SEED_PROBABILITIES: (pa.float32(), 2),
}


def stack_lists(rows: pd.DataFrame, name: str) -> NDArray[Any]:
    """(N, ...) of a column whose cells hold arrays of one shape."""
    return np.stack(rows[name].tolist())


def to_arrow(values: NDArray[Any]) -> pa.FixedSizeListArray:
    """(N, ...) as N fixed-size lists, of lists where there is more than one further axis."""
    array = pa.array(values.ravel())
    for length in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, length)
    return array


def from_arrow(column: pa.ChunkedArray, name: str, path: Path) -> list[NDArray[Any]]:
    """An array for each of N cells.

    Args:
        column: As `to_arrow` made it.
        name: One of `LISTS`.
        path: The file, for the message.

    Raises:
        InputError: other types, or empty cells.
    """
    shape = list_shape(column.type, name, path)
    if column.null_count:
        raise InputError(f"{path}: column {name} has {column.null_count} empty rows")
    flat = column.combine_chunks()
    for _ in shape:
        flat = flat.flatten()
    return list(flat.to_numpy(zero_copy_only=False).reshape(len(column), *shape))


def list_shape(column_type: pa.DataType, name: str, path: Path) -> tuple[int, ...]:
    """The lengths of a column's lists, from the outer to the inner.

    Args:
        column_type: Of the column.
        name: One of `LISTS`.
        path: The file, for the message.

    Raises:
        InputError: it is no column of such lists.
    """
    kind, shape = column_type, []
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    wanted, num_axes = LISTS[name]
    if kind != wanted or len(shape) != num_axes:
        of = " of such lists" if num_axes > 1 else ""
        raise InputError(f"{path}: column {name} is {column_type}, expected fixed-size lists{of} of {wanted}")
    return tuple(shape)


def check_seeds(rows: pd.DataFrame, seeds: Sequence[int], source: str) -> None:
    """Check that each seed has a score and probabilities in each row, and that their means stand beside them.

    Raises:
        InputError: columns or values that are missing or off their range, or means that are others.
    """
    there = [name for name in SEED_COLUMNS if name in rows]
    if len(there) != (len(SEED_COLUMNS) if seeds else 0):
        raise InputError(f"{source}: {len(seeds)} seeds, but columns {', '.join(there) or 'of none'}: train again")
    if not seeds:
        return
    score, shares = (stack_lists(rows, name).astype(np.float64) for name in SEED_COLUMNS)
    if score.shape[1] != len(seeds) or shares.shape[1:] != (len(seeds), NUM_GRADES):
        raise InputError(
            f"{source}: {SEED_SCORE} and {SEED_PROBABILITIES} have lists of {score.shape[1]} and {shares.shape[1:]},"
            f" expected {len(seeds)} and {(len(seeds), NUM_GRADES)}"
        )
    means, probabilities = shares.mean(1), rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
    for column, wrong, what in (
        (SEED_SCORE, ~((score >= 0) & (score <= MAX_GRADE)).all(1), f"is off the range 0-{MAX_GRADE}"),
        (SEED_PROBABILITIES, (np.abs(shares.sum(-1) - 1) > SUM_TOLERANCE).any(1), "does not sum to 1, seed by seed"),
        (SEED_SCORE, ~np.isclose(score.mean(1), rows["score"], atol=SUM_TOLERANCE), "does not have score for its mean"),
        (
            SEED_PROBABILITIES,
            ~np.isclose(means, probabilities, atol=SUM_TOLERANCE).all(1),
            "does not have prob_0 to prob_4 for its mean",
        ),
    ):
        refuse_rows(rows, pd.Series(wrong), column, what, source)
