"""predictions.parquet: a row a photograph, what was known of it and how it was graded."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from drkit.decisions import DECISIONS, decide
from drkit.errors import InputError, UsageError, first_few
from drkit.grades import EYES, MAX_GRADE, NUM_GRADES, SPLITS, TARGETS, Split, Target, grade_column
from drkit.records.atomic import writing
from drkit.records.labels import Labels
from drkit.records.patterns import expand_patterns
from drkit.records.provenance import METADATA_KEY, canonical_json
from drkit.records.runs import FILE_SUFFIX, Run

SCHEMA_VERSION = 1
PROBABILITY_COLUMNS = tuple(f"prob_{grade}" for grade in range(NUM_GRADES))
EMBEDDING = "embedding"
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
PANDAS_TYPES = {
    pa.string(): "string",
    pa.int16(): "Int16",
    pa.int8(): "Int8",
    pa.float32(): "float32",
}


@dataclass(frozen=True)
class PredictionsMeta:
    """What is the same for the same work, in the parquet's one metadata key.

    Args:
        target: Whose grade was predicted.
        unit: What one forward pass saw: image, eye or patient.
        decision: How a grade was made of probabilities and score, one of `drkit.decisions.DECISIONS`.
        cut_points: The four thresholds of the decision `cut_points`, else None.
        fold_cut_points: The same for the rows of each fold, fitted on the other folds; empty without folds.
        trained_on: Splits the weights were fitted on.
        trained_on_images: Ids of further rows that the weights, or those they began from, were fitted on.
        folds: Number of cross-validation parts, 0 without.
        chosen_on: What picked the epoch or the settings: val, inner, last, ...
        model: The network or the ensemble, in words.
        checkpoint_sha256: Hash of the weights, None for an ensemble.
        labels_sha256: Hash of the labels, None where there were none.
        provenance: Resolved options, seed, drkit version, parents; free JSON.
        schema_version: Of this file.
    """

    target: Target
    unit: str
    decision: str
    cut_points: tuple[float, ...] | None
    trained_on: tuple[str, ...]
    folds: int
    chosen_on: str
    model: str
    checkpoint_sha256: str | None
    labels_sha256: str | None
    provenance: dict[str, Any] = field(default_factory=dict)
    trained_on_images: tuple[str, ...] = ()
    fold_cut_points: tuple[tuple[float, ...], ...] = ()
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Predictions:
    """Graded photographs.

    Args:
        rows: A row a photograph, the columns of `SCHEMA` in their nullable pandas types (`predicted_grade`
            int8) and, where it was kept, `embedding` with a float16 array (D,) in each cell.
        meta: How they were graded.
        name: The run's, that is the file's stem.
    """

    rows: pd.DataFrame
    meta: PredictionsMeta
    name: str

    def probabilities(self) -> NDArray[np.float32]:
        """(N, 5), rows summing to 1."""
        return self.rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32)

    def embeddings(self) -> NDArray[np.float16] | None:
        """(N, D) of the photographs' features, or None where they were not kept."""
        if EMBEDDING not in self.rows:
            return None
        return np.stack(self.rows[EMBEDDING].tolist()).astype(np.float16)

    def reference(self) -> pd.Series:
        """The reference grades of the target (Int8, null where unknown), in row order."""
        return self.rows[grade_column(self.meta.target)]

    def patients(self) -> NDArray[np.str_]:
        """(N,) a key a patient; a photograph of nobody known is its own patient."""
        return patient_keys(self.rows)

    def leaked_rows(self) -> NDArray[np.bool_]:
        """(N,) whether the photograph is known to be trained on, or its split was and no fold held it out."""
        by_split = self.rows["split"].isin(self.meta.trained_on)
        by_name = self.rows["image_id"].isin(self.meta.trained_on_images)
        return (by_split & self.rows["fold"].isna() | by_name).to_numpy(dtype=bool)

    def where(self, keep: ArrayLike) -> "Predictions":
        """The rows for which `keep` (N,) is true."""
        return replace(self, rows=self.rows[np.asarray(keep, dtype=bool)].reset_index(drop=True))

    def of_split(self, *splits: Split) -> "Predictions":
        """The photographs of the given splits."""
        return self.where(self.rows["split"].isin(splits))

    def __len__(self) -> int:
        return len(self.rows)


def patient_keys(rows: pd.DataFrame) -> NDArray[np.str_]:
    """(N,) a key a patient, from `patient_id`; where that is null the photograph is its own patient."""
    known, single = "patient " + rows["patient_id"], "photograph " + rows["image_id"]
    return known.fillna(single).to_numpy(dtype=str)


def build_predictions(
    labels: Labels,
    *,
    probabilities: ArrayLike,
    score: ArrayLike,
    meta: PredictionsMeta,
    name: str,
    fold: ArrayLike | None = None,
    predicted_grade: ArrayLike | None = None,
    embedding: ArrayLike | None = None,
) -> Predictions:
    """Put a network's answers beside what is known of the photographs, in the labels' order.

    Args:
        labels: The N photographs that were graded.
        probabilities: (N, 5), rows summing to 1 within 0.001.
        score: (N,) in [0, 4].
        meta: How they were graded; its decision makes the predicted grade.
        name: The run's.
        fold: (N,) the fold that held the row out, null elsewhere; None without folds.
        predicted_grade: (N,) only where the rows were decided each in their own way, as out-of-fold rows
            are whose cut points come from the other folds.
        embedding: (N, D) features to be kept.

    Raises:
        InputError: values off their range, in the words of `check_predictions`.
    """
    shares, scores = np.asarray(probabilities, np.float32), np.asarray(score, np.float32)
    if predicted_grade is None:
        predicted_grade = decide(meta.decision, shares, scores, meta.cut_points)
    known = [column for column in SCHEMA.names if column in labels.rows]
    rows = labels.rows[known].reset_index(drop=True)
    rows["fold"] = pd.NA if fold is None else pd.array(fold, dtype="Int16")
    rows[list(PROBABILITY_COLUMNS)] = shares
    rows["score"] = scores
    rows["predicted_grade"] = np.asarray(predicted_grade)
    rows = _typed(rows[SCHEMA.names])
    if embedding is not None:
        rows[EMBEDDING] = list(np.asarray(embedding, np.float16))
    predictions = Predictions(rows, meta, name)
    check_predictions(predictions, f"predictions of {name}")
    return predictions


def write_predictions(predictions: Predictions, path: Path, *, force: bool = False) -> None:
    """Write a parquet that is byte for byte the same for the same predictions.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        InputError: values off their range.
    """
    check_predictions(predictions, str(path))
    table = _table(predictions)
    with writing(path, force=force) as draft:
        pq.write_table(table, draft, compression="zstd")


def read_predictions(path: Path) -> Predictions:
    """Read predictions and hold what every command may rely on.

    Args:
        path: The parquet, a run's stem, or any of the run's files.

    Raises:
        InputError: no such file, not drkit's predictions, or a value that cannot be; names file, column, row
            (counted from 1) and what was expected.
    """
    found = find_predictions(path)
    table = _read_table(found)
    meta = _read_meta(table.schema.metadata or {}, found)
    _check_columns(table.schema, found)
    rows = _typed(table.select(SCHEMA.names).to_pandas())
    if EMBEDDING in table.column_names:
        rows[EMBEDDING] = _read_embedding(table.column(EMBEDDING), found)
    predictions = Predictions(rows, meta, found.stem)
    check_predictions(predictions, str(found))
    return predictions


def find_predictions(path: Path) -> Path:
    """The parquet that `path`, a run's stem or any of its files, stands for.

    Raises:
        InputError: there is none.
    """
    if path.is_file() and (path.suffix == ".parquet" or not FILE_SUFFIX.search(path.name)):
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected predictions (for example {path / '*.parquet'})")
    beside = Run.of(path).predictions
    if beside.is_file():
        return beside
    missing = path if path.suffix == ".parquet" else beside
    raise InputError(f"{missing} does not exist: expected a predictions file, or the name of a finished run")


def read_all_predictions(paths: Iterable[Path]) -> list[Predictions]:
    """Read several predictions, patterns expanded, each run once, each under a name of its own.

    Raises:
        InputError: as `read_predictions` and `expand_patterns`.
    """
    found = list(dict.fromkeys(find_predictions(path) for path in expand_patterns(paths)))
    stems = [path.stem for path in found]
    return [
        replace(read_predictions(path), name=path.stem if stems.count(path.stem) == 1 else path.as_posix())
        for path in found
    ]


def check_predictions(predictions: Predictions, source: str) -> None:
    """Hold what every reader may rely on.

    Raises:
        InputError: an id twice, a null where none may be, a value off its range, unknown words in the
            metadata.
    """
    rows, meta = predictions.rows, predictions.meta
    _check_meta(meta, source)
    if rows.empty:
        raise InputError(f"{source}: no rows, expected a row a photograph")
    for column in (item.name for item in SCHEMA if not item.nullable):
        _refuse(rows, rows[column].isna(), column, "is empty", source)
    _refuse(rows, rows["image_id"].duplicated(), "image_id", "stands twice, expected each once", source)
    _check_words(rows, source)
    _check_numbers(rows, source)
    _check_sums(predictions, source)


def _check_words(rows: pd.DataFrame, source: str) -> None:
    for column, allowed in (("split", SPLITS), ("eye", EYES)):
        odd = rows[column].notna() & ~rows[column].isin(allowed)
        _refuse(rows, odd, column, f"is none of {', '.join(allowed)}", source)


def _check_numbers(rows: pd.DataFrame, source: str) -> None:
    highest = dict.fromkeys(("eye_grade", "patient_grade", "score", "predicted_grade"), MAX_GRADE)
    for column, high in {**highest, **dict.fromkeys(PROBABILITY_COLUMNS, 1)}.items():
        slack = SUM_TOLERANCE if column in PROBABILITY_COLUMNS else 0
        inside = rows[column].between(-slack, high + slack) | rows[column].isna()
        _refuse(rows, ~inside.fillna(False), column, f"is off the range 0-{high}", source)
    _refuse(rows, (rows["fold"] < 0).fillna(False), "fold", "is negative", source)


def _check_sums(predictions: Predictions, source: str) -> None:
    sums = predictions.probabilities().astype(np.float64).sum(1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        place = _place(predictions.rows, int(off.argmax()))
        raise InputError(
            f"{source}, {place}: prob_0 to prob_{MAX_GRADE} sum to {sums[off.argmax()]:.4g}, expected 1"
            f" ({int(off.sum())} such rows)"
        )


def _refuse(rows: pd.DataFrame, wrong: pd.Series, column: str, what: str, source: str) -> None:
    if not wrong.any():
        return
    index = int(wrong.to_numpy(dtype=bool).argmax())
    value = "" if pd.isna(rows[column].iloc[index]) else f" '{rows[column].iloc[index]}'"
    count = f" ({int(wrong.sum())} such rows)"
    raise InputError(f"{source}, {_place(rows, index)}: {column}{value} {what}{count}")


def _place(rows: pd.DataFrame, index: int) -> str:
    return f"row {index + 1} (image {rows['image_id'].iloc[index]})"


def _check_meta(meta: PredictionsMeta, source: str) -> None:
    words: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
        ("target", [meta.target], TARGETS),
        ("decision", [meta.decision], DECISIONS),
        ("trained_on", meta.trained_on, SPLITS),
    )
    for key, given, allowed in words:
        odd = [word for word in given if word not in allowed]
        if odd:
            raise InputError(f"{source}: metadata {key} '{odd[0]}' is none of {', '.join(allowed)}")
    if meta.decision == "cut_points":
        try:
            for points in (meta.cut_points, *meta.fold_cut_points):
                decide("cut_points", np.eye(NUM_GRADES), np.arange(NUM_GRADES), points)
        except UsageError as error:
            raise InputError(f"{source}: metadata cut_points: {error}") from None


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    types = {item.name: PANDAS_TYPES[item.type] for item in SCHEMA}
    typed = rows.astype(types)
    if typed["predicted_grade"].notna().all():
        typed["predicted_grade"] = typed["predicted_grade"].astype("int8")
    return typed.reset_index(drop=True)


def _table(predictions: Predictions) -> pa.Table:
    rows, schema = predictions.rows, SCHEMA
    arrays = [pa.array(rows[item.name], type=item.type, from_pandas=True) for item in schema]
    features = predictions.embeddings()
    if features is not None:
        flat = pa.array(features.ravel(), type=pa.float16())
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, features.shape[1]))
        schema = schema.append(pa.field(EMBEDDING, arrays[-1].type, nullable=False))
    record = canonical_json(asdict(predictions.meta))
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata({METADATA_KEY: record}))


def _read_table(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a parquet file, or not a whole one: {reason}") from None


def _read_meta(metadata: dict[bytes, bytes], path: Path) -> PredictionsMeta:
    if METADATA_KEY.encode() not in metadata:
        raise InputError(f"{path} is a parquet file, but not predictions of drkit's: it has no key 'drkit'")
    try:
        record = json.loads(metadata[METADATA_KEY.encode()])
        version = record["schema_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: metadata 'drkit' is not what drkit writes") from None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: schema version {version}, this drkit reads {SCHEMA_VERSION}: update drkit")
    return _parse_meta(record, path)


def _parse_meta(record: dict[str, Any], path: Path) -> PredictionsMeta:
    expected = {item.name for item in fields(PredictionsMeta)}
    record.setdefault("fold_cut_points", [])  # files without folds may lack it
    if expected != set(record):
        odd = sorted(expected ^ set(record))
        raise InputError(f"{path}: metadata keys missing or not known: {first_few(odd)}")
    try:
        cut_points = None if record["cut_points"] is None else tuple(map(float, record["cut_points"]))
        lists = {key: tuple(map(str, record[key])) for key in ("trained_on", "trained_on_images")}
        fold_cut_points = tuple(tuple(map(float, points)) for points in record["fold_cut_points"])
    except (TypeError, ValueError):
        raise InputError(f"{path}: metadata cut_points and trained_on must be lists") from None
    return PredictionsMeta(**{**record, "cut_points": cut_points, "fold_cut_points": fold_cut_points, **lists})


def _check_columns(schema: pa.Schema, path: Path) -> None:
    odd = [name for name in schema.names if name not in SCHEMA.names and name != EMBEDDING]
    missing = [name for name in SCHEMA.names if name not in schema.names]
    for what, names in (("is missing", missing), ("is not known", odd)):
        if names:
            raise InputError(f"{path}: column {names[0]} {what} (of such: {len(names)})")
    for item in SCHEMA:
        found = schema.field(item.name).type
        if found != item.type:
            raise InputError(f"{path}: column {item.name} is {found}, expected {item.type}")


def _read_embedding(column: pa.ChunkedArray, path: Path) -> list[NDArray[np.float16]]:
    if not pa.types.is_fixed_size_list(column.type) or column.type.value_type != pa.float16():
        raise InputError(f"{path}: column {EMBEDDING} is {column.type}, expected fixed-size lists of halffloat")
    if column.null_count:
        raise InputError(f"{path}: column {EMBEDDING} has {column.null_count} empty rows")
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return list(flat.reshape(len(column), -1))
