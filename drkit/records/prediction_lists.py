"""Columns of predictions.parquet with an array in each cell: embeddings, and the predictions of each seed."""

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
# Type of the numbers in a cell, and number of its axes: (D,), (S,) and (S, 5).
LISTS: dict[str, tuple[pa.DataType, int]] = {
    EMBEDDING: (pa.float16(), 1),
    SEED_SCORE: (pa.float32(), 1),
    SEED_PROBABILITIES: (pa.float32(), 2),
}


def stack_lists(rows: pd.DataFrame, name: str) -> NDArray[Any]:
    """Stack a column of arrays of equal shape to (N, ...)."""
    return np.stack(rows[name].tolist())


def to_arrow(values: NDArray[Any]) -> pa.FixedSizeListArray:
    """Convert (N, ...) to N fixed-size lists, nested if there are several further axes."""
    array = pa.array(values.ravel())
    for length in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, length)
    return array


def from_arrow(column: pa.ChunkedArray, name: str, path: Path) -> list[NDArray[Any]]:
    """Convert a column of N fixed-size lists to N arrays.

    Args:
        column: A column from `to_arrow`.
        name: Name of the column, one of `LISTS`.
        path: The file, for the message.

    Raises:
        InputError: the column has another type, or empty cells.
    """
    shape = list_shape(column.type, name, path)
    if column.null_count:
        raise InputError(f"{path}: column {name} has {column.null_count} empty rows")
    flat = column.combine_chunks()
    for _ in shape:
        flat = flat.flatten()
    return list(flat.to_numpy(zero_copy_only=False).reshape(len(column), *shape))


def list_shape(column_type: pa.DataType, name: str, path: Path) -> tuple[int, ...]:
    """The lengths of a column's lists, from the outermost to the innermost.

    Args:
        column_type: Type of the column.
        name: Name of the column, one of `LISTS`.
        path: The file, for the message.

    Raises:
        InputError: the column has another type than `LISTS` says.
    """
    kind, shape = column_type, []
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    expected, num_axes = LISTS[name]
    if kind != expected or len(shape) != num_axes:
        nested = " of such lists" if num_axes > 1 else ""
        raise InputError(f"{path}: column {name} is {column_type}, expected fixed-size lists{nested} of {expected}")
    return tuple(shape)


def check_seeds(rows: pd.DataFrame, seeds: Sequence[int], source: str) -> None:
    """Check that each row has a score and probabilities of each seed, with the row's score and probabilities as means.

    Raises:
        InputError: columns are missing, values are off their range, or the means differ.
    """
    columns = [name for name in SEED_COLUMNS if name in rows]
    if len(columns) != (len(SEED_COLUMNS) if seeds else 0):
        raise InputError(
            f"{source}: {len(seeds)} seeds, but {', '.join(columns) or 'no'} columns of seeds: train again"
        )
    if not seeds:
        return
    score, probabilities = (stack_lists(rows, name).astype(np.float64) for name in SEED_COLUMNS)  # (N, S), (N, S, 5)
    if score.shape[1] != len(seeds) or probabilities.shape[1:] != (len(seeds), NUM_GRADES):
        raise InputError(
            f"{source}: {SEED_SCORE} and {SEED_PROBABILITIES} have lists of {score.shape[1]} and"
            f" {probabilities.shape[1:]}, expected {len(seeds)} and {(len(seeds), NUM_GRADES)}"
        )
    sums, means = probabilities.sum(-1), rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
    for column, wrong, problem in (
        (SEED_SCORE, ~((score >= 0) & (score <= MAX_GRADE)).all(1), f"is outside the range 0-{MAX_GRADE}"),
        (SEED_PROBABILITIES, (np.abs(sums - 1) > SUM_TOLERANCE).any(1), "does not sum to 1 in each seed"),
        (SEED_SCORE, ~np.isclose(score.mean(1), rows["score"], atol=SUM_TOLERANCE), "does not have score as its mean"),
        (
            SEED_PROBABILITIES,
            ~np.isclose(probabilities.mean(1), means, atol=SUM_TOLERANCE).all(1),
            "does not have prob_0 to prob_4 as its mean",
        ),
    ):
        refuse_rows(rows, pd.Series(wrong), column, problem, source)
