"""Findings about a submission: its columns, ids and grades."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from drkit.auditing.findings import Finding, make_finding
from drkit.grades import MAX_GRADE
from drkit.records.labels import image_stem
from drkit.records.layouts.cells import is_table_file
from drkit.records.layouts.tables import open_table
from drkit.records.submission import COLUMNS, Sample, is_written


def is_submission(path: Path) -> bool:
    """Whether a table has the columns ID and TARGET, or drkit wrote it as a submission."""
    is_table = path.is_file() and is_table_file(path)
    return is_table and (is_written(path) or open_table(path).has("id", "target"))


def find_submission_faults(path: Path, sample: Sample | None) -> Iterator[Finding]:
    """Find faults of a submission that Kaggle would refuse or misread.

    Args:
        path: The submission.
        sample: The sample with the expected ids, or None.

    Raises:
        InputError: the file is not a table.
    """
    table = open_table(path)
    columns = tuple(table.header.values())
    without_sample = columns if len(columns) == 2 and is_written(path) else COLUMNS
    expected = without_sample if sample is None else sample.columns
    if columns != expected:
        sentence = f"{path}: columns are {table.columns}, expected {', '.join(expected)}"
        yield make_finding("wrong-columns", sentence, (), (), (str(path),))
    column_of = {title.lower(): column for column, title in table.header.items()}
    ids, grades = (table.cells[column_of[name.lower()]] if name.lower() in column_of else None for name in expected)
    if ids is not None:
        yield from _check_ids(path, ids.rename(expected[0]), sample)
    if ids is not None and grades is not None:
        yield from _check_grades(path, ids, grades.rename(expected[1]))


def _check_ids(path: Path, ids: pd.Series, sample: Sample | None) -> Iterator[Finding]:
    for row in ids.index[ids == ""]:
        yield _about("empty-id", f"{path} row {row + 2}: the {ids.name} is empty", (), path)
    stems = ids[ids != ""].map(image_stem)
    for name, same in stems[stems.duplicated(keep=False)].groupby(stems, sort=False):
        numbers = ", ".join(str(row + 2) for row in same.index)
        yield _about("id-twice", f"{path} rows {numbers}: '{name}' occurs {len(same)} times", (str(name),), path)
    if sample is not None:
        yield from _compare_ids(path, ids[ids != ""], sample)


def _compare_ids(path: Path, ids: pd.Series, sample: Sample) -> Iterator[Finding]:
    """Find ids that the submission or the sample lacks; Kaggle does not accept another spelling."""
    spelled, submitted, stems = set(ids), dict(zip(ids.map(image_stem), ids, strict=True)), set(sample.stems())
    for expected, stem in zip(sample.ids, sample.stems(), strict=True):
        if stem not in submitted:
            yield _about("id-missing", f"{path} has no row for {expected}", (expected,), path)
        elif expected not in spelled:
            sentence = f"{path} spells {expected} as {submitted[stem]}: Kaggle will not accept it"
            yield _about("id-missing", sentence, (expected,), path)
    for stem, name in submitted.items():
        if stem not in stems:
            yield _about("id-surplus", f"{path}: {name} is not in {sample.path}", (name,), path)


def _check_grades(path: Path, ids: pd.Series, cells: pd.Series) -> Iterator[Finding]:
    is_off_scale = ~cells.isin([str(grade) for grade in range(MAX_GRADE + 1)])
    for row in cells.index[is_off_scale]:
        name = ids[row]
        sentence = (
            f"{path} row {row + 2}: {cells.name} of {name} is '{cells[row]}', expected a whole number 0-{MAX_GRADE}"
        )
        yield _about("grade-off-scale", sentence, (str(name),), path)


def _about(kind: str, sentence: str, ids: tuple[str, ...], path: Path) -> Finding:
    return make_finding(kind, sentence, ids, (), (str(path),))
