"""predictions.parquet: one row for each photograph, with its labels and its predicted grade."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from drkit.decisions import decide, decide_by_fold
from drkit.errors import InputError
from drkit.grades import SPLITS, Split, grade_column
from drkit.records.atomic import writing
from drkit.records.filenames import check_spelling
from drkit.records.labels import DATASET, Labels
from drkit.records.parquet import read_table
from drkit.records.patterns import expand_patterns
from drkit.records.prediction_columns import PROBABILITY_COLUMNS as PROBABILITY_COLUMNS
from drkit.records.prediction_columns import SCHEMA as SCHEMA
from drkit.records.prediction_columns import check_columns, check_rows, schema_of, typed
from drkit.records.prediction_lists import (
    EMBEDDING,
    LISTS,
    SEED_PROBABILITIES,
    SEED_SCORE,
    check_seeds,
    from_arrow,
    list_shape,
    stack_lists,
    to_arrow,
)
from drkit.records.prediction_meta import PredictionsMeta as PredictionsMeta
from drkit.records.prediction_meta import check_meta, read_meta
from drkit.records.provenance import METADATA_KEY, canonical_json
from drkit.records.runs import FILE_SUFFIX, Run, names_packaged_run


@dataclass(frozen=True)
class Predictions:
    """Predictions for N photographs.

    Args:
        rows: One row for each photograph, with the columns of `SCHEMA` in their nullable pandas types
            (`predicted_grade` int8). Optional columns are `dataset` (string, of several data sets), `embedding` (a
            float16 array (D,) in each cell) and, of a run of S seeds, `seed_score` (S,) and `seed_probabilities`
            (S, 5), float32 in the order of `meta.seeds`.
        meta: How the predictions were made.
        name: Name of the run, which is the file's stem.
    """

    rows: pd.DataFrame
    meta: PredictionsMeta
    name: str

    def probabilities(self) -> NDArray[np.float32]:
        """(N, 5), rows summing to 1."""
        return self.rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float32)

    def embeddings(self) -> NDArray[np.float16] | None:
        """The photographs' features (N, D), or None if they were not stored."""
        if EMBEDDING not in self.rows:
            return None
        return stack_lists(self.rows, EMBEDDING).astype(np.float16)

    def of_seed(self, seed: int) -> "Predictions":
        """The predictions of one seed's networks, with the run's decision.

        Args:
            seed: One of `meta.seeds`.
        """
        position = self.meta.seeds.index(seed)
        rows = self.rows.drop(columns=list(LISTS), errors="ignore")
        probabilities, score = (stack_lists(self.rows, name)[:, position] for name in (SEED_PROBABILITIES, SEED_SCORE))
        rows[list(PROBABILITY_COLUMNS)] = probabilities
        rows["score"] = score
        rows["predicted_grade"] = decide_as(self.meta, probabilities, score, rows["fold"])
        return Predictions(rows, replace(self.meta, seeds=()), f"{self.name}, seed {seed}")

    def reference(self) -> pd.Series:
        """The reference grades of the target (Int8, null where unknown), in row order."""
        return self.rows[grade_column(self.meta.target)]

    def patients(self) -> NDArray[np.str_]:
        """(N,) a key of each photograph's patient; photographs without a patient id count as separate patients."""
        return patient_keys(self.rows)

    def leaked_rows(self) -> NDArray[np.bool_]:
        """(N,) whether the run was trained on the photograph, or on its split without a fold that held it out."""
        by_split = self.rows["split"].isin(self.meta.trained_on)
        by_name = self.rows["image_id"].isin(self.meta.trained_on_images)
        return (by_split & self.rows["fold"].isna() | by_name).to_numpy(dtype=bool)

    def where(self, keep: ArrayLike) -> "Predictions":
        """The rows for which `keep` (N,) is true."""
        return replace(self, rows=self.rows[np.asarray(keep, dtype=bool)].reset_index(drop=True))

    def of_split(self, *splits: Split) -> "Predictions":
        """The photographs of the given splits."""
        return self.where(self.rows["split"].isin(splits))

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits of the photographs, in the order train, val, test."""
        return tuple(split for split in SPLITS if (self.rows["split"] == split).any())

    def dataset_names(self) -> pd.Series:
        """(N,) the name of each photograph's data set, in row order; null if there is only one data set."""
        unknown = pd.Series(pd.NA, index=self.rows.index, dtype="string", name=DATASET)
        return self.rows.get(DATASET, unknown)

    def rows_by_dataset(self) -> dict[str, NDArray[np.bool_]]:
        """Masks (N,) of the rows of each data set, by name; empty if there is only one data set."""
        names = self.dataset_names()
        parts = sorted(names.dropna().unique())
        return {name: (names == name).to_numpy(dtype=bool) for name in parts} if len(parts) > 1 else {}

    def check_split(self, split: Split) -> None:
        """Check that there are photographs of a split.

        Raises:
            InputError: there are none.
        """
        if split not in self.splits:
            raise InputError(f"{self.name} has no rows of split {split}, only of {' and '.join(self.splits)}")

    def __len__(self) -> int:
        return len(self.rows)


def patient_keys(rows: pd.DataFrame) -> NDArray[np.str_]:
    """(N,) a key of each photograph's patient; photographs without a patient id count as separate patients."""
    return ("patient " + rows["patient_id"]).fillna("photograph " + rows["image_id"]).to_numpy(dtype=str)


def trained_splits(rows: pd.DataFrame, is_trained_on: NDArray[np.bool_]) -> tuple[tuple[Split, ...], tuple[str, ...]]:
    """The splits whose photographs were all trained on, and the ids of other photographs that were trained on.

    Args:
        rows: N photographs with `image_id` and `split`.
        is_trained_on: bool (N,).
    """
    splits = rows["split"]
    complete = tuple(split for split in SPLITS if (splits == split).any() and is_trained_on[splits == split].all())
    others = rows["image_id"][is_trained_on & ~splits.isin(complete).to_numpy(dtype=bool)]
    return complete, tuple(sorted(others))


def decide_as(meta: PredictionsMeta, probabilities: ArrayLike, score: ArrayLike, fold: pd.Series) -> NDArray[np.int8]:
    """Decide grades as a run does; rows that a fold held out get the cut points of the other folds.

    Args:
        meta: The run's metadata.
        probabilities: (N, 5).
        score: (N,) in [0, 4].
        fold: (N,) the fold that held the row out, or null.
    """
    if meta.decision != "cut_points":
        return decide(meta.decision, probabilities, score)
    by_fold = dict(enumerate(meta.fold_cut_points))
    return decide_by_fold(score, fold.fillna(-1).to_numpy(dtype=np.int64), meta.cut_points, by_fold)


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
    seed_probabilities: ArrayLike | None = None,
    seed_score: ArrayLike | None = None,
) -> Predictions:
    """Join a network's outputs to the labels of the photographs, in the labels' order.

    Args:
        labels: Labels of the N photographs.
        probabilities: (N, 5), rows summing to 1 within 0.001.
        score: (N,) in [0, 4].
        meta: How the predictions were made; its decision gives the predicted grades.
        name: Name of the run.
        fold: (N,) the fold that held the row out, or null; None without folds.
        predicted_grade: (N,) grades 0-4 if rows have decisions of their own, such as out-of-fold rows with the cut
            points of the other folds.
        embedding: (N, D) features to be stored.
        seed_probabilities: (N, S, 5) probabilities of each seed in `meta.seeds`; None without seeds.
        seed_score: (N, S) scores of each seed; None without seeds.

    Raises:
        InputError: values are off their range, as in `check_predictions`.
    """
    probabilities, score = np.asarray(probabilities, np.float32), np.asarray(score, np.float32)
    if predicted_grade is None:
        predicted_grade = decide(meta.decision, probabilities, score, meta.cut_points)
    schema = schema_of(labels.rows.columns)
    rows = labels.rows[[column for column in schema.names if column in labels.rows]].reset_index(drop=True)
    rows["fold"] = pd.NA if fold is None else pd.array(fold, dtype="Int16")
    rows[list(PROBABILITY_COLUMNS)] = probabilities
    rows["score"] = score
    rows["predicted_grade"] = np.asarray(predicted_grade)
    rows = typed(rows[schema.names])
    lists = {EMBEDDING: embedding, SEED_SCORE: seed_score, SEED_PROBABILITIES: seed_probabilities}
    for column, values in lists.items():
        if values is not None:
            rows[column] = list(np.asarray(values, LISTS[column][0].to_pandas_dtype()))
    predictions = Predictions(rows, meta, name)
    check_predictions(predictions, f"predictions of {name}")
    return predictions


def write_predictions(predictions: Predictions, path: Path, *, force: bool = False) -> None:
    """Write a parquet file; equal predictions give equal bytes.

    Raises:
        OutputExistsError: `path` exists and `force` is off.
        InputError: values are off their range.
    """
    check_predictions(predictions, str(path))
    table = _table(predictions)
    with writing(path, force=force) as draft:
        pq.write_table(table, draft, compression="zstd")


def read_predictions(path: Path) -> Predictions:
    """Read and check predictions.

    Args:
        path: The parquet file, a run's stem, or any of the run's files.

    Raises:
        InputError: the file is missing, does not have drkit's predictions, or has an invalid value; the message has
            file, column, row (counted from 1) and what was expected.
    """
    path = find_predictions(path)
    check_spelling([path])  # pyarrow cannot open other names
    table = read_table(path, partial(_check_schema, path=path))
    meta = read_meta(table.schema.metadata or {}, path)
    plain = table.select(schema_of(table.column_names).names).replace_schema_metadata()  # drops pandas's metadata
    rows = typed(plain.to_pandas())
    for column in [name for name in LISTS if name in table.column_names]:
        rows[column] = from_arrow(table.column(column), column, path)
    predictions = Predictions(rows, meta, path.stem)
    check_predictions(predictions, str(path))
    return predictions


def find_predictions(path: Path) -> Path:
    """Find the predictions file of a run.

    Args:
        path: The parquet file, a run's stem, or any of the run's files.

    Raises:
        InputError: there is no such file.
    """
    if path.is_file() and (path.suffix == ".parquet" or not FILE_SUFFIX.search(path.name)):
        return path
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected predictions (for example {path / '*.parquet'})")
    beside = Run.of(path).predictions
    if beside.is_file():
        return beside
    if names_packaged_run(path):
        raise InputError(f"{path} comes with drkit without predictions: make them with drkit predict {path} --data ...")
    missing = path if path.suffix == ".parquet" else beside
    raise InputError(f"{missing} does not exist: expected a predictions file, or the name of a finished run")


def read_all_predictions(paths: Iterable[Path]) -> list[Predictions]:
    """Read the predictions of runs and patterns, each once, with unique names.

    Raises:
        InputError: as `read_predictions` and `expand_patterns`.
    """
    return [replace(read_predictions(path), name=name) for name, path in name_predictions(paths).items()]


def name_predictions(paths: Iterable[Path]) -> dict[str, Path]:
    """Name the predictions files of runs and patterns, each once: by stem, or by path if stems repeat.

    Raises:
        InputError: as `expand_patterns` and `find_predictions`.
    """
    files = list(dict.fromkeys(find_predictions(path) for path in expand_patterns(paths)))
    stems = [path.stem for path in files]
    return {path.stem if stems.count(path.stem) == 1 else path.as_posix(): path for path in files}


def check_predictions(predictions: Predictions, source: str) -> None:
    """Check rows and metadata.

    Raises:
        InputError: an id is repeated, a required value is null, a value is off its range, or a word in the metadata is
            unknown.
    """
    check_meta(predictions.meta, source)
    check_rows(predictions.rows, source)
    check_seeds(predictions.rows, predictions.meta.seeds, source)


def _check_schema(schema: pa.Schema, path: Path) -> None:
    read_meta(schema.metadata or {}, path)
    check_columns(schema, LISTS, path)
    for name in [name for name in LISTS if name in schema.names]:
        list_shape(schema.field(name).type, name, path)


def _table(predictions: Predictions) -> pa.Table:
    rows, schema = predictions.rows, schema_of(predictions.rows.columns)
    arrays = [pa.array(rows[item.name], type=item.type, from_pandas=True) for item in schema]
    for name in [name for name in LISTS if name in rows]:
        arrays.append(to_arrow(stack_lists(rows, name)))
        schema = schema.append(pa.field(name, arrays[-1].type, nullable=False))
    record = canonical_json(asdict(predictions.meta))
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata({METADATA_KEY: record}))
