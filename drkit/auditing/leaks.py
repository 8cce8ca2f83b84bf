"""Leaks: rows and photographs that a model was trained on, and files that contradict each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drkit.auditing.findings import Finding, make_finding
from drkit.duplicates.seen import find_seen
from drkit.duplicates.stats import PhotographStats
from drkit.errors import first_few
from drkit.grades import TARGETS, grade_column
from drkit.records.predictions import Predictions, find_predictions, read_predictions
from drkit.records.preprocessed import read_source_hashes
from drkit.records.runs import FILE_SUFFIX, Run, read_run_record

_SAME_DATA = 0.9  # share of a file's ids that a data set must have, so that their grades are compared


@dataclass(frozen=True)
class AuditedPredictions:
    """Predictions, and the photographs that their run was trained on.

    Args:
        path: The parquet file.
        predictions: Its content.
        record: The JSON of the run or ensemble beside the parquet; None without one.
        trained_on: SHA-256 of the photographs that the run's weights were trained on, with "unknown" if some are not
            known; empty without a record.
        descends_from: Names of the runs that come with drkit which the weights started from.
    """

    path: Path
    predictions: Predictions
    record: Path | None
    trained_on: frozenset[str]
    descends_from: tuple[str, ...]


def read_graded(path: Path) -> AuditedPredictions:
    """Read predictions, and the record of their run if there is one.

    Args:
        path: The parquet file, a run's stem, or any file of a run.

    Raises:
        InputError: there is no such file, or the predictions or the record cannot be read.
    """
    parquet = find_predictions(path)
    run = Run(parquet.with_name(FILE_SUFFIX.sub("", parquet.name)))
    record = run.record if run.record.is_file() else None
    content = read_run_record(run) if record else {"trained_on_photographs": (), "descends_from": ()}
    trained_on, ancestors = frozenset(content["trained_on_photographs"]), tuple(content["descends_from"])
    return AuditedPredictions(parquet, read_predictions(parquet), record, trained_on, ancestors)


def find_trained_rows(graded: AuditedPredictions) -> Iterator[Finding]:
    """Find rows of splits that the run was trained on and that no fold held out."""
    predictions = graded.predictions
    for row in predictions.where(predictions.leaked_rows()).rows.itertuples():
        sentence = (
            f"{graded.path}: {row.image_id} is of split {row.split}, which was trained on, and no fold held it out"
        )
        yield make_finding("trained-on-row", sentence, (row.image_id,), (), (str(graded.path),))


def hash_originals(rows: pd.DataFrame, stats: Mapping[str, PhotographStats]) -> dict[str, str]:
    """Compute the SHA-256 of each photograph's file, or of the file that preprocess made it from, by path.

    Args:
        rows: The result of `concat_surveys`.
        stats: Statistics of each photograph, by path.

    Raises:
        InputError: a manifest cannot be read.
    """
    hashes = {path: item.sha256 for path, item in stats.items()}
    originals = read_source_hashes([Path(root) for root in rows["root"].unique()])
    return hashes | {str(path): sha256 for path, sha256 in originals.items()}


def find_trained_photographs(
    rows: pd.DataFrame, originals: Mapping[str, str], graded: AuditedPredictions
) -> Iterator[Finding]:
    """Find photographs of val and test that the run was trained on, unless a fold held them out.

    Args:
        rows: The result of `concat_surveys`.
        originals: The result of `hash_originals`.
        graded: The predictions of a run.
    """
    predicted = graded.predictions.rows
    held_out = _ids_in(graded.predictions, rows).isin(predicted["image_id"][predicted["fold"].notna()])
    scored = rows[rows["path"].notna() & (rows["split"] != "train") & ~held_out]
    paths = scored["path"].tolist()
    contents = [originals[path] for path in paths]
    seen = find_seen([Path(path) for path in paths], contents, graded.trained_on, graded.descends_from)
    for row in scored[seen].itertuples():
        sentence = f"{graded.path} was trained on {row.image_id}, of split {row.split} in {row.source}"
        yield make_finding(
            "trained-on-photograph", sentence, (row.image_id,), (row.path,), (row.source, str(graded.path))
        )


def find_contradicting_files(files: Sequence[AuditedPredictions], rows: pd.DataFrame | None) -> Iterator[Finding]:
    """Find photographs whose grades or splits differ between predictions, or between predictions and a data set.

    Args:
        files: Predictions.
        rows: The result of `concat_surveys`, or None without data sets. A data set is compared with a file only if it
            has at least 90 % of the file's ids (for a file on several data sets, of the ids of this data set). Train in
            the data set and val or test in the file do not contradict each other, because drkit splits data sets
            without splits.
    """
    if not files:
        return
    tables = [_statements(graded.predictions.rows, str(graded.path)) for graded in files]
    for graded in files if rows is not None else ():
        tables += _data_set_statements(rows, graded.predictions)
    stated = pd.concat(tables).drop_duplicates()
    several = stated.groupby(["image_id", "fact"])["value"].transform("nunique") > 1
    for (name, fact), group in stated[several].groupby(["image_id", "fact"], sort=False):
        listed = first_few(
            [f"{value} in {source}" for value, source in zip(group["value"], group["source"], strict=True)]
        )
        kind = "contradicting-splits" if fact == "split" else "contradicting-references"
        yield make_finding(kind, f"{name}: {fact} {listed}", (str(name),), (), group["source"])


def _data_set_statements(rows: pd.DataFrame, predictions: Predictions) -> Iterator[pd.DataFrame]:
    """The grades and splits in the audited data sets, under the ids of a predictions file."""
    ids = _ids_in(predictions, rows)
    names = predictions.dataset_names().fillna("")
    for (source, root), part in rows.groupby(["source", "root"], sort=False):
        known = ids[part.index].dropna()
        of_this = (names == Path(root).name) | (names == "")
        if predictions.rows["image_id"][of_this].isin(known).mean() >= _SAME_DATA:
            statements = _statements(part.loc[known.index].assign(image_id=known), str(source))
            yield statements[statements["value"] != "train"]


def _ids_in(predictions: Predictions, rows: pd.DataFrame) -> pd.Series:
    """The id of each audited photograph (N,) in a predictions file; null for data sets that the file lacks.

    In a file on several data sets, ids that several of them have start with the data set's name.
    """
    names = predictions.dataset_names()
    if names.isna().all():
        return rows["image_id"]
    known = pd.Series(names.to_numpy(), index=predictions.rows["image_id"])
    own = rows["root"].map(lambda root: Path(root).name).astype("string")
    plain_ids = rows["image_id"].where(rows["image_id"].map(known).eq(own).fillna(False).astype(bool))
    prefixed = own + "-" + rows["image_id"]
    return plain_ids.mask(prefixed.isin(known.index), prefixed)


def _statements(rows: pd.DataFrame, source: str) -> pd.DataFrame:
    """The grades and splits in a file, with one row for each id and value."""
    by_id = rows.drop_duplicates("image_id").set_index("image_id")
    columns = {f"{target} grade": by_id[grade_column(target)] for target in TARGETS} | {"split": by_id["split"]}
    parts = [
        pd.DataFrame({"image_id": values.index, "fact": fact, "value": values.astype("string").to_numpy()})
        for fact, values in columns.items()
    ]
    return pd.concat(parts).dropna().assign(source=source)
