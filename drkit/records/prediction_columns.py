"""The columns of predictions.parquet: their types, and what may stand in them."""

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
    """`SCHEMA` for a table with these columns: with `dataset` behind the others where there are several data sets."""
    return SCHEMA.append(_DATASET) if DATASET in columns else SCHEMA


def check_columns(schema: pa.Schema, further: Collection[str], path: Path) -> None:
    """Check that a parquet has the columns of `schema_of` in their types, and no other but `further`.

    Raises:
        InputError: a column too many, too few, or of another type.
    """
    expected = schema_of(schema.names)
    odd = [name for name in schema.names if name not in expected.names and name not in further]
    missing = [name for name in expected.names if name not in schema.names]
    for what, names in (("is missing", missing), ("is not known", odd)):
        if names:
            raise InputError(f"{path}: column {names[0]} {what} (of such: {len(names)})")
    for item in expected:
        found = schema.field(item.name).type
        if found != item.type:
            raise InputError(f"{path}: column {item.name} is {found}, expected {item.type}")


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows in the nullable pandas types of `schema_of`; `predicted_grade` int8 where none is null."""
    types = {item.name: PANDAS_TYPES[item.type] for item in schema_of(rows.columns)}
    found = rows.astype(types)
    if found["predicted_grade"].notna().all():
        found["predicted_grade"] = found["predicted_grade"].astype("int8")
    return found.reset_index(drop=True)


def check_rows(rows: pd.DataFrame, source: str) -> None:
    """Hold what every reader may rely on.

    Raises:
        InputError: no rows, an id twice, a null where none may be, or a value off its range.
    """
    if rows.empty:
        raise InputError(f"{source}: no rows, expected a row a photograph")
    for column in (item.name for item in schema_of(rows.columns) if not item.nullable):
        refuse_rows(rows, rows[column].isna(), column, "is empty", source)
    refuse_rows(rows, rows["image_id"].duplicated(), "image_id", "stands twice, expected each once", source)
    _check_words(rows, source)
    _check_numbers(rows, source)
    _check_sums(rows, source)


def _check_words(rows: pd.DataFrame, source: str) -> None:
    for column, allowed in (("split", SPLITS), ("eye", EYES)):
        odd = rows[column].notna() & ~rows[column].isin(allowed)
        refuse_rows(rows, odd, column, f"is none of {', '.join(allowed)}", source)


def _check_numbers(rows: pd.DataFrame, source: str) -> None:
    highest = dict.fromkeys(("eye_grade", "patient_grade", "score", "predicted_grade"), MAX_GRADE)
    for column, high in {**highest, **dict.fromkeys(PROBABILITY_COLUMNS, 1)}.items():
        slack = SUM_TOLERANCE if column in PROBABILITY_COLUMNS else 0
        inside = rows[column].between(-slack, high + slack) | rows[column].isna()
        refuse_rows(rows, ~inside.fillna(False), column, f"is off the range 0-{high}", source)
    refuse_rows(rows, (rows["fold"] < 0).fillna(False), "fold", "is negative", source)


def _check_sums(rows: pd.DataFrame, source: str) -> None:
    sums = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32).astype(np.float64).sum(1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        place = _place(rows, int(off.argmax()))
        raise InputError(
            f"{source}, {place}: prob_0 to prob_{MAX_GRADE} sum to {sums[off.argmax()]:.4g}, expected 1"
            f" ({int(off.sum())} such rows)"
        )


def refuse_rows(rows: pd.DataFrame, wrong: pd.Series, column: str, what: str, source: str) -> None:
    """Check that none of the rows (N,) is wrong in a column.

    Raises:
        InputError: some are; names the first.
    """
    if not wrong.any():
        return
    index = int(wrong.to_numpy(dtype=bool).argmax())
    cell = rows[column].iloc[index]
    value = f" '{cell}'" if np.ndim(cell) == 0 and pd.notna(cell) else ""
    count = f" ({int(wrong.sum())} such rows)"
    raise InputError(f"{source}, {_place(rows, index)}: {column}{value} {what}{count}")


def _place(rows: pd.DataFrame, index: int) -> str:
    return f"row {index + 1} (image {rows['image_id'].iloc[index]})"
