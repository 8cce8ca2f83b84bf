"""The columns of predictions.parquet: their types and their ranges."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from drkit.errors import InputError
from drkit.grades import EYES, MAX_GRADE, NUM_GRADES, SPLITS
from drkit.records.labels import DATASET

PROBABILITY_COLUMNS = tuple(f"prob_{grade}" for grade in range(NUM_GRADES))
SUM_TOLERANCE = 1e-3

SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string()),
        pa.field("eye", pa.string()),
        pa.field("view", pa.int16()),
        pa.field("split", pa.string(), nullable=False),
        pa.field("fold", pa.int16()),
        pa.field("eye_grade", pa.int8()),
        pa.field("patient_grade", pa.int8()),
        *(pa.field(name, pa.float32(), nullable=False) for name in PROBABILITY_COLUMNS),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("predicted_grade", pa.int8(), nullable=False),
    ]
)
_DATASET = pa.field(DATASET, pa.string(), nullable=False)
PANDAS_TYPES = {
    pa.string(): "string",
    pa.int16(): "Int16",
    pa.int8(): "Int8",
    pa.float32(): "float32",
}


def schema_of(columns: Iterable[str]) -> pa.Schema:
    """`SCHEMA`, with `dataset` at the end if it is among `columns`."""
    return SCHEMA.append(_DATASET) if DATASET in columns else SCHEMA


def check_columns(schema: pa.Schema, further: Collection[str], path: Path) -> None:
    """Check that a parquet file has the columns of `schema_of` with their types, and no others except `further`.

    Raises:
        InputError: a column is missing, unknown, or has another type.
    """
    expected = schema_of(schema.names)
    unknown = [name for name in schema.names if name not in expected.names and name not in further]
    missing = [name for name in expected.names if name not in schema.names]
    for problem, names in (("is missing", missing), ("is unknown", unknown)):
        if names:
            raise InputError(f"{path}: column {names[0]} {problem} (number of such columns: {len(names)})")
    for item in expected:
        column_type = schema.field(item.name).type
        if column_type != item.type:
            raise InputError(f"{path}: column {item.name} is {column_type}, expected {item.type}")


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Convert rows to the nullable pandas types of `schema_of`; `predicted_grade` is int8 if none is null."""
    types = {item.name: PANDAS_TYPES[item.type] for item in schema_of(rows.columns)}
    converted = rows.astype(types)
    if converted["predicted_grade"].notna().all():
        converted["predicted_grade"] = converted["predicted_grade"].astype("int8")
    return converted.reset_index(drop=True)


def check_rows(rows: pd.DataFrame, source: str) -> None:
    """Check ids, words, ranges and sums of probabilities.

    Raises:
        InputError: there are no rows, an id is repeated, a required value is null, or a value is off its range.
    """
    if rows.empty:
        raise InputError(f"{source}: no rows, expected one for each photograph")
    for column in (item.name for item in schema_of(rows.columns) if not item.nullable):
        refuse_rows(rows, rows[column].isna(), column, "is empty", source)
    refuse_rows(rows, rows["image_id"].duplicated(), "image_id", "occurs twice, expected each once", source)
    for column, allowed in (("split", SPLITS), ("eye", EYES)):
        unknown = rows[column].notna() & ~rows[column].isin(allowed)
        refuse_rows(rows, unknown, column, f"is not one of {', '.join(allowed)}", source)
    _check_numbers(rows, source)
    _check_sums(rows, source)


def _check_numbers(rows: pd.DataFrame, source: str) -> None:
    grades = dict.fromkeys(("eye_grade", "patient_grade", "score", "predicted_grade"), MAX_GRADE)
    for column, maximum in {**grades, **dict.fromkeys(PROBABILITY_COLUMNS, 1)}.items():
        tolerance = SUM_TOLERANCE if column in PROBABILITY_COLUMNS else 0
        is_inside = rows[column].between(-tolerance, maximum + tolerance) | rows[column].isna()
        refuse_rows(rows, ~is_inside.fillna(False), column, f"is outside the range 0-{maximum}", source)
    refuse_rows(rows, (rows["fold"] < 0).fillna(False), "fold", "is negative", source)


def _check_sums(rows: pd.DataFrame, source: str) -> None:
    sums = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32).astype(np.float64).sum(1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        raise InputError(
            f"{source}, {_locate(rows, int(off.argmax()))}: prob_0 to prob_{MAX_GRADE} sum to"
            f" {sums[off.argmax()]:.4g}, expected 1 ({int(off.sum())} such rows)"
        )


def refuse_rows(rows: pd.DataFrame, wrong: pd.Series, column: str, problem: str, source: str) -> None:
    """Raise an error for the first wrong row.

    Args:
        rows: N rows of predictions.
        wrong: bool (N,), whether the row is wrong.
        column: The column in which it is wrong.
        problem: What is wrong, as a predicate of the column's value.
        source: The file, for the message.

    Raises:
        InputError: at least one row is wrong.
    """
    if not wrong.any():
        return
    index = int(wrong.to_numpy(dtype=bool).argmax())
    cell = rows[column].iloc[index]
    value = f" '{cell}'" if np.ndim(cell) == 0 and pd.notna(cell) else ""
    count = f" ({int(wrong.sum())} such rows)"
    raise InputError(f"{source}, {_locate(rows, index)}: {column}{value} {problem}{count}")


def _locate(rows: pd.DataFrame, index: int) -> str:
    return f"row {index + 1} (image {rows['image_id'].iloc[index]})"
